"""All that this server knows at the moment, for whoever asks; rows are made once for each new answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.plugin import exports, landed, uses
from airflow_provider_twexport.plugin.accounts import Account, connection_ids
from airflow_provider_twexport.plugin.accounts import Exports as Told
from airflow_provider_twexport.plugin.cache import Look, Poll
from airflow_provider_twexport.plugin.landed import Landed
from airflow_provider_twexport.plugin.uses import Returned

if TYPE_CHECKING:
    from airflow_provider_twexport.clients.talkwalker import Credits
    from airflow_provider_twexport.plugin.exports import Export, Held
    from airflow_provider_twexport.plugin.uses import Uses

CONNECTIONS_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One connection, as it is known.

    :param conn_id: its id.
    :param told: how old the service's answer is, and why there is no newer one.
    :param credits: what may still be spent.
    :param exports: those that run first, then the newest.
    :param collectors: those whose results vanish first, first.
    """

    conn_id: str
    told: Look[Told]
    credits: Look[Credits]
    exports: tuple[Export, ...]
    collectors: tuple[Held, ...]


class Watch:
    """Looks at every connection, at object storage and at Airflow's database."""

    def __init__(self) -> None:
        self._connections = Poll(connection_ids, CONNECTIONS_SECONDS)
        self._landed = Poll(landed.look, landed.EVERY_SECONDS)
        self._returned = Poll(uses.look, uses.EVERY_SECONDS)
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.Lock()
        self._uses_of: tuple[Returned | None, Landed | None] | None = None
        self._uses_known: Uses = {}

    def connections(self) -> Look[list[str]]:
        """Return the connections."""
        return self._connections.look()

    def landed(self) -> Look[Landed]:
        """Return what lies in object storage."""
        return self._landed.look()

    def uses(self) -> Uses:
        """Return the tasks that use an export, by export."""
        return self._uses(self._returned.look().value, self._landed.look().value)

    def seen(self, conn_id: str) -> Seen:
        """Return what is known of a connection."""
        with self._lock:
            watched = self._watched.setdefault(conn_id, _Watched(conn_id))
        return watched.seen(
            self._landed.look().value or Landed(), self._returned.look().value or Returned(), self.uses()
        )

    def account(self, conn_id: str) -> Account:
        """Return the account of a connection that was seen."""
        with self._lock:
            return self._watched.setdefault(conn_id, _Watched(conn_id)).account

    def renewed(self, conn_id: str) -> Seen:
        """Return what is true of a connection now, before something is deleted.

        :raises TwexportError: if the service does not answer.
        """
        self._landed.renew()
        self._returned.renew()
        self.account(conn_id).exports.renew()
        return self.seen(conn_id)

    def _uses(self, returned: Returned | None, found: Landed | None) -> Uses:
        with self._lock:
            of = (returned, found)
            if self._uses_of != of:
                self._uses_of = of
                self._uses_known = uses.together((returned or Returned()).uses, (found or Landed()).entries)
            return self._uses_known


class _Watched:
    def __init__(self, conn_id: str) -> None:
        self.account = Account(conn_id)
        self._lock = threading.Lock()
        self._made_of: tuple[Told, Landed, Returned] | None = None
        self._rows: tuple[tuple[Export, ...], tuple[Held, ...]] = ((), ())

    def seen(self, found: Landed, returned: Returned, all_uses: Uses) -> Seen:
        told = self.account.exports.look()
        with self._lock:
            if told.value and self._made_of != (told.value, found, returned):
                self._rows = _rows(told.value, found, returned, all_uses)
                self._made_of = (told.value, found, returned)
            of_exports, of_collectors = self._rows
        return Seen(self.account.conn_id, told, self.account.credits.look(), of_exports, of_collectors)


def _rows(
    told: Told, found: Landed, returned: Returned, all_uses: Uses
) -> tuple[tuple[Export, ...], tuple[Held, ...]]:
    now = pendulum.now("UTC")
    busy = {
        export_id
        for export_id, tellers in all_uses.items()
        if any(teller.run in returned.busy for teller in tellers)
    }
    rows = exports.exports(told.tasks, told.collectors, found, per_second=told.per_second, busy=busy, now=now)
    return tuple(rows), tuple(exports.held(told.tasks, told.collectors, found, now))


@cache
def watch() -> Watch:
    """Return the one of this process."""
    return Watch()
