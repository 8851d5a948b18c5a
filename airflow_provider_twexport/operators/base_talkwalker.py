"""The arguments of all operators that export from Talkwalker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.templates import TemplatedOperator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, timedelta

    from airflow.sdk import Context
    from pendulum import Duration

    from airflow_provider_twexport.talkwalker.models import ExportOrder


class TalkwalkerOrderOperator(TemplatedOperator):
    """Base of the operators that take an order: what to export.

    :param collector_id: the collector that the results go to.
    :param start: first moment of the window, inclusive; without ``start`` and ``stop`` it is the run's window.
    :param stop: last moment of the window, exclusive.
    :param project_id: export from this project; ``None`` for the connection's, ``""`` for none.
    :param stream_id: export from this stream; excludes ``project_id``.
    :param query: Talkwalker query; required where there is neither project nor stream.
    :param topics: topic ids of the project; a list, or a text with commas.
    :param limit: results at most, 1 to 1,000,000; each costs a credit.
    :param partition_length: the length of the window of a run that has only a partition date; months are
        ``pendulum.duration(months=1)``, because a timedelta counts days.
    :param talkwalker_conn_id: Airflow connection.
    """

    template_fields: Sequence[str] = (
        "collector_id",
        "start",
        "stop",
        "project_id",
        "stream_id",
        "query",
        "topics",
        "limit",
        "talkwalker_conn_id",
    )
    ui_color = "#e8f4fa"

    def __init__(
        self,
        *,
        collector_id: str | None = None,
        start: str | date | None = None,
        stop: str | date | None = None,
        project_id: str | None = None,
        stream_id: str | None = None,
        query: str | None = None,
        topics: Sequence[str] | str | None = None,
        limit: int | str | None = 1_000_000,
        partition_length: timedelta | Duration | None = None,
        talkwalker_conn_id: str = TalkwalkerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.collector_id = collector_id
        self.start = start
        self.stop = stop
        self.project_id = project_id
        self.stream_id = stream_id
        self.query = query
        self.topics = topics
        self.limit = limit
        self.partition_length = partition_length
        self.talkwalker_conn_id = talkwalker_conn_id

    def _order(self, context: Context, hook: TalkwalkerHook) -> ExportOrder:
        from airflow_provider_twexport.core.arguments import parse_int
        from airflow_provider_twexport.core.run_window import export_window

        return hook.order(
            export_window(context, self.start, self.stop, self.partition_length),
            project_id=self.project_id,
            stream_id=self.stream_id,
            query=self.query,
            topics=self.topics,
            limit=parse_int("limit", self.limit),
        )
