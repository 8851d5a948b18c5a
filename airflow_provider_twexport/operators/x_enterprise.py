"""Count posts with X enterprise search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook
from airflow_provider_twexport.links import ManifestLink
from airflow_provider_twexport.telemetry import metrics
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.landing_operator import LandingOperator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from airflow.sdk import Context

    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.x.search.pages import Bucket, SearchCursor, SearchRequest


class XSearchCountsOperator(LandingOperator):
    """Count the posts of a query by minute, hour or day, and return how many requests a search for them needs.

    Every 31 days of the window cost a request. Returns ``{"total", "requests", "search_requests", "start", "stop"}``,
    where ``search_requests`` is how many requests a search for all these posts needs at most, and with a path also
    ``{"manifest", "buckets"}``. Counts include posts that were deleted later, so a search may return fewer.

    Without a path, a retry counts, and pays, from the start; with one, it resumes after the last page received.

    :param query: a PowerTrack rule, at most 2,048 characters.
    :param start: first moment of the window, inclusive; without ``start`` and ``stop``, the run's window is used.
    :param stop: last moment of the window, exclusive; both are at the edge of a bucket, in UTC.
    :param bucket: ``minute``, ``hour`` or ``day``.
    :param max_requests: how many requests to send, those of earlier attempts included; ``None`` for no limit.
    :param object_storage_path: directory for the counts of all buckets, one per landing; ``None``: only the total.
    :param object_storage_conn_id: Airflow connection of the object storage.
    :param file_format: of the counts: ``jsonl``, ``jsonl.gz``, ``jsonl.zst`` or ``parquet``.
    :param partition_length: how long the window of a run is that has nothing but a partition date.
    :param x_conn_id: Airflow connection of X enterprise.
    """

    template_fields: Sequence[str] = (
        "query",
        "start",
        "stop",
        "bucket",
        "max_requests",
        "object_storage_path",
        "object_storage_conn_id",
        "x_conn_id",
    )
    ui_color = "#e8f4fa"
    system = "x_search"

    def __init__(
        self,
        *,
        query: str,
        start: str | datetime | None = None,
        stop: str | datetime | None = None,
        bucket: Bucket = "hour",
        max_requests: int | str | None = None,
        object_storage_path: str | None = None,
        object_storage_conn_id: str | None = None,
        file_format: str = "jsonl.gz",
        partition_length: timedelta | None = None,
        x_conn_id: str = XEnterpriseHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.query = query
        self.start = start
        self.stop = stop
        self.bucket = bucket
        self.max_requests = max_requests
        self.object_storage_path = object_storage_path
        self.object_storage_conn_id = object_storage_conn_id
        self.file_format = file_format
        self.partition_length = partition_length
        self.x_conn_id = x_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the total and how many requests it needed."""
        from airflow_provider_twexport.core.run_window import export_window
        from airflow_provider_twexport.x.search.pages import SearchRequest, most_requests

        with fail_without_retry():
            window = export_window(context, self.start, self.stop, self.partition_length)
            request = SearchRequest(self.query, window, self.bucket)
            path = self.object_storage_path
            end, landed = self._land_counts(context, request, path) if path else (self._count(request), {})
        self.log.info("%d posts in %s, counted with %d requests.", end.counted, window, end.requests)
        return {
            "total": end.counted,
            "requests": end.requests,
            "search_requests": most_requests(end.counted, window),
            **window.to_json(),
            **landed,
        }

    def _count(self, request: SearchRequest) -> SearchCursor:
        from airflow_provider_twexport.x.search.pages import SearchCursor

        cursor = None
        for batch in self._pages(request, None):
            cursor = batch.cursor
        end = SearchCursor.of(request, cursor)
        metrics.spent(self.system, end.requests)
        return end

    def _land_counts(
        self, context: Context, request: SearchRequest, path: str
    ) -> tuple[SearchCursor, dict[str, Any]]:
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_provider_twexport.storage.landing import Landing
        from airflow_provider_twexport.storage.manifest import MANIFEST
        from airflow_provider_twexport.x.schema import COUNTS
        from airflow_provider_twexport.x.search.pages import SearchCursor, count_period

        directory = ObjectStoragePath(path, conn_id=self.object_storage_conn_id)
        ManifestLink.push(context, directory)
        with Landing.open(
            directory,
            source=request.source(XEnterpriseHook(self.x_conn_id).product, None),
            file_format=self.file_format,
            schema=COUNTS,
            record_id=count_period,
            batches_cost=True,
        ) as landing:
            manifest = landing.committed or self._land(request, landing)
        self._tell_landing(context, directory, manifest)
        landed = {"manifest": str(directory / MANIFEST), "buckets": manifest.results}
        return SearchCursor.of(request, manifest.final_cursor), landed

    def _land(self, request: SearchRequest, landing: Any) -> Manifest:
        from airflow_provider_twexport.x.search.pages import SearchCursor

        for batch in self._pages(request, landing.cursor):
            landing.write(batch)
        end = SearchCursor.of(request, landing.cursor)
        manifest: Manifest = landing.commit(estimated_total=end.counted)
        metrics.landed(self.system, manifest)
        metrics.spent(self.system, end.requests)
        return manifest

    def _pages(self, request: SearchRequest, cursor: str | None) -> Any:
        from airflow_provider_twexport.core.arguments import parse_int

        client = XEnterpriseHook(self.x_conn_id).get_conn()
        max_requests = parse_int("max_requests", self.max_requests)
        return client.pages(request, cursor=cursor, max_requests=max_requests)
