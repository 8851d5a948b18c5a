"""What Talkwalker tells of each connection, asked by this server for all its visitors."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.clients._retry import Retry
from airflow_provider_twexport.clients.errors import FixConnectionError
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook, client_for
from airflow_provider_twexport.planning.coverage import unlanded
from airflow_provider_twexport.plugin import exports, settings
from airflow_provider_twexport.plugin.cache import Poll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_twexport.clients.talkwalker import Credits, ExportTask, TalkwalkerClient
    from airflow_provider_twexport.planning.coverage import Piece
    from airflow_provider_twexport.plugin.exports import Export, Held
    from airflow_provider_twexport.plugin.landed import Landed

# the next look is the next try
_ONCE = Retry(attempts=1, throttled_for=0)
# the service allows 10 questions for credits a minute, and there may be several servers
CREDITS_SECONDS = 60.0
SPEED_OVER_SECONDS = 120.0
_ENV = "AIRFLOW_CONN_"


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What else is known while an account is looked at.

    :param landed: what lies in object storage.
    :param busy: exports that a run is at work on.
    """

    landed: Landed
    busy: frozenset[str]


@dataclass(frozen=True, eq=False)
class Rows:
    """All exports and collectors of an account, made into rows where nobody waits for it.

    :param exports: those that run first, then the newest.
    :param collectors: those whose results vanish first, first.
    :param unlanded: the windows that were bought, and that no manifest tells of.
    """

    exports: tuple[Export, ...]
    collectors: tuple[Held, ...]
    unlanded: tuple[Piece, ...]


class Account:
    """One connection.

    :param conn_id: its id.
    :param surroundings: tells what else is known.
    """

    def __init__(self, conn_id: str, surroundings: Callable[[], Surroundings]) -> None:
        self.conn_id = conn_id
        self.rows = Poll(self._ask_rows, settings.poll_seconds())
        self.credits = Poll(self._ask_credits, CREDITS_SECONDS)
        self._surroundings = surroundings
        self._speeds = Speeds()

    def client(self) -> TalkwalkerClient:
        """Return a client; the connection is read anew, so that a new token is taken up.

        :raises FixConnectionError: if there is no such connection, or it lacks something.
        """
        return client_for(_connection(self.conn_id), _ONCE)

    def changed(self) -> None:
        """Look anew, because somebody did something."""
        self.rows.forget()
        self.credits.forget()

    def _ask_rows(self) -> Rows:
        client, around = self.client(), self._surroundings()
        tasks = client.list_exports()
        per_second = self._speeds.after(tasks, time.monotonic())
        # asked for later, so that whatever an export writes into is among them
        collectors = client.list_collectors()
        now = pendulum.now("UTC")
        left = exports.left_behind(tasks, collectors, around.landed, now)
        existing = {collector.id for collector in collectors}
        rows = exports.exports(
            tasks, existing, around.landed, left, per_second=per_second, busy=around.busy, now=now
        )
        project_id = _connection(self.conn_id).extra_dejson.get("project_id") or None
        pieces = unlanded(tasks, [it.manifest for it in around.landed.landings], project_id)
        return Rows(tuple(rows), tuple(exports.held(tasks, collectors, left, now)), tuple(pieces))

    def _ask_credits(self) -> Credits:
        return self.client().get_credits()


class Speeds:
    """Tells how fast exports are, from one look to the other."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, dict[str, int]]] = deque()

    def after(self, tasks: Iterable[ExportTask], now: float) -> dict[str, float]:
        """Return results a second, by export, over the last two minutes.

        :param tasks: what is seen now.
        :param now: seconds of any clock that only goes forward.
        """
        counts = {task.id: task.exported() or 0 for task in tasks if task.raw_status.casefold() == "running"}
        while self._seen and now - self._seen[0][0] > SPEED_OVER_SECONDS:
            self._seen.popleft()
        self._seen.append((now, counts))
        speeds = {}
        for export_id, count in counts.items():
            at, before = next((at, seen[export_id]) for at, seen in self._seen if export_id in seen)
            if now > at:
                speeds[export_id] = max(0.0, (count - before) / (now - at))
        return speeds


def connection_ids() -> list[str]:
    """Return the Talkwalker connections that this server can list: those in its settings, environment and database."""
    named = settings.connections()
    if named:
        return named
    from airflow.models import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        stored = session.scalars(
            select(Connection.conn_id).where(Connection.conn_type == TalkwalkerHook.conn_type)
        )
        found = set(stored)
    set_here = (name.removeprefix(_ENV).lower() for name in os.environ if name.startswith(_ENV))
    return sorted(found.union(filter(_is_talkwalker, set_here)))


def _is_talkwalker(conn_id: str) -> bool:
    # what other connections hold is not ours to judge
    with suppress(Exception):
        return bool(_connection(conn_id).conn_type == TalkwalkerHook.conn_type)
    return False


def _connection(conn_id: str) -> Any:
    from airflow.models import Connection
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    try:
        return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        raise FixConnectionError(f"There is no Airflow connection {conn_id!r}.") from None
