"""Move the posts of an X enterprise search to object storage."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook
from airflow_provider_twexport.telemetry.budget_policy import add_budget_policy
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.landing_operator import ResultsLandingOperator
from airflow_provider_twexport.templates import check_partition_by

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from airflow.sdk import Context
    from pendulum import Duration

    from airflow_provider_twexport.core.partitioning import PartitionBy


class XSearchToObjectStorageOperator(ResultsLandingOperator):
    """Land the posts of a query and a window in a directory of object storage, each exactly once.

    Every page of 500 posts, or of 31 days, is a request, and charged. A page is stored as soon as it arrives, so a
    retry resumes after it and pays at most for the one that was on its way; a complete landing is not searched again.
    Writes parts and, last, ``_manifest.json``; returns ``{"manifest", "results", "bytes", "parts", "requests",
    "truncated"}``.

    All tasks of one machine share the limits of the connection. Those of several machines do not see each other: give
    the tasks an Airflow pool of one slot, and name it in the connection (``pool``), which then refuses tasks outside of
    it. Further arguments are those of :class:`ResultsLandingOperator`, such as ``file_format``; parts end at pages.

    :param query: PowerTrack rule, 2,048 characters at most.
    :param object_storage_path: the directory, of any scheme that Airflow's ObjectStoragePath knows; one landing each.
    :param start: first moment of the window, inclusive; without ``start`` and ``stop`` the window of the run is used.
    :param stop: last moment of the window, exclusive; both are whole minutes, in UTC.
    :param tag: returned with each post, in ``matching_rules``.
    :param max_results: land this many posts, the newest; ``None`` for all.
    :param max_requests: requests to send, those of earlier tries included; ``None`` for no bound. The task fails
        without a retry when they are used up, and resumes there when it is cleared with more.
    :param page_size: how many posts a page may have, 10 to 500; ``None``: 500, with the fewest requests. Smaller pages
        cost more requests, and overload X less.
    :param object_storage_conn_id: Airflow connection of the object storage.
    :param partition_by: land in a directory below, named after the start of the window: with ``month``,
        ``year=2024/month=01``; also ``year``, ``day`` or ``hour``.
    :param settle: how long after its end a window is not searched yet: the task fails, and a retry searches it. A
        landing that was made earlier is not taken for a complete one. The default is no time.
    :param partition_length: the length of the window of a run that has only a partition date; months are
        ``pendulum.duration(months=1)``, because a timedelta counts days.
    :param x_conn_id: Airflow connection of X Enterprise.
    """

    template_fields: Sequence[str] = (
        "query",
        "object_storage_path",
        "partition_by",
        "start",
        "stop",
        "tag",
        "max_results",
        "max_requests",
        "page_size",
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
        start: str | date | None = None,
        stop: str | date | None = None,
        tag: str | None = None,
        max_results: int | str | None = None,
        max_requests: int | str | None = None,
        page_size: int | str | None = None,
        object_storage_conn_id: str | None = None,
        partition_by: PartitionBy | str | None = None,
        settle: timedelta = timedelta(0),
        partition_length: timedelta | Duration | None = None,
        x_conn_id: str = XEnterpriseHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        add_budget_policy(self)
        self.query = query
        self.object_storage_path = object_storage_path
        self.start = start
        self.stop = stop
        self.tag = tag
        self.max_results = max_results
        self.max_requests = max_requests
        self.page_size = page_size
        self.object_storage_conn_id = object_storage_conn_id
        self.partition_by = partition_by
        check_partition_by(partition_by)
        self.settle = settle
        self.partition_length = partition_length
        self.x_conn_id = x_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is and what it counts."""
        from airflow_provider_twexport.core.arguments import parse_budget, parse_int, parse_required_text
        from airflow_provider_twexport.core.partitioning import landing_path
        from airflow_provider_twexport.core.run_window import check_ended, export_window
        from airflow_provider_twexport.x.search.landing import SearchLanding, dataset
        from airflow_provider_twexport.x.search.pages import MAX_PER_PAGE, SearchRequest

        with fail_without_retry(self):
            window = export_window(context, self.start, self.stop, self.partition_length)
            check_ended(window, self.settle)
            hook = XEnterpriseHook(self.x_conn_id)
            hook.check_pool(self.pool)
            search = SearchLanding(
                hook.get_conn(),
                SearchRequest(parse_required_text("query", self.query), window, tag=self.tag or None),
                max_results=parse_int("max_results", self.max_results),
                max_requests=parse_budget("max_requests", self.max_requests),
                settle=self.settle,
                page_size=parse_int("page_size", self.page_size) or MAX_PER_PAGE,
            )
            path = landing_path(self.object_storage_path, window, self.partition_by)
            directory = self.directory(context, path)
            with search.open(directory, self.part_options) as landing:
                found = landing.committed
                manifest = found or search.land(landing)
        requests = search.cursor_of(manifest.final_cursor).requests
        self.log.info("%s: %d posts, %d requests.", directory, manifest.results, requests)
        summary = self.landed(
            context, directory, manifest, dataset(manifest.source), is_new=not found, credits=requests
        )
        return summary | {"requests": requests, "truncated": manifest.truncated}
