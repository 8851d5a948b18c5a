"""Move what a volume stream of X brings in a bounded time to object storage."""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook
from airflow_provider_twexport.links import ManifestLink
from airflow_provider_twexport.storage import formats
from airflow_provider_twexport.telemetry import metrics
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.landing_operator import LandingOperator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from airflow.sdk import Context

    from airflow_provider_twexport.storage.landing import Landing
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.x.streams.capture_report import CaptureReport
    from airflow_provider_twexport.x.streams.client import XStreamClient

PART_SECONDS = 120.0
# Backfill repeats what came up to 5 minutes ago, and takes a while for that
REMEMBERED_SECONDS = 420.0


class XStreamToObjectStorageOperator(LandingOperator):
    """Land what the Decahose or the Likes stream brings in a bounded time, each message exactly once.

    All partitions are read at the same time, and connected again whenever they end or fall silent; Backfill brings what
    was missed. A part ends every two minutes, so that a task that died and is tried again loses nothing that Backfill
    can bring. What it cannot is a gap, told in the manifest's ``report`` with the messages received and stored of each
    minute. Near the edges of a window the same message may come in the next window, too.

    Writes parts and, last, ``_manifest.json``; returns ``{"manifest", "results", "bytes", "parts", "gaps"}``.

    :param object_storage_path: the directory, of any scheme that Airflow's ObjectStoragePath knows; one landing each.
    :param stream: ``decahose``, or ``likes``, which brings likes and unlikes.
    :param start: since when messages are wanted, up to 5 minutes ago where the account has Backfill; what lies longer
        ago is a gap. ``None``: from now on.
    :param stop: read until then.
    :param duration: or so long after ``start``.
    :param max_results: or until so many messages have landed.
    :param partitions: to read; each has half of the stream.
    :param connections: how many connections read each partition; with two, one may end and nothing is missed.
    :param backfill: the account has Backfill.
    :param stream_label: of the stream; ``None`` for the connection's.
    :param object_storage_conn_id: Airflow connection of the object storage.
    :param file_format: ``jsonl``, ``jsonl.gz``, ``jsonl.zst``, or ``parquet``, which has typed columns and the whole
        message in one more.
    :param compression_level: 0 to 3 for ``jsonl.gz``, 1 to 22 for the last two; ``None`` for a good one.
    :param max_part_bytes: a part ends after about so many bytes, as written, too.
    :param row_group_bytes: a row group of Parquet ends after about so many bytes of messages, as they came.
    :param x_conn_id: Airflow connection of X enterprise.
    """

    template_fields: Sequence[str] = (
        "object_storage_path",
        "start",
        "stop",
        "max_results",
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
        start: str | datetime | None = None,
        stop: str | datetime | None = None,
        duration: timedelta | None = None,
        max_results: int | str | None = None,
        partitions: Sequence[int] = (1, 2),
        connections: int = 1,
        backfill: bool = True,
        stream_label: str | None = None,
        object_storage_conn_id: str | None = None,
        file_format: str = "jsonl.gz",
        compression_level: int | None = None,
        max_part_bytes: int = 64 * 1024 * 1024,
        row_group_bytes: int = formats.ROW_GROUP_BYTES,
        x_conn_id: str = XEnterpriseHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        formats.by_name(file_format).level(compression_level)
        self.object_storage_path = object_storage_path
        self.stream = stream
        self.start = start
        self.stop = stop
        self.duration = duration
        self.max_results = max_results
        self.partitions = partitions
        self.connections = connections
        self.backfill = backfill
        self.stream_label = stream_label
        self.object_storage_conn_id = object_storage_conn_id
        self.file_format = file_format
        self.compression_level = compression_level
        self.max_part_bytes = max_part_bytes
        self.row_group_bytes = row_group_bytes
        self.x_conn_id = x_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is and what it counts."""
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_provider_twexport.core.arguments import parse_int
        from airflow_provider_twexport.storage.landing import Landing
        from airflow_provider_twexport.x.schema import SCHEMAS
        from airflow_provider_twexport.x.streams.messages import message_key

        with fail_without_retry():
            most = parse_int("max_results", self.max_results)
            client = XEnterpriseHook(self.x_conn_id).get_stream(
                self.stream, label=self.stream_label, backfill=self.backfill
            )
            wanted = self._wanted(client.now(), most)
            directory = ObjectStoragePath(self.object_storage_path, conn_id=self.object_storage_conn_id)
            ManifestLink.push(context, directory)
            with Landing.open(
                directory,
                source=self._source(most),
                file_format=self.file_format,
                compression_level=self.compression_level,
                max_part_bytes=self.max_part_bytes,
                max_results=most,
                record_id=message_key,
                remembered_seconds=REMEMBERED_SECONDS,
                row_group_bytes=self.row_group_bytes,
                schema=SCHEMAS[self.stream],
            ) as landing:
                manifest = landing.committed or self._land(client, landing, wanted, most)
        gaps = len((manifest.report or {}).get("gaps", ()))
        self.log.info("%s: %d messages, %d gaps.", directory, manifest.results, gaps)
        self._tell_landing(context, directory, manifest)
        return manifest.summary(directory) | {"gaps": gaps}

    def _wanted(self, now: float, max_results: int | None) -> CaptureReport:
        """Return the log of a capture that has not begun."""
        from airflow_provider_twexport.core.arguments import parse_moment
        from airflow_provider_twexport.exceptions import InvalidRequestError
        from airflow_provider_twexport.x.streams.capture_report import CaptureReport, iso
        from airflow_provider_twexport.x.streams.client import PARTITIONS

        if not set(self.partitions) <= set(PARTITIONS) or not self.partitions:
            raise InvalidRequestError(f"partitions={self.partitions!r} is unknown. Choose from 1 and 2.")
        if self.connections < 1:
            raise InvalidRequestError(f"connections={self.connections!r}: give 1 at least.")
        if max_results is not None and max_results < 1:
            raise InvalidRequestError(f"max_results={max_results} leaves nothing to land: give 1 at least.")
        if self.stop is not None and self.duration is not None:
            raise InvalidRequestError("Both stop and duration say when the capture ends: give one of them.")
        start = parse_moment(self.start).timestamp() if self.start else now
        stop = None if self.stop is None else parse_moment(self.stop).timestamp()
        if self.duration is not None:
            stop = start + self.duration.total_seconds()
        if stop is None and max_results is None:
            raise InvalidRequestError("A stream has no end: give stop, duration or max_results.")
        if start > now or (stop is not None and stop <= start):
            raise InvalidRequestError(
                "The capture begins in the future, or ends before it begins: correct start and stop."
            )
        return CaptureReport(self.stream, iso(start), None if stop is None else iso(stop))

    def _source(self, max_results: int | None) -> dict[str, Any]:
        """Return what the manifest tells of where its messages come from; ``capture_id`` stands for all of it."""
        content = {
            "stream": self.stream,
            "label": self.stream_label,
            "partitions": sorted(self.partitions),
            "start": None if self.start is None else str(self.start),
            "stop": None if self.stop is None else str(self.stop),
            "duration": None if self.duration is None else self.duration.total_seconds(),
            "limit": max_results,
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        return {"system": "x_stream", "capture_id": digest, **content}

    def _land(
        self, client: XStreamClient, landing: Landing, wanted: CaptureReport, max_results: int | None
    ) -> Manifest:
        from airflow_provider_twexport.exceptions import TwexportError
        from airflow_provider_twexport.x.streams.capture_report import CaptureReport

        log = CaptureReport.from_json(landing.report) if landing.report else wanted
        try:
            self._capture(client, landing, log, math.inf if max_results is None else max_results)
        except TwexportError:
            landing.checkpoint(log.to_json())
            raise
        truncated = max_results is not None and landing.results >= max_results
        manifest = landing.commit(truncated=truncated, report=log.to_json())
        metrics.landed(self.system, manifest)
        return manifest

    def _capture(self, client: XStreamClient, landing: Landing, log: CaptureReport, most: float) -> None:
        from airflow_provider_twexport.core.arguments import parse_moment
        from airflow_provider_twexport.core.batch import Batch
        from airflow_provider_twexport.core.progress import Progress

        # a capture from now on asks for nothing that was before it
        begun = parse_moment(log.start).timestamp() if self.start or landing.report else None
        landing.checkpoint(log.to_json())  # should this try die at once, the next one knows when it began
        reached = {number: log.reached(number) or begun for number in self.partitions}
        until = math.inf if log.stop is None else parse_moment(log.stop).timestamp()
        progress, part_began = Progress(None, landing.results), client.now()
        for arrival in client.capture(until, reached=reached, connections=self.connections):
            log.add(arrival)
            log.count(arrival.records, landing.write(Batch(arrival.records, None)))
            progress.report(landing.results, landing.bytes)
            if landing.results >= most:
                return
            if landing.part_is_full or client.now() - part_began >= PART_SECONDS:
                landing.checkpoint(log.to_json())
                part_began = client.now()
