"""All that this server knows at the moment, for whoever asks."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_twexport.coverage.coverage import coverage
from airflow_provider_twexport.exceptions import NotFoundError
from airflow_provider_twexport.plugin import landed, usage
from airflow_provider_twexport.plugin.accounts import base
from airflow_provider_twexport.plugin.accounts.adobe import AdobeAccount
from airflow_provider_twexport.plugin.accounts.base import Account, Orders, Surroundings, Unreadable
from airflow_provider_twexport.plugin.accounts.talkwalker import TalkwalkerAccount
from airflow_provider_twexport.plugin.accounts.x import XAccount
from airflow_provider_twexport.plugin.landed import Lake, Landed
from airflow_provider_twexport.plugin.polling import Look, Poll, look_at_all
from airflow_provider_twexport.plugin.usage import Returned

if TYPE_CHECKING:
    from airflow_provider_twexport.coverage.coverage import LandedSpan, SeriesCoverage
    from airflow_provider_twexport.plugin.accounts.base import Rows
    from airflow_provider_twexport.plugin.rows import CollectorRow, Export
    from airflow_provider_twexport.plugin.usage import Uses
    from airflow_provider_twexport.talkwalker.models import Credits

A = TypeVar("A", bound=Account)

KINDS: dict[str, type[Account]] = {it.conn_type: it for it in (TalkwalkerAccount, AdobeAccount, XAccount)}
CONNECTIONS_SECONDS = 30.0
# a visitor waits for moments only, whatever the services and stores do; the page asks again
_FIRST, _FRESH = 0.4, 0.25
# for what nothing can be told without, before something is done, and where nobody waits
PATIENT = 3.0


@dataclass(frozen=True, slots=True)
class AccountState:
    """One connection that has exports, as it is known.

    :param account: the connection.
    :param rows: its exports and collectors.
    :param credits: what may still be spent; nothing where nothing is.
    """

    account: Account
    rows: Look[Rows]
    credits: Look[Credits]

    @property
    def exports(self) -> tuple[Export, ...]:
        """Return those that run first, then the newest."""
        return self.rows.value.exports if self.rows.value else ()

    @property
    def collectors(self) -> tuple[CollectorRow, ...]:
        """Return those whose results vanish first, first."""
        return self.rows.value.collectors if self.rows.value else ()

    @property
    def unlanded(self) -> tuple[LandedSpan, ...]:
        """Return the windows that were bought, and that no manifest tells of."""
        return self.rows.value.unlanded if self.rows.value else ()


class Watch:
    """Looks at every connection, at object storage and at Airflow's database."""

    def __init__(self) -> None:
        self._connections = Poll(lambda: base.connections(KINDS), CONNECTIONS_SECONDS)
        self._landed = Poll(Lake().look, landed.EVERY_SECONDS)
        self._returned = Poll(usage.look, usage.EVERY_SECONDS)
        self._accounts: dict[tuple[str, str], Account] = {}
        self._lock = threading.Lock()
        self._uses_of: tuple[Returned | None, Landed | None] = None, None
        self._uses: Uses = {}
        self._counting = threading.Lock()
        self._coverage_of: tuple[Landed, tuple[LandedSpan, ...]] = Landed(), ()
        self._coverage: list[SeriesCoverage] = []

    def landed(self) -> Look[Landed]:
        """Return what lies in object storage."""
        return self._landed.look()

    def uses(self, first: float = _FIRST) -> Uses:
        """Return the tasks that use an export or a landing, by id and place.

        :param first: seconds to wait for what the first look finds.
        """
        told, found = self._returned.look(first=first).value, self._landed.look().value
        with self._lock:
            if self._uses_of != (told, found):
                self._uses = usage.together((told or Returned()).uses, found or Landed())
                self._uses_of = told, found
            return self._uses

    def accounts(self, of: type[A]) -> list[A]:
        """Return the connections of a kind.

        :param of: the kind.
        """
        known = self._connections.look(first=PATIENT).value or {}
        found = [self._account(conn_id, conn_type) for conn_id, conn_type in known.items()]
        return [it for it in found if isinstance(it, of)]

    def account(self, conn_id: str, of: type[A]) -> A:
        """Return one connection of a kind.

        :raises NotFoundError: it is none of ours; its password must not be sent to anybody.
        """
        for account in self.accounts(of):
            if account.conn_id == conn_id:
                return account
        raise NotFoundError(f"There is no connection {conn_id!r} here.")

    def seen(self, of: type[Orders] = Orders) -> list[AccountState]:
        """Return what is known of each connection of a kind.

        :param of: the kind.
        """
        found = self.accounts(of)
        for it in found:
            if it.credits:
                it.credits.look()
        rows = look_at_all([it.rows for it in found], _FIRST, _FRESH)
        return [
            AccountState(account, known, account.credits.look() if account.credits else Look())
            for account, known in zip(found, rows, strict=True)
        ]

    def coverage(self) -> list[SeriesCoverage]:
        """Return what is there of each day, as who may see everything sees it; the same while nothing has changed."""
        found = self._landed.look().value or Landed()
        bought = tuple(piece for seen in self.seen(TalkwalkerAccount) for piece in seen.unlanded)
        if not found.places or not bought:
            return found.coverage
        with self._counting:
            if self._coverage_of != (found, bought):
                self._coverage = coverage((*found.pieces, *bought))
                self._coverage_of = found, bought
            return self._coverage

    def renewed(self, account: Orders) -> Rows:
        """Return what is true of a connection now, before something is deleted.

        :raises TwexportError: if the service does not answer.
        """
        self._landed.renew()
        self._returned.renew()
        return account.rows.renew()

    def _account(self, conn_id: str, conn_type: str) -> Account:
        with self._lock:
            if (conn_id, conn_type) not in self._accounts:
                kind = KINDS.get(conn_type, Unreadable)
                self._accounts[conn_id, conn_type] = kind(conn_id, self._surroundings)
            return self._accounts[conn_id, conn_type]

    def _surroundings(self) -> Surroundings:
        # a store that takes longer is shown when it has answered
        found = self._landed.look(first=PATIENT).value or Landed()
        told = self._returned.look(first=PATIENT, fresh=PATIENT).value or Returned()
        busy = {
            export_id
            for export_id, tellers in self.uses().items()
            if any(teller.run in told.busy for teller in tellers)
        }
        return Surroundings(found, frozenset(busy))


@cache
def watch() -> Watch:
    """Return the one of this process."""
    return Watch()
