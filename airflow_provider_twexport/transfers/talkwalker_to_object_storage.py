"""Move the results of a Talkwalker collector to object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_twexport.hooks.bookkeeping import Books
from airflow_provider_twexport.hooks.failing import fail_without_retry
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.links import ExportsPageLink
from airflow_provider_twexport.storage import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_twexport.clients.window import Window
    from airflow_provider_twexport.planning.layout import PartitionBy
    from airflow_provider_twexport.storage.landing import Landing
    from airflow_provider_twexport.storage.manifest import Manifest


class TalkwalkerToObjectStorageOperator(BaseOperator):
    """Land the results of a collector in a directory of object storage, each exactly once.

    Writes parts and, last, ``_manifest.json``; returns ``{"manifest", "results", "bytes", "parts"}``. Reading is
    free, so a retry goes on where the last try broke off, and a landing that is there already is left as it is.

    :param collector_id: the collector to read.
    :param object_storage_path: the directory, of any scheme that Airflow's ObjectStoragePath knows; one landing each.
    :param export_id: land this export's results only, and all of them; ``None`` for whatever the collector holds.
    :param object_storage_conn_id: Airflow connection of the object storage, and of the ledger's.
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
    :param project_id: the project that was exported from, for the manifest, from which ``twexport coverage`` tells
        what is there; ``None`` for the connection's, ``""`` for none.
    :param stream_id: the stream that was exported from, for the manifest; excludes ``project_id``.
    :param query: the query that was exported, for the manifest.
    :param topics: the topics that were exported, for the manifest; a list, or a text with commas.
    :param ledger_path: directory of the ledger, which is told what ``export_id`` cost and where it landed; ``None``
        for none.
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
        "project_id",
        "stream_id",
        "query",
        "topics",
        "ledger_path",
        "talkwalker_conn_id",
    )
    ui_color = "#f3ecfa"
    operator_extra_links = (ExportsPageLink(),)

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
        row_group_bytes: int = formats.ROW_GROUP_BYTES,
        on_incomplete: Literal["fail", "warn"] = "fail",
        limit: int | str | None = None,
        start: str | None = None,
        stop: str | None = None,
        project_id: str | None = None,
        stream_id: str | None = None,
        query: str | None = None,
        topics: Sequence[str] | str | None = None,
        ledger_path: str | None = None,
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
        self.project_id = project_id
        self.stream_id = stream_id
        self.query = query
        self.topics = topics
        self.ledger_path = ledger_path
        self.talkwalker_conn_id = talkwalker_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is and what it counts."""
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_provider_twexport.clients.talkwalker_schema import SCHEMA
        from airflow_provider_twexport.planning.layout import landing_path
        from airflow_provider_twexport.storage.landing import Landing
        from airflow_provider_twexport.storage.manifest import MANIFEST

        ExportsPageLink.push(context, self.export_id or self.collector_id)
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
                manifest = landing.committed or self._land(landing, context)
        self.log.info("%s: %d results in %d parts.", directory, manifest.results, len(manifest.parts))
        self._tell_landed(manifest, str(directory / MANIFEST), context)
        return {
            "manifest": str(directory / MANIFEST),
            "results": manifest.results,
            "bytes": manifest.bytes,
            "parts": len(manifest.parts),
        }

    def _source(self, window: Window | None) -> dict[str, Any]:
        from airflow_provider_twexport.planning.arguments import listed, whole_number
        from airflow_provider_twexport.transfers.landing_talkwalker import source_of

        hook = TalkwalkerHook(self.talkwalker_conn_id)
        return source_of(
            self.collector_id,
            self.export_id,
            window,
            project_id=hook.project_for(self.project_id, self.stream_id),
            stream_id=self.stream_id,
            query=(self.query or "").strip(),
            topics=listed(self.topics),
            limit=whole_number("limit", self.limit),
        )

    def _window(self, context: Context) -> Window | None:
        from airflow_provider_twexport.clients.errors import FixRequestError
        from airflow_provider_twexport.planning.windows import export_window

        try:
            return export_window(context, self.start, self.stop)
        except FixRequestError:
            # what is read was bought; not knowing its window is no reason to leave it there
            return None

    def _books(self, context: Context) -> Books:
        return Books(self.ledger_path, self.object_storage_conn_id, context)

    def _tell_landed(self, manifest: Manifest, address: str, context: Context) -> None:
        if self.export_id:
            self._books(context).landed(
                self.export_id,
                address,
                manifest.results,
                truncated=manifest.truncated,
                complete=manifest.complete,
            )

    def _land(self, landing: Landing, context: Context) -> Manifest:
        from airflow_provider_twexport.planning.arguments import whole_number
        from airflow_provider_twexport.transfers.landing_talkwalker import CollectorLanding, ended_export

        client = TalkwalkerHook(self.talkwalker_conn_id).get_conn()
        task = ended_export(client, self.export_id) if self.export_id else None
        limit = whole_number("limit", self.limit)
        if task:
            self._books(context).ended(task, limit)
        way = CollectorLanding(client, self.collector_id, task, limit, self.on_incomplete, self.log)
        return way.land(landing)
