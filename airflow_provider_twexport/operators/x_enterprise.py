"""Ask X Enterprise how many posts there are, and what the account used."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook
from airflow_provider_twexport.telemetry import metrics
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.landing_operator import ResultsLandingOperator
from airflow_provider_twexport.templates import TemplatedOperator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from airflow.sdk import Context
    from pendulum import Duration

    from airflow_provider_twexport.x.search.landing import SearchLanding
    from airflow_provider_twexport.x.search.pages import Bucket, SearchCursor


class XSearchCountsOperator(ResultsLandingOperator):
    """Count the posts of a query by minute, hour or day, and return what searching them would take.

    Every 31 days of the window are a request, and charged. Returns ``{"total", "requests", "search_requests", "start",
    "stop"}``, where ``search_requests`` is how many requests a search for all these posts takes at most, and with a
    path also ``{"manifest", "buckets"}``. Counts include posts that were deleted later, so a search may bring fewer.

    Without a path a retry counts, and pays, from the beginning; with one it resumes where the last try broke off.
    Further arguments are those of :class:`ResultsLandingOperator`, such as ``file_format``.

    :param query: PowerTrack rule, 2,048 characters at most.
    :param start: first moment of the window, inclusive; without ``start`` and ``stop`` the window of the run is used.
    :param stop: last moment of the window, exclusive; both are at the edge of a bucket, in UTC.
    :param bucket: ``minute``, ``hour`` or ``day``.
    :param max_requests: requests to send, those of earlier tries included; ``None`` for no bound.
    :param object_storage_path: directory for the counts of all buckets, one landing each; ``None``: only the total.
    :param object_storage_conn_id: Airflow connection of the object storage.
    :param settle: how long after its end a window is not searched yet: the task fails, and a retry searches it. A
        landing that was made earlier is not taken for a complete one. The default is no time.
    :param partition_length: the length of the window of a run that has only a partition date; months are
        ``pendulum.duration(months=1)``, because a timedelta counts days.
    :param x_conn_id: Airflow connection of X Enterprise.
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
        start: str | date | None = None,
        stop: str | date | None = None,
        bucket: Bucket = "hour",
        max_requests: int | str | None = None,
        object_storage_path: str | None = None,
        object_storage_conn_id: str | None = None,
        settle: timedelta = timedelta(0),
        partition_length: timedelta | Duration | None = None,
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
        self.settle = settle
        self.partition_length = partition_length
        self.x_conn_id = x_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the total and what it took."""
        from airflow_provider_twexport.core.arguments import parse_budget, parse_required_text
        from airflow_provider_twexport.core.run_window import check_ended, export_window
        from airflow_provider_twexport.x.search.landing import SearchLanding
        from airflow_provider_twexport.x.search.pages import SearchRequest, most_requests

        with fail_without_retry():
            window = export_window(context, self.start, self.stop, self.partition_length)
            check_ended(window, self.settle)
            hook = XEnterpriseHook(self.x_conn_id)
            hook.check_pool(self.pool)
            search = SearchLanding(
                hook.get_conn(),
                SearchRequest(parse_required_text("query", self.query), window, self.bucket),
                max_requests=parse_budget("max_requests", self.max_requests),
                settle=self.settle,
            )
            path = self.object_storage_path
            end, landed = self._land(context, search, path) if path else (self._count(search), {})
        self.log.info("%d posts in %s, counted with %d requests.", end.counted, window, end.requests)
        return {
            "total": end.counted,
            "requests": end.requests,
            "search_requests": most_requests(end.counted, window),
            **window.to_json(),
            **landed,
        }

    def _count(self, search: SearchLanding) -> SearchCursor:
        end = search.count()
        metrics.spent(self.system, end.requests)
        return end

    def _land(
        self, context: Context, search: SearchLanding, path: str
    ) -> tuple[SearchCursor, dict[str, Any]]:
        from airflow_provider_twexport.x.search.landing import dataset

        directory = self.directory(context, path)
        with search.open(directory, self.part_options) as landing:
            found = landing.committed
            manifest = found or search.land(landing)
        end = search.cursor_of(manifest.final_cursor)
        summary = self.landed(
            context, directory, manifest, dataset(manifest.source), is_new=not found, credits=end.requests
        )
        return end, {"manifest": summary["manifest"], "buckets": manifest.results}


class XUsageOperator(TemplatedOperator):
    """Return what an X Enterprise account used, by day or month, product and label; free.

    Returns ``{"bucket", "start", "stop", "activities", "requests", "rows"}``: the posts and search requests of the
    whole account, and in ``rows`` ``{"period", "product", "label", "activities", "requests"}`` of each product, and of
    each of its labels. X answers twice a minute for each account, the Exports page included; a third call waits. Its
    counts may differ from the invoice.

    :param bucket: ``day`` or ``month``.
    :param start: first moment, one of the last 13 months; without ``start`` and ``stop`` X chooses, up to now.
    :param stop: last moment, exclusive; at most three months after ``start``.
    :param x_conn_id: Airflow connection of X Enterprise.
    """

    template_fields: Sequence[str] = ("bucket", "start", "stop", "x_conn_id")
    ui_color = "#e8f4fa"

    def __init__(
        self,
        *,
        bucket: str = "day",
        start: str | date | None = None,
        stop: str | date | None = None,
        x_conn_id: str = XEnterpriseHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bucket = bucket
        self.start = start
        self.stop = stop
        self.x_conn_id = x_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the usage."""
        from airflow_provider_twexport.core.arguments import parse_choice, parse_moment
        from airflow_provider_twexport.core.window import Window
        from airflow_provider_twexport.exceptions import InvalidRequestError
        from airflow_provider_twexport.x import usage

        with fail_without_retry():
            bucket = parse_choice("bucket", self.bucket, ("day", "month"))
            if bool(self.start) != bool(self.stop):
                raise InvalidRequestError("Only one of start and stop is given. Give both, or neither.")
            window = (
                Window(parse_moment(self.start), parse_moment(self.stop))
                if self.start and self.stop
                else None
            )
            start, stop = (window.start, window.stop) if window else (None, None)
            report = XEnterpriseHook(self.x_conn_id).get_conn().get_usage(bucket, start, stop)
        totals = usage.totals(report)
        self.log.info("Usage: %(activities)d posts, %(requests)d search requests.", totals)
        edges = window.to_json() if window else {"start": None, "stop": None}
        return {"bucket": bucket, **edges, **totals, "rows": usage.rows(report)}
