"""All that this server knows at the moment, for whoever asks."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from airflow_provider_twexport.clients.errors import MissingError
from airflow_provider_twexport.plugin import landed, uses
from airflow_provider_twexport.plugin.accounts import Account, Surroundings, connection_ids
from airflow_provider_twexport.plugin.cache import Look, Poll
from airflow_provider_twexport.plugin.landed import Landed
from airflow_provider_twexport.plugin.uses import Returned

if TYPE_CHECKING:
    from airflow_provider_twexport.clients.talkwalker import Credits
    from airflow_provider_twexport.planning.coverage import Piece
    from airflow_provider_twexport.plugin.accounts import Rows
    from airflow_provider_twexport.plugin.exports import Export, Held
    from airflow_provider_twexport.plugin.uses import Uses

CONNECTIONS_SECONDS = 30.0
# a visitor waits for moments only, whatever the service does; the page asks again
_FIRST, _FRESH = 3.0, 0.25


@dataclass(frozen=True, slots=True)
class Seen:
    """One connection, as it is known.

    :param conn_id: its id.
    :param rows: its exports and collectors.
    :param credits: what may still be spent.
    """

    conn_id: str
    rows: Look[Rows]
    credits: Look[Credits]

    @property
    def exports(self) -> tuple[Export, ...]:
        """Return those that run first, then the newest."""
        return self.rows.value.exports if self.rows.value else ()

    @property
    def collectors(self) -> tuple[Held, ...]:
        """Return those whose results vanish first, first."""
        return self.rows.value.collectors if self.rows.value else ()

    @property
    def unlanded(self) -> tuple[Piece, ...]:
        """Return the windows that were bought, and that no manifest tells of."""
        return self.rows.value.unlanded if self.rows.value else ()


class Watch:
    """Looks at every connection, at object storage and at Airflow's database."""

    def __init__(self) -> None:
        self._connections = Poll(connection_ids, CONNECTIONS_SECONDS)
        self._landed = Poll(landed.look, landed.EVERY_SECONDS)
        self._returned = Poll(uses.look, uses.EVERY_SECONDS)
        self._accounts: dict[str, Account] = {}
        self._lock = threading.Lock()
        self._uses_of: tuple[Returned | None, Landed | None] = None, None
        self._uses: Uses = {}

    def connections(self) -> Look[list[str]]:
        """Return the connections."""
        return self._connections.look(first=_FIRST)

    def landed(self) -> Look[Landed]:
        """Return what lies in object storage."""
        return self._landed.look()

    def uses(self) -> Uses:
        """Return the tasks that use an export, by export."""
        told, found = self._returned.look(first=_FIRST).value, self._landed.look().value
        with self._lock:
            if self._uses_of != (told, found):
                self._uses = uses.together((told or Returned()).uses, (found or Landed()).entries)
                self._uses_of = told, found
            return self._uses

    def account(self, conn_id: str) -> Account:
        """Return the account of a connection.

        :raises MissingError: it is none of ours; its password must not be sent to anybody.
        """
        if conn_id not in (self.connections().value or ()):
            raise MissingError(f"There is no Talkwalker connection {conn_id!r}.")
        with self._lock:
            if conn_id not in self._accounts:
                self._accounts[conn_id] = Account(conn_id, self._surroundings)
            return self._accounts[conn_id]

    def seen(self, conn_id: str) -> Seen:
        """Return what is known of a connection."""
        account = self.account(conn_id)
        return Seen(conn_id, account.rows.look(_FIRST, _FRESH), account.credits.look(_FIRST))

    def renewed(self, conn_id: str) -> Rows:
        """Return what is true of a connection now, before something is deleted.

        :raises TwexportError: if the service does not answer.
        """
        self._landed.renew()
        self._returned.renew()
        return self.account(conn_id).rows.renew()

    def _surroundings(self) -> Surroundings:
        # a store that takes longer is shown when it has answered
        found = self._landed.look(first=_FIRST).value or Landed()
        told = self._returned.look(first=_FIRST, fresh=_FIRST).value or Returned()
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
