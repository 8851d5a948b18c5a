"""What Talkwalker tells of each connection, asked by this server for all its visitors."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.clients._retry import Retry
from airflow_provider_twexport.clients.errors import FixConnectionError
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook, client_for
from airflow_provider_twexport.plugin import settings
from airflow_provider_twexport.plugin.cache import Poll

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_twexport.clients.talkwalker import (
        Collector,
        Credits,
        ExportTask,
        TalkwalkerClient,
    )

# the next look is the next try
_ONCE = Retry(attempts=1, throttled_for=0)
# the service allows 10 questions for credits a minute, and there may be several servers
CREDITS_SECONDS = 60.0
SPEED_OVER_SECONDS = 120.0
_ENV = "AIRFLOW_CONN_"


@dataclass(frozen=True, eq=False)
class Exports:
    """All exports and collectors of an account.

    :param tasks: the service's list.
    :param collectors: those that exist.
    :param per_second: results a second of those that export, by export.
    """

    tasks: tuple[ExportTask, ...]
    collectors: tuple[Collector, ...]
    per_second: dict[str, float]


class Account:
    """One connection.

    :param conn_id: its id.
    """

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self.exports = Poll(self._ask_exports, settings.poll_seconds())
        self.credits = Poll(self._ask_credits, CREDITS_SECONDS)
        self._speeds = Speeds()

    def client(self) -> TalkwalkerClient:
        """Return a client; the connection is read anew, so that a new token is taken up.

        :raises FixConnectionError: if there is no such connection, or it lacks something.
        """
        return client_for(_connection(self.conn_id), _ONCE)

    def changed(self) -> None:
        """Look anew, because somebody did something."""
        self.exports.forget()
        self.credits.forget()

    def _ask_exports(self) -> Exports:
        client = self.client()
        tasks = tuple(client.list_exports())
        per_second = self._speeds.after(tasks, time.monotonic())
        return Exports(tasks, tuple(client.list_collectors()), per_second)

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
    from airflow.sdk.exceptions import AirflowNotFoundException
    from airflow.models import Connection

    try:
        return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        raise FixConnectionError(f"There is no Airflow connection {conn_id!r}.") from None
