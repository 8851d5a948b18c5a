"""Move what a volume stream of X brings in a bounded time to object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.landing_operator import ResultsLandingOperator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, timedelta

    from airflow.sdk import Context


class XStreamToObjectStorageOperator(ResultsLandingOperator):
    """Land what the Decahose or the Likes stream brings in a bounded time, each message exactly once.

    All partitions are read at the same time, and connected again whenever they end or fall silent; Backfill brings what
    was missed. A part ends every two minutes, so a retry of a task that died loses nothing that Backfill can bring.
    What Backfill cannot bring is a gap: the manifest's ``report`` lists gaps, and how many messages of each minute were
    received and stored. Near the edges of a window the same message may land in the next window, too.

    Writes parts and, last, ``_manifest.json``; returns ``{"manifest", "results", "bytes", "parts", "gaps"}``. Further
    arguments are those of :class:`ResultsLandingOperator`, such as ``file_format``.

    :param object_storage_path: the directory, of any scheme that Airflow's ObjectStoragePath knows; one landing each.
    :param stream: ``decahose``, or ``likes``, which brings likes and unlikes.
    :param start: first moment of the messages wanted, up to 5 minutes ago if the account has Backfill; an earlier time
        is a gap. ``None``: from now on.
    :param stop: read until then.
    :param duration: or for this long after ``start``.
    :param max_results: or until this many messages have landed.
    :param partitions: by number; each has half of the stream.
    :param connections: connections to each partition; with two, one may end and nothing is missed.
    :param backfill: whether the account has Backfill.
    :param silence_seconds: without a byte for so long, a connection is given up; more than 30, as X asks. ``None``: 45.
    :param stream_label: of the stream; ``None`` for the connection's.
    :param object_storage_conn_id: Airflow connection of the object storage.
    :param x_conn_id: Airflow connection of X Enterprise.
    """

    template_fields: Sequence[str] = (
        "object_storage_path",
        "start",
        "stop",
        "max_results",
        "silence_seconds",
        "stream_label",
        "object_storage_conn_id",
        "x_conn_id",
    )
    ui_color = "#f3ecfa"
    system = "x_stream"

    def __init__(
        self,
        *,
        object_storage_path: str,
        stream: str = "decahose",
        start: str | date | None = None,
        stop: str | date | None = None,
        duration: timedelta | None = None,
        max_results: int | str | None = None,
        partitions: Sequence[int] = (1, 2),
        connections: int = 1,
        backfill: bool = True,
        silence_seconds: float | str | None = None,
        stream_label: str | None = None,
        object_storage_conn_id: str | None = None,
        x_conn_id: str = XEnterpriseHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.object_storage_path = object_storage_path
        self.stream = stream
        self.start = start
        self.stop = stop
        self.duration = duration
        self.max_results = max_results
        self.partitions = partitions
        self.connections = connections
        self.backfill = backfill
        self.silence_seconds = silence_seconds
        self.stream_label = stream_label
        self.object_storage_conn_id = object_storage_conn_id
        self.x_conn_id = x_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is and what it counts."""
        from airflow_provider_twexport.core.arguments import parse_int
        from airflow_provider_twexport.x.streams.landing import CaptureLanding, CaptureRequest, dataset

        with fail_without_retry():
            request = CaptureRequest(
                self.stream,
                self.start,
                self.stop,
                self.duration,
                max_results=parse_int("max_results", self.max_results),
                partitions=self.partitions,
                connections=self.connections,
                label=self.stream_label,
            )
            client = XEnterpriseHook(self.x_conn_id).get_stream(
                self.stream, label=self.stream_label, backfill=self.backfill, silence=self.silence_seconds
            )
            capture = CaptureLanding(client, request)
            directory = self.directory(context, self.object_storage_path)
            with capture.open(directory, self.part_options) as landing:
                found = landing.committed
                manifest = found or capture.land(landing)
        gaps = len((manifest.report or {}).get("gaps", ()))
        self.log.info("%s: %d messages, %d gaps.", directory, manifest.results, gaps)
        summary = self.landed(context, directory, manifest, dataset(manifest.source), is_new=not found)
        return summary | {"gaps": gaps}
