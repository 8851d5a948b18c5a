"""Move the results of a Talkwalker collector to object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.links import ExportsPageLink, ManifestLink, TalkwalkerConsoleLink
from airflow_provider_twexport.storage import formats
from airflow_provider_twexport.telemetry import metrics
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.landing_operator import LandingOperator
from airflow_provider_twexport.telemetry.ledger import TaskLedger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import ObjectStoragePath
    from airflow.sdk import Context

    from airflow_provider_twexport.core.partitioning import PartitionBy
    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.storage.landing import Landing
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.models import ExportTask


class TalkwalkerToObjectStorageOperator(LandingOperator):
    """Land the results of a collector in a directory of object storage, each exactly once.

    Writes parts and, last, ``_manifest.json``; returns ``{"manifest", "results", "bytes", "parts"}``, and with
    ``exclude_landed`` also ``excluded``. Reading is free, so a retry goes on where the last try broke off, and a
    landing that is there already is left as it is.

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
    :param exclude_landed: directories of landings, the same connection's, that must be whole: results that they hold
        are left out and counted. A result is the same if address, id on X, date, title and text are; what is known
        of it since, such as its engagement, stays as it landed first. A list, or a text with commas.
    :param remainder_windows: how many windows the remainder of the last of these landings was planned in, for the
        manifest, from which ``twexport coverage`` tells when all of it is there.
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
        "exclude_landed",
        "remainder_windows",
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
    operator_extra_links = (ExportsPageLink(), ManifestLink(), TalkwalkerConsoleLink())
    system = "talkwalker"

    _salvages = False

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
        exclude_landed: Sequence[str] | str | None = None,
        remainder_windows: int | str | None = None,
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
        self.exclude_landed = exclude_landed
        self.remainder_windows = remainder_windows
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
        from airflow_provider_twexport.storage.landing import Landing
        from airflow_provider_twexport.talkwalker.record_identity import identity
        from airflow_provider_twexport.talkwalker.schema import SCHEMA

        ExportsPageLink.push(context, self.export_id or self.collector_id)
        TalkwalkerConsoleLink.push(context)
        with fail_without_retry():
            window = self._window(context)
            directory = self._directory(window)
            ManifestLink.push(context, directory)
            with Landing.open(
                directory,
                source=self._source(window),
                file_format=self.file_format,
                compression_level=self.compression_level,
                max_part_bytes=self.max_part_bytes,
                max_part_results=self.max_part_results,
                row_group_bytes=self.row_group_bytes,
                schema=SCHEMA,
                exclude_landed=self._elsewhere(),
                identity=identity,
            ) as landing:
                manifest = landing.committed or self._land(landing, context)
        self.log.info("%s: %d results in %d parts.", directory, manifest.results, len(manifest.parts))
        self._tell(manifest)
        summary = manifest.summary(directory)
        self._tell_books(manifest, summary["manifest"], context)
        self._tell_landing(context, directory, manifest)
        return summary | ({"excluded": manifest.excluded} if self.exclude_landed else {})

    def _elsewhere(self) -> list[ObjectStoragePath]:
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_provider_twexport.core.arguments import parse_list

        return [
            ObjectStoragePath(path, conn_id=self.object_storage_conn_id)
            for path in parse_list(self.exclude_landed)
        ]

    def _tell(self, manifest: Manifest) -> None:
        if self.exclude_landed:
            self.log.info("%d results were left out, because other landings hold them.", manifest.excluded)
        if manifest.truncated:
            missing = "an unknown number of" if manifest.missing is None else f"about {manifest.missing:,}"
            self.log.warning("The export reached its limit: %s matching results are missing.", missing)

    def _directory(self, window: Window | None) -> ObjectStoragePath:
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_provider_twexport.core.partitioning import landing_path

        path = landing_path(self.object_storage_path, window, self.partition_by)
        return ObjectStoragePath(path, conn_id=self.object_storage_conn_id)

    def _source(self, window: Window | None) -> dict[str, Any]:
        from airflow_provider_twexport.core.arguments import parse_int, parse_list
        from airflow_provider_twexport.storage import manifest
        from airflow_provider_twexport.talkwalker.landing import source_of

        hook = TalkwalkerHook(self.talkwalker_conn_id)
        return source_of(
            self.collector_id,
            self.export_id,
            window,
            project_id=hook.project_for(self.project_id, self.stream_id),
            stream_id=self.stream_id,
            query=(self.query or "").strip(),
            topics=parse_list(self.topics),
            limit=parse_int("limit", self.limit),
            remainder_of=[str(manifest.read(path).source.get("collector_id")) for path in self._elsewhere()],
            remainder_windows=parse_int("remainder_windows", self.remainder_windows),
        )

    def _window(self, context: Context) -> Window | None:
        from airflow_provider_twexport.core.run_window import export_window
        from airflow_provider_twexport.exceptions import InvalidRequestError

        try:
            return export_window(context, self.start, self.stop)
        except InvalidRequestError:
            # what is read was bought; not knowing its window is no reason to leave it there
            return None

    def _books(self, context: Context) -> TaskLedger:
        return TaskLedger(self.ledger_path, self.object_storage_conn_id, context)

    def _tell_books(self, manifest: Manifest, address: str, context: Context) -> None:
        if self.export_id:
            self._books(context).landed(
                self.export_id,
                address,
                manifest.results,
                truncated=manifest.truncated,
                complete=manifest.complete,
            )

    def _tell_deadline(self, task: ExportTask) -> None:
        import pendulum

        deadline = task.readable_until
        if deadline and deadline - pendulum.now("UTC") < pendulum.duration(hours=24):
            self.log.warning(
                "The results of export %s can be read until %s: less than a day is left.", task.id, deadline
            )

    def _land(self, landing: Landing, context: Context) -> Manifest:
        from airflow_provider_twexport.core.arguments import parse_int
        from airflow_provider_twexport.talkwalker.landing import CollectorLanding, ended_export

        client = TalkwalkerHook(self.talkwalker_conn_id).get_conn()
        task = ended_export(client, self.export_id, salvage=self._salvages) if self.export_id else None
        limit = parse_int("limit", self.limit)
        if task:
            self._books(context).ended(task, limit)
            self._tell_deadline(task)
        way = CollectorLanding(client, self.collector_id, task, limit, self.on_incomplete, self.log)
        manifest = way.land(landing)
        metrics.landed(self.system, manifest)
        if task:
            metrics.spent(self.system, manifest.exported)
        return manifest
