"""Move the results of a Talkwalker collector to object storage."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_twexport.hooks.failing import fail_without_retry
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.storage import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_twexport.clients.talkwalker import ExportTask, TalkwalkerClient
    from airflow_provider_twexport.clients.window import Window
    from airflow_provider_twexport.planning.layout import PartitionBy
    from airflow_provider_twexport.storage.landing import Landing
    from airflow_provider_twexport.storage.manifest import Manifest

# how long the service gets to deliver what a complete read did not bring
SECOND_READ_AFTER_SECONDS = 10.0


class TalkwalkerToObjectStorageOperator(BaseOperator):
    """Land the results of a collector in a directory of object storage, each exactly once.

    Writes parts and, last, ``_manifest.json``; returns ``{"manifest", "results", "bytes", "parts"}``. Reading is
    free, so a retry goes on where the last try broke off, and a landing that is there already is left as it is.

    :param collector_id: the collector to read.
    :param object_storage_path: the directory, of any scheme that Airflow's ObjectStoragePath knows; one landing each.
    :param export_id: land this export's results only, and all of them; ``None`` for whatever the collector holds.
    :param object_storage_conn_id: Airflow connection of the object storage.
    :param partition_by: land in a directory below, named by the start of the window: with ``month``,
        ``year=2024/month=01``; also ``year``, ``day`` or ``hour``.
    :param file_format: ``jsonl``, ``jsonl.gz``, ``jsonl.zst``, or ``parquet``, which has typed columns and the whole
        result in one more.
    :param compression_level: 0 to 3 for ``jsonl.gz``, 1 to 22 for the last two; ``None`` for a good one.
    :param max_part_bytes: a part ends at the first safe place after so many bytes, as written.
    :param max_part_results: and at the first one after so many results.
    :param row_group_bytes: a row group of Parquet ends after about so many bytes of results, as they came; a
        larger one takes more memory.
    :param on_incomplete: what to do if fewer results come than were exported, also on a second read: ``fail`` (a
        retry reads on) or ``warn``, which lands what is there and says so in the manifest.
    :param limit: the limit that was ordered; needed to count a truncated export where the service does not.
    :param start: first moment of the window, for the manifest.
    :param stop: last moment of the window, exclusive, for the manifest.
    :param talkwalker_conn_id: Airflow connection of Talkwalker.
    """

    template_fields: Sequence[str] = (
        "collector_id",
        "object_storage_path",
        "export_id",
        "object_storage_conn_id",
        "limit",
        "start",
        "stop",
        "talkwalker_conn_id",
    )
    ui_color = "#f3ecfa"

    def __init__(
        self,
        *,
        collector_id: str,
        object_storage_path: str,
        export_id: str | None = None,
        object_storage_conn_id: str | None = None,
        partition_by: PartitionBy | None = None,
        file_format: str = "jsonl.gz",
        compression_level: int | None = None,
        max_part_bytes: int = 64 * 1024 * 1024,
        max_part_results: int | None = None,
        row_group_bytes: int = 8 * 1024 * 1024,
        on_incomplete: Literal["fail", "warn"] = "fail",
        limit: int | str | None = None,
        start: str | None = None,
        stop: str | None = None,
        talkwalker_conn_id: str = TalkwalkerHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        # a mistake here is told before the results are bought
        formats.by_name(file_format).level(compression_level)
        self.collector_id = collector_id
        self.object_storage_path = object_storage_path
        self.export_id = export_id
        self.object_storage_conn_id = object_storage_conn_id
        self.partition_by = partition_by
        self.file_format = file_format
        self.compression_level = compression_level
        self.max_part_bytes = max_part_bytes
        self.max_part_results = max_part_results
        self.row_group_bytes = row_group_bytes
        self.on_incomplete = on_incomplete
        self.limit = limit
        self.start = start
        self.stop = stop
        self.talkwalker_conn_id = talkwalker_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is and what it counts."""
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_provider_twexport.clients.talkwalker_schema import SCHEMA
        from airflow_provider_twexport.planning.layout import landing_path
        from airflow_provider_twexport.storage.landing import Landing
        from airflow_provider_twexport.storage.manifest import MANIFEST

        with fail_without_retry():
            window = self._window(context)
            path = landing_path(self.object_storage_path, window, self.partition_by)
            directory = ObjectStoragePath(path, conn_id=self.object_storage_conn_id)
            with Landing.open(
                directory,
                source=self._source(window),
                file_format=self.file_format,
                compression_level=self.compression_level,
                max_part_bytes=self.max_part_bytes,
                max_part_results=self.max_part_results,
                row_group_bytes=self.row_group_bytes,
                schema=SCHEMA,
            ) as landing:
                manifest = landing.committed or self._land(landing)
        self.log.info("%s: %d results in %d parts.", directory, manifest.results, len(manifest.parts))
        return {
            "manifest": str(directory / MANIFEST),
            "results": manifest.results,
            "bytes": manifest.bytes,
            "parts": len(manifest.parts),
        }

    def _source(self, window: Window | None) -> dict[str, Any]:
        from airflow_provider_twexport.planning.fingerprint import fingerprint_in

        return {
            "system": "talkwalker",
            "collector_id": self.collector_id,
            "export_id": self.export_id,
            "window": window
            and {"start": window.start.to_iso8601_string(), "stop": window.stop.to_iso8601_string()},
            "fingerprint": fingerprint_in(self.collector_id),
        }

    def _window(self, context: Context) -> Window | None:
        from airflow_provider_twexport.clients.errors import FixRequestError
        from airflow_provider_twexport.planning.windows import export_window

        try:
            return export_window(context, self.start, self.stop)
        except FixRequestError:
            # what is read was bought; not knowing its window is no reason to leave it there
            return None

    def _land(self, landing: Landing) -> Manifest:
        from airflow_provider_twexport.planning.arguments import whole_number

        client = TalkwalkerHook(self.talkwalker_conn_id).get_conn()
        task = self._ended_export(client)
        limit = whole_number("limit", self.limit)
        exported = task.exported(limit) if task else None
        self._read(client, landing, exported)
        if exported is not None and landing.results < exported:
            self.log.warning("%d of %d results came; reading on.", landing.results, exported)
            time.sleep(SECOND_READ_AFTER_SECONDS)
            self._read(client, landing, exported)
        return landing.commit(
            exported=exported,
            truncated=task is not None and task.status.is_truncated,
            estimated_total=task.estimated_total(limit) if task else None,
            status=str(task.status) if task else None,
            complete=self._is_complete(landing.results, exported),
        )

    def _ended_export(self, client: TalkwalkerClient) -> ExportTask | None:
        from airflow_provider_twexport.clients.errors import MissingError, RetryLaterError

        if not self.export_id:
            return None
        task = client.get_export(self.export_id)
        if task.is_unfinished:
            raise RetryLaterError(
                f"Export {task.id} is {task.raw_status}: wait for it with TalkwalkerExportSensor before landing it."
            )
        if task.status.is_lost:
            raise MissingError(f"Export {task.id} is {task.raw_status}: there is no whole result to land.")
        return task

    def _read(self, client: TalkwalkerClient, landing: Landing, exported: int | None) -> None:
        from airflow_provider_twexport.clients.errors import MissingError, OrderAnewError
        from airflow_provider_twexport.clients.talkwalker_results import EARLIEST
        from airflow_provider_twexport.transfers.progress import Progress

        batches = client.drain(
            self.collector_id,
            resume_offset=landing.offset or EARLIEST,
            export_id=self.export_id,
            missing=lambda: math.inf if exported is None else exported - landing.results,
        )
        progress = Progress(exported, landing.results)
        try:
            for batch in batches:
                landing.write(batch)
                progress.tell(landing.results, landing.bytes)
        except MissingError as error:
            raise OrderAnewError(
                f"Collector {self.collector_id} was deleted, perhaps by another pipeline for the same window, before "
                "all of it had landed. What is gone can only be bought again, with if_exists='recreate'.",
                error.evidence,
            ) from None

    def _is_complete(self, landed: int, exported: int | None) -> bool:
        from airflow_provider_twexport.clients.errors import RetryLaterError

        if exported is None or landed == exported:
            return True
        if landed > exported:
            self.log.warning("%d results landed, though only %d were exported.", landed, exported)
            return True
        msg = (
            f"Only {landed:,} of {exported:,} exported results could be read from collector {self.collector_id}. "
            "It keeps results for 7 days and until it is deleted; if they are gone, order them anew with "
            "if_exists='recreate'."
        )
        if self.on_incomplete == "fail":
            raise RetryLaterError(f"{msg} A retry reads on from here; reading costs nothing.")
        self.log.warning(msg)
        return False
