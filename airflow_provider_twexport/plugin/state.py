"""Everything that this server knows at the moment, for all visitors."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_twexport.coverage.coverage import coverage
from airflow_provider_twexport.exceptions import NotFoundError
from airflow_provider_twexport.plugin import landed, usage
from airflow_provider_twexport.plugin.accounts import BY_CONN_TYPE, base, export_key
from airflow_provider_twexport.plugin.accounts.base import (
    Account,
    ChargedAccount,
    Context,
    ExportAccount,
    UnknownAccount,
)
from airflow_provider_twexport.plugin.landed import Landed, LandingScanner
from airflow_provider_twexport.plugin.polling import Poll, Snapshot, latest_of_all
from airflow_provider_twexport.plugin.usage import AirflowUsage

if TYPE_CHECKING:
    from airflow_provider_twexport.coverage.coverage import LandedSpan, SeriesCoverage
    from airflow_provider_twexport.plugin.accounts.base import Rows
    from airflow_provider_twexport.plugin.rows import CollectorRow, CreditsRow, ExportRow
    from airflow_provider_twexport.plugin.usage import Usage

A = TypeVar("A", bound=Account)

CONNECTIONS_SECONDS = 30.0
# a visitor waits for a moment only, however slow services and stores are; the page requests again
_FIRST, _NEWER = 0.4, 0.25
# seconds to wait for what a response or an action cannot do without, and in the background
PATIENT = 3.0


@dataclass(frozen=True, slots=True)
class AccountState:
    """What is known of one connection to a service that lists its exports.

    :param account: the connection.
    :param rows: its exports and collectors.
    :param credits: what may still be spent; nothing where results are not charged.
    """

    account: ExportAccount
    rows: Snapshot[Rows]
    credits: Snapshot[CreditsRow]

    @property
    def exports(self) -> tuple[ExportRow, ...]:
        """Return running exports first, then the newest."""
        return self.rows.value.exports if self.rows.value else ()

    @property
    def collectors(self) -> tuple[CollectorRow, ...]:
        """Return its collectors, sorted by when their results are deleted."""
        return self.rows.value.collectors if self.rows.value else ()

    @property
    def unlanded(self) -> tuple[LandedSpan, ...]:
        """Return the windows that were bought and that no manifest contains."""
        return self.rows.value.unlanded if self.rows.value else ()


class ServerState:
    """Polls every connection, object storage and Airflow's database."""

    def __init__(self) -> None:
        self._connections = Poll(lambda: base.connections(BY_CONN_TYPE), CONNECTIONS_SECONDS)
        self._landed = Poll(LandingScanner(export_key).scan, landed.SCAN_SECONDS)
        self._airflow = Poll(usage.read_airflow, usage.READ_SECONDS)
        self._accounts: dict[tuple[str, str], Account] = {}
        self._lock = threading.Lock()
        self._usage_of: tuple[AirflowUsage | None, Landed | None] = None, None
        self._usage: Usage = {}
        self._coverage_lock = threading.Lock()
        self._coverage_of: tuple[Landed, tuple[LandedSpan, ...]] = Landed(), ()
        self._coverage: list[SeriesCoverage] = []

    def landed(self) -> Snapshot[Landed]:
        """Return what has landed."""
        return self._landed.latest()

    def usage(self, first: float = _FIRST) -> Usage:
        """Return the tasks that use an export or a landing, by its key.

        :param first: seconds to wait for the first result.
        """
        airflow, found = self._airflow.latest(first=first).value, self._landed.latest().value
        with self._lock:
            if self._usage_of != (airflow, found):
                self._usage = usage.merged((airflow or AirflowUsage()).usage, found or Landed())
                self._usage_of = airflow, found
            return self._usage

    def accounts(self, kind: type[A]) -> list[A]:
        """Return the connections of a kind."""
        known = self._connections.latest(first=PATIENT).value or {}
        found = [self._account(conn_id, conn_type) for conn_id, conn_type in known.items()]
        return [it for it in found if isinstance(it, kind)]

    def account(self, conn_id: str, kind: type[A]) -> A:
        """Return one connection of a kind.

        :raises NotFoundError: it is none of ours; its password must not be sent to anybody.
        """
        for account in self.accounts(kind):
            if account.conn_id == conn_id:
                return account
        raise NotFoundError(f"There is no connection {conn_id!r} here.")

    def account_states(self, kind: type[ExportAccount] = ExportAccount) -> list[AccountState]:
        """Return what is known of each connection of a kind."""
        found = self.accounts(kind)
        charged = {it.conn_id: it.credits for it in found if isinstance(it, ChargedAccount)}
        for credits in charged.values():
            credits.latest()
        rows = latest_of_all([it.rows for it in found], _FIRST, _NEWER)
        return [
            AccountState(it, known, charged[it.conn_id].latest() if it.conn_id in charged else Snapshot())
            for it, known in zip(found, rows, strict=True)
        ]

    def coverage(self) -> list[SeriesCoverage]:
        """Return how much of each day is there, for those who may see everything; computed only after changes."""
        found = self._landed.latest().value or Landed()
        unlanded = tuple(span for state in self.account_states() for span in state.unlanded)
        if not found.directories or not unlanded:
            return found.coverage
        with self._coverage_lock:
            if self._coverage_of != (found, unlanded):
                self._coverage = coverage((*found.spans, *unlanded))
                self._coverage_of = found, unlanded
            return self._coverage

    def refreshed(self, account: ExportAccount) -> Rows:
        """Return the rows of a connection as they are now, before something is deleted.

        :raises TwexportError: if the service does not answer.
        """
        self._landed.refresh()
        self._airflow.refresh()
        return account.rows.refresh()

    def _account(self, conn_id: str, conn_type: str) -> Account:
        with self._lock:
            if (conn_id, conn_type) not in self._accounts:
                kind = BY_CONN_TYPE.get(conn_type, UnknownAccount)
                self._accounts[conn_id, conn_type] = kind(conn_id, self._context)
            return self._accounts[conn_id, conn_type]

    def _context(self) -> Context:
        # a store that is slower is shown as soon as it has answered
        found = self._landed.latest(first=PATIENT).value or Landed()
        airflow = self._airflow.latest(first=PATIENT, newer=PATIENT).value or AirflowUsage()
        in_use = (
            key for key, tasks in self.usage().items() if any(it.run in airflow.active_runs for it in tasks)
        )
        return Context(found, frozenset(in_use))


@cache
def server_state() -> ServerState:
    """Return the one of this process."""
    return ServerState()
