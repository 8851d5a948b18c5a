"""Move the results of a Talkwalker collector to object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.links.exports_page import ExportsPageLink, ManifestLink
from airflow_provider_twexport.links.talkwalker import TalkwalkerConsoleLink
from airflow_provider_twexport.object_storage import storage_path
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.landing_operator import ResultsLandingOperator
from airflow_provider_twexport.telemetry.ledger import TaskLedger
from airflow_provider_twexport.templates import LANDING_CHOICES, check_choice, check_partition_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_twexport.core.partitioning import PartitionBy
    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.storage.landing import Landing
    from airflow_provider_twexport.storage.manifest import Manifest, Repeats
    from airflow_provider_twexport.talkwalker.landing import OnIncomplete
    from airflow_provider_twexport.talkwalker.models import ExportTask
    from airflow_provider_twexport.talkwalker.remainder_of import RemainderOf


class TalkwalkerToObjectStorageOperator(ResultsLandingOperator):
    """Land the results of a collector in a directory of object storage, each exactly once.

    Writes parts and, last, ``_manifest.json``; returns ``{"manifest", "results", "bytes", "parts"}``. Reading is free,
    so a retry resumes where the last try broke off. A complete landing is left as it is; if parts of it were deleted or
    cut since, it is landed again as long as the collector has the results, else the error names them. Further
    arguments are those of :class:`ResultsLandingOperator`, such as ``file_format``.

    If :class:`TalkwalkerEstimateExportOperator` planned the window as the remainder of truncated landings, results that
    these hold are excluded, and their number is returned as ``excluded``. A result is the same if address, id on X,
    date, title and text are; later changes, such as of its engagement, do not count.

    :param collector_id: the collector to read.
    :param object_storage_path: the directory, of any scheme that Airflow's ObjectStoragePath knows; one landing each.
    :param export_id: land all results of this export and no others; ``None`` for everything that the collector holds.
    :param object_storage_conn_id: Airflow connection of the object storage, and of the ledger's.
    :param partition_by: land in a directory below, named after the start of the window: with ``month``,
        ``year=2024/month=01``; also ``year``, ``day`` or ``hour``.
    :param repeats: what to do with results that equal another one byte for byte, as where two exports filled one
        collector: ``keep`` them, because each was paid for and the manifest then counts what the export counts, or
        ``drop`` all but one, and count them in the manifest. To drop them, all results are remembered, and a retry
        reads the parts back. What a reconnect brings again is never kept. If more results come than were exported,
        equal ones are dropped in either case.
    :param on_incomplete: what to do if fewer results come than were exported, even on a second read, or more: ``fail``
        (a retry resumes) or ``warn``, which lands what is there and says so in the manifest.
    :param limit: the limit that was ordered; needed to count a truncated export if the service does not.
    :param start: first moment of the window, for the manifest.
    :param stop: last moment of the window, exclusive, for the manifest.
    :param project_id: the project that was exported from, for the manifest, which ``twexport coverage`` reads; ``None``
        for the connection's, ``""`` for none.
    :param stream_id: the stream that was exported from, for the manifest; excludes ``project_id``.
    :param query: the query that was exported, for the manifest.
    :param topics: the topics that were exported, for the manifest; a list, or a text with commas.
    :param ledger_path: directory of the ledger, which records what ``export_id`` cost and where it landed; ``None`` for
        none.
    :param talkwalker_conn_id: Airflow connection of Talkwalker.
    """

    template_fields: Sequence[str] = (
        "collector_id",
        "object_storage_path",
        "partition_by",
        "repeats",
        "on_incomplete",
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
        partition_by: PartitionBy | str | None = None,
        repeats: Literal["keep", "drop"] | str = "keep",
        on_incomplete: Literal["fail", "warn"] | str = "fail",
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
        self.collector_id = collector_id
        self.object_storage_path = object_storage_path
        self.export_id = export_id
        self.object_storage_conn_id = object_storage_conn_id
        self.partition_by = partition_by
        check_partition_by(partition_by)
        self.repeats = repeats
        self.on_incomplete = on_incomplete
        check_choice("repeats", repeats, LANDING_CHOICES["repeats"])
        check_choice("on_incomplete", on_incomplete, LANDING_CHOICES["on_incomplete"])
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
        from airflow_provider_twexport.core.arguments import parse_choice
        from airflow_provider_twexport.talkwalker import remainder_of
        from airflow_provider_twexport.talkwalker.landing import dataset, open_landing

        ExportsPageLink.push(context, self.export_id or self.collector_id)
        TalkwalkerConsoleLink.push(context)
        ledger = TaskLedger(self.ledger_path, self.object_storage_conn_id, context)
        with fail_without_retry():
            repeats = cast("Repeats", parse_choice("repeats", self.repeats, LANDING_CHOICES["repeats"]))
            window = self._window(context)
            directory = self.directory(context, self._path(window))
            remainder = remainder_of.read(directory)
            source, exclude = self._source(window, remainder), self._excluded(remainder)
            with open_landing(directory, source, self.part_options, exclude, repeats) as landing:
                found = landing.committed
                manifest = found or self._land(landing, ledger)
        self._log(directory, manifest)
        spent = manifest.exported if self.export_id else None
        summary = self.landed(
            context,
            directory,
            manifest,
            dataset(manifest.source),
            is_new=not found,
            credits=spent,
            ledger=ledger,
        )
        return summary | ({"excluded": manifest.excluded} if remainder else {})

    def _path(self, window: Window | None) -> str:
        from airflow_provider_twexport.core.partitioning import landing_path

        return landing_path(self.object_storage_path, window, self.partition_by)

    def _excluded(self, remainder: RemainderOf | None) -> list[ObjectStoragePath]:
        paths = remainder.paths if remainder else ()
        return [storage_path(path, conn_id=self.object_storage_conn_id) for path in paths]

    def _source(self, window: Window | None, remainder: RemainderOf | None) -> dict[str, Any]:
        from airflow_provider_twexport.core.arguments import parse_int, parse_list, parse_text
        from airflow_provider_twexport.talkwalker.landing import source_of

        hook = TalkwalkerHook(self.talkwalker_conn_id)
        order = {
            "window": window.to_json() if window else None,
            "project_id": hook.project_for(self.project_id, self.stream_id),
            "stream_id": parse_text("stream_id", self.stream_id),
            "query": parse_text("query", self.query) or "",
            "topics": parse_list(self.topics),
            "limit": parse_int("limit", self.limit),
        }
        return source_of(self.collector_id, self.export_id, order, remainder)

    def _window(self, context: Context) -> Window | None:
        from airflow_provider_twexport.core.run_window import export_window

        try:
            return export_window(context, self.start, self.stop)
        except InvalidRequestError:
            # the results are paid for, so they land even if their window is unknown
            return None

    def _land(self, landing: Landing, ledger: TaskLedger) -> Manifest:
        from airflow_provider_twexport.core.arguments import parse_choice, parse_int
        from airflow_provider_twexport.talkwalker.landing import CollectorLanding, ended_export

        client = TalkwalkerHook(self.talkwalker_conn_id).get_conn()
        task = ended_export(client, self.export_id, salvage=self._salvages) if self.export_id else None
        limit = parse_int("limit", self.limit)
        on_incomplete = cast(
            "OnIncomplete",
            parse_choice("on_incomplete", self.on_incomplete, LANDING_CHOICES["on_incomplete"]),
        )
        if task:
            ledger.ended(task.id, str(task.status), task.exported(limit))
            self._warn_of_deadline(task)
        collector = CollectorLanding(client, self.collector_id, task, limit, on_incomplete, self.log)
        return collector.land(landing)

    def _warn_of_deadline(self, task: ExportTask) -> None:
        import pendulum

        deadline = task.readable_until
        if deadline and deadline - pendulum.now("UTC") < pendulum.duration(hours=24):
            self.log.warning(
                "The results of export %s can be read until %s: less than a day is left.", task.id, deadline
            )

    def _log(self, directory: ObjectStoragePath, manifest: Manifest) -> None:
        self.log.info("%s: %d results in %d parts.", directory, manifest.results, len(manifest.parts))
        if manifest.excluded:
            self.log.info("%d results were excluded, because other landings hold them.", manifest.excluded)
        if manifest.repeats_dropped:
            self.log.info("%d results were dropped, because an equal one landed.", manifest.repeats_dropped)
        if manifest.truncated:
            missing = "an unknown number of" if manifest.missing is None else f"about {manifest.missing:,}"
            self.log.warning("The export reached its limit: %s matching results are missing.", missing)
