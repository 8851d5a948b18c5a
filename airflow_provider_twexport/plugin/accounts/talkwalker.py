"""What Talkwalker tells of a connection: its exports, collectors and credits."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.core.timing import ONCE
from airflow_provider_twexport.exceptions import AlreadyEndedError
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook, client_for
from airflow_provider_twexport.plugin import rows as plugin_rows
from airflow_provider_twexport.plugin.accounts.base import Orders, Rows, connection
from airflow_provider_twexport.plugin.polling import Poll
from airflow_provider_twexport.talkwalker.unlanded import unlanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_twexport.plugin.accounts.base import Surroundings
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import Credits, ExportTask

# the service allows 10 questions for credits a minute, and there may be several servers
CREDITS_SECONDS = 60.0
SPEED_OVER_SECONDS = 120.0


class TalkwalkerAccount(Orders):
    """A Talkwalker connection."""

    conn_type = TalkwalkerHook.conn_type

    def __init__(self, conn_id: str, surroundings: Callable[[], Surroundings]) -> None:
        super().__init__(conn_id, surroundings)
        self.credits: Poll[Credits] = Poll(self._ask_credits, CREDITS_SECONDS)
        self._speeds = Speeds()

    def abort(self, export_id: str) -> str:
        """Abort an export and say what that means."""
        client = self._client()
        task = client.get_export(export_id)
        if not plugin_rows.is_unfinished(task):
            raise AlreadyEndedError(f"Export {export_id} has ended already: it is {task.raw_status}.")
        client.abort_export(export_id)
        self.rows.forget()
        self.credits.forget()
        paid = plugin_rows.count(task)
        said = "What it had" if paid is None else f"The {paid:,} results that it had"
        return f"Export {export_id} was aborted. {said} exported are paid for and stay in its collector."

    def delete_collector(self, collector_id: str) -> None:
        """Delete a collector, whatever it holds."""
        self._client().delete_collector(collector_id)
        self.rows.forget()

    def _client(self) -> TalkwalkerClient:
        return client_for(connection(self.conn_id), ONCE)

    def _ask_rows(self) -> Rows:
        client, around = self._client(), self._surroundings()
        tasks = client.list_exports()
        per_second = self._speeds.after(tasks, time.monotonic())
        # asked for later, so that whatever an export writes into is among them
        collectors = client.list_collectors()
        now = pendulum.now("UTC")
        left = plugin_rows.left_behind(tasks, collectors, around.landed, now)
        existing = {collector.id for collector in collectors}
        rows = plugin_rows.exports(
            tasks, existing, around.landed, left, per_second=per_second, busy=around.busy, now=now
        )
        project_id = connection(self.conn_id).extra_dejson.get("project_id") or None
        pieces = unlanded(tasks, [it.manifest for it in around.landed.landings], project_id)
        return Rows(tuple(rows), tuple(plugin_rows.held(tasks, collectors, left, now)), tuple(pieces))

    def _ask_credits(self) -> Credits:
        return self._client().get_credits()


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
