"""Move the posts of an X enterprise search to object storage."""

from __future__ import annotations

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

    from airflow_provider_twexport.core.partitioning import PartitionBy
    from airflow_provider_twexport.storage.landing import Landing
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.x.search.pages import SearchRequest


class XSearchToObjectStorageOperator(LandingOperator):
    """Land the posts of a query and a window in a directory of object storage, each exactly once.

    Every page of 500 posts, or of 31 days, is a request, and billed. A page is kept as soon as it came, so a retry goes
    on behind it and pays for none again but the one that was on its way; what has landed already is not searched
    again. Writes parts and, last, ``_manifest.json``; returns ``{"manifest", "results", "bytes", "parts", "requests",
    "truncated"}``.

    All tasks of one machine share the limits of the connection; to bound those of several, give them an Airflow pool.

    :param query: in the language of PowerTrack rules, 2,048 characters at most.
    :param object_storage_path: the directory, of any scheme that Airflow's ObjectStoragePath knows; one landing each.
    :param start: first moment of the window, inclusive; without ``start`` and ``stop`` the run's window is taken.
    :param stop: last moment of the window, exclusive; both are whole minutes, in UTC.
    :param tag: comes back with each post, in ``matching_rules``.
    :param max_results: land so many posts, the newest; ``None`` for all.
    :param max_requests: requests that may be made, those of earlier tries included; ``None`` for no bound. The task
        fails for good when they are used up, and goes on from there with more.
    :param object_storage_conn_id: Airflow connection of the object storage.
    :param partition_by: land in a directory below, named by the start of the window: with ``month``,
        ``year=2024/month=01``; also ``year``, ``day`` or ``hour``.
    :param file_format: ``jsonl``, ``jsonl.gz``, ``jsonl.zst``, or ``parquet``, which has typed columns and the whole
        post in one more.
    :param compression_level: 0 to 3 for ``jsonl.gz``, 1 to 22 for the last two; ``None`` for a good one.
    :param max_part_bytes: a part ends with the first page after so many bytes, as written.
    :param max_part_results: and with the first one after so many posts.
    :param row_group_bytes: a row group of Parquet ends after about so many bytes of posts, as they came.
    :param partition_length: how long the window of a run is that has nothing but a partition date.
    :param x_conn_id: Airflow connection of X enterprise.
    """

    template_fields: Sequence[str] = (
        "query",
        "object_storage_path",
        "start",
        "stop",
        "tag",
        "max_results",
        "max_requests",
        "object_storage_conn_id",
        "x_conn_id",
    )
    ui_color = "#f3ecfa"
    system = "x_search"

    def __init__(
        self,
        *,
        query: str,
        object_storage_path: str,
        start: str | datetime | None = None,
        stop: str | datetime | None = None,
        tag: str | None = None,
        max_results: int | str | None = None,
        max_requests: int | str | None = None,
        object_storage_conn_id: str | None = None,
        partition_by: PartitionBy | None = None,
        file_format: str = "jsonl.gz",
        compression_level: int | None = None,
        max_part_bytes: int = 64 * 1024 * 1024,
        max_part_results: int | None = None,
        row_group_bytes: int = formats.ROW_GROUP_BYTES,
        partition_length: timedelta | None = None,
        x_conn_id: str = XEnterpriseHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        # a mistake here is told before anything is bought
        formats.by_name(file_format).level(compression_level)
        self.query = query
        self.object_storage_path = object_storage_path
        self.start = start
        self.stop = stop
        self.tag = tag
        self.max_results = max_results
        self.max_requests = max_requests
        self.object_storage_conn_id = object_storage_conn_id
        self.partition_by = partition_by
        self.file_format = file_format
        self.compression_level = compression_level
        self.max_part_bytes = max_part_bytes
        self.max_part_results = max_part_results
        self.row_group_bytes = row_group_bytes
        self.partition_length = partition_length
        self.x_conn_id = x_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is and what it counts."""
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_provider_twexport.core.partitioning import landing_path
        from airflow_provider_twexport.core.run_window import export_window
        from airflow_provider_twexport.storage.landing import Landing
        from airflow_provider_twexport.x.schema import POSTS
        from airflow_provider_twexport.x.search.pages import SearchCursor, SearchRequest, post_id

        with fail_without_retry():
            window = export_window(context, self.start, self.stop, self.partition_length)
            search = SearchRequest(self.query, window, tag=self.tag or None)
            most = self._max_results()
            path = landing_path(self.object_storage_path, window, self.partition_by)
            directory = ObjectStoragePath(path, conn_id=self.object_storage_conn_id)
            ManifestLink.push(context, directory)
            with Landing.open(
                directory,
                source=search.source(XEnterpriseHook(self.x_conn_id).product, most),
                file_format=self.file_format,
                compression_level=self.compression_level,
                max_part_bytes=self.max_part_bytes,
                max_part_results=self.max_part_results,
                max_results=most,
                record_id=post_id,
                batches_cost=True,
                row_group_bytes=self.row_group_bytes,
                schema=POSTS,
            ) as landing:
                manifest = landing.committed or self._land(search, landing, most)
        requests = SearchCursor.of(search, manifest.final_cursor).requests
        self.log.info("%s: %d posts, %d requests.", directory, manifest.results, requests)
        self._tell_landing(context, directory, manifest)
        return manifest.summary(directory) | {"requests": requests, "truncated": manifest.truncated}

    def _max_results(self) -> int | None:
        from airflow_provider_twexport.core.arguments import parse_int
        from airflow_provider_twexport.exceptions import InvalidRequestError

        most = parse_int("max_results", self.max_results)
        if most is not None and most < 1:
            raise InvalidRequestError(f"max_results={most} leaves nothing to land: give 1 at least.")
        return most

    def _land(self, search: SearchRequest, landing: Landing, max_results: int | None) -> Manifest:
        from airflow_provider_twexport.core.arguments import parse_int
        from airflow_provider_twexport.core.progress import Progress
        from airflow_provider_twexport.x.search.pages import SearchCursor

        most = math.inf if max_results is None else max_results
        progress = Progress(max_results, landing.results)
        for batch in (
            XEnterpriseHook(self.x_conn_id)
            .get_conn()
            .pages(
                search,
                cursor=landing.cursor,
                missing=lambda: most - landing.results,
                max_requests=parse_int("max_requests", self.max_requests),
            )
        ):
            landing.write(batch)
            progress.report(landing.results, landing.bytes)
        place = SearchCursor.of(search, landing.cursor)
        manifest = landing.commit(truncated=not place.is_end)
        metrics.landed(self.system, manifest)
        metrics.spent(self.system, place.requests)
        return manifest
