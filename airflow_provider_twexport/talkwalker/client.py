"""Talkwalker API v3: create a collector, order an export task into it, read the collector.

Vendor pages: https://developer.talkwalker.com (streaming API v3, "past data export", "collectors"). Out of scope:
search results, keyword streams, tags, views, document import.
"""

from __future__ import annotations

import logging
import math
import re
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pendulum

from airflow_provider_twexport.core import timing as core_timing
from airflow_provider_twexport.core.credentials import QueryToken
from airflow_provider_twexport.core.http import Session
from airflow_provider_twexport.core.rate_limit import RateLimiter
from airflow_provider_twexport.core.retry import Retry
from airflow_provider_twexport.exceptions import (
    ConnectionConfigError,
    Evidence,
    InvalidRequestError,
    NotFoundError,
    ThrottledError,
    TwexportError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.error_codes import explain, explain_chunk
from airflow_provider_twexport.talkwalker.histogram import (
    read_volumes,
    requests_for,
    why_uncountable,
)
from airflow_provider_twexport.talkwalker.models import (
    Collector,
    Credits,
    ExportOrder,
    ExportTask,
    Project,
    epoch_ms,
    path_segment,
)
from airflow_provider_twexport.talkwalker.results import EARLIEST, EndBehaviour, ReadState
from airflow_provider_twexport.talkwalker.results_reader import ResultsReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_twexport.core.http import StreamedResponse
    from airflow_provider_twexport.talkwalker.histogram import Interval, Volume

T = TypeVar("T")
log = logging.getLogger(__name__)

DEFAULT_HOST = "https://api.talkwalker.com"
# Airflow kills a task's process 5 seconds after it asks it to end; connecting and waiting may take this long each
KILL_SECONDS = 2.0
_COLLECTOR_ID = re.compile(r"[a-z][a-z0-9_-]*")


class TalkwalkerClient:
    """Calls Talkwalker, with limited retries of every call that may be repeated.

    :param token: access token; exports need one with read and write rights.
    :param base_url: address of the service.
    :param timing: how long everything waits; ``None`` for the usual waits.
    :raises ConnectionConfigError: if the token is missing or the address is not one to send it to.
    """

    def __init__(
        self, token: str, base_url: str = DEFAULT_HOST, timing: core_timing.Timing | None = None
    ) -> None:
        if not token:
            raise ConnectionConfigError("The connection has no access token: give it as the password.")
        self.timing = timing or core_timing.DEFAULT
        self._session = Session(base_url, QueryToken("access_token", token), explain, self.timing.retry)
        in_project, outside = self.timing.histograms_per_minute, self.timing.global_histograms_per_minute
        self._limit_in_project = RateLimiter(f"{self.base_url} histogram in project", in_project)
        self._limit_outside = RateLimiter(f"{self.base_url} histogram outside", outside)

    def __repr__(self) -> str:
        """Return a text that is safe to log."""
        return f"TalkwalkerClient({self.base_url!r})"

    @property
    def base_url(self) -> str:
        """Return the address of the service."""
        return self._session.base_url

    # account

    def list_projects(self) -> list[Project]:
        """Return the projects that the token may use; free."""
        body = self._session.call("GET", "/api/v1/search/info")
        return self._read_list(_result(body, "result_accinfo"), "projects", Project.from_json)

    def get_credits(self) -> Credits:
        """Return what the account may still spend; free, 10 calls a minute."""
        body = self._session.call("GET", "/api/v1/status/credits")
        return Credits.from_json(_result(body, "result_creditinfo"))

    def histogram(self, order: ExportOrder, interval: Interval = "day") -> list[Volume]:
        """Return how many results an order would match, for each day or hour, also where there are none; 10 credits.

        It is sent once, because it is charged; only a throttled call, which is free, is repeated.

        :param order: the order; its limit does not matter.
        :param interval: ``day``, for at most 366 days, or ``hour``, for at most 31 days; in UTC.
        :raises InvalidRequestError: if there is no histogram of this order; nothing was spent.
        :raises RetriableError: if no response came; the 10 credits may be spent all the same.
        """
        if reason := why_uncountable(order, pendulum.now("UTC")):
            raise InvalidRequestError(reason)
        if len(requests_for(order.window, interval)) > 1:
            raise InvalidRequestError(
                f"{order.window} is too long to be counted by the {interval} at once. Choose a shorter window."
            )
        body = self.timing.retry.call(partial(self._get_histogram, order, interval), ThrottledError)
        return read_volumes(_result(body, "result_histogram").get("data") or (), order.window, interval)

    def _get_histogram(self, order: ExportOrder, interval: Interval) -> Any:
        scope = f"/p/{path_segment(order.project_id)}" if order.project_id else ""
        params = {
            "min": epoch_ms(order.window.start),
            "max": epoch_ms(order.window.stop),
            "min_include": "true",
            "max_include": "false",
            "interval": interval,
            "timezone": "UTC",
            "q": order.query,
            "topic": list(order.topics),
        }
        path = f"/api/v1/search{scope}/histogram/published"
        (self._limit_in_project if order.project_id else self._limit_outside).acquire()
        return self._session.call("GET", path, params=params, repeatable=False)

    # collectors

    def get_collector(self, collector_id: str) -> Collector:
        """Return a collector.

        :raises NotFoundError: if it does not exist.
        """
        return self._collector("GET", collector_id)

    def list_collectors(self) -> list[Collector]:
        """Return the account's collectors, less deleted ones."""
        body = self._session.call("GET", "/api/v3/stream/info")
        listed = self._read_list(_result(body, "result_stream"), "collectors", Collector.from_json)
        return [collector for collector in listed if collector.state.casefold() != "deleted"]

    def put_collector(self, collector_id: str) -> Collector:
        """Create a collector without queries, or remove the queries of an existing one; its results stay."""
        return self._collector("PUT", collector_id, {"collector_query": {}})

    def delete_collector(self, collector_id: str) -> Collector:
        """Delete a collector with all that it holds."""
        return self._collector("DELETE", collector_id)

    def _collector(self, method: str, collector_id: str, body: Any = None) -> Collector:
        response = self._session.call(
            method, f"/api/v3/stream/c/{checked_collector_id(collector_id)}", body=body
        )
        collectors = _items(_result(response, "result_stream"), "collectors")
        return Collector.from_json(collectors[0] if collectors else {"collector_id": collector_id})

    # exports

    def create_export(self, order: ExportOrder, collector_id: str) -> ExportTask:
        """Order an export into a collector; sent once, because each order is charged.

        :raises RetriableError: if no response came; the export may exist all the same, so look before ordering again.
        """
        body = order.body(checked_collector_id(collector_id))
        return _first_export(self._session.call("POST", order.path, body=body, repeatable=False))

    def get_export(self, export_id: str) -> ExportTask:
        """Return an export.

        :raises NotFoundError: if the service does not know it.
        :raises UnexpectedResponseError: if the answer cannot be read.
        """
        return _first_export(self._session.call("GET", _export_path(export_id)))

    def list_exports(self, collector_id: str | None = None) -> list[ExportTask]:
        """Return the account's recent exports, newest first, less those that cannot be read.

        :param collector_id: the collector whose exports are looked for.
        :raises UnexpectedResponseError: if an export into that collector cannot be read.
        """
        result = _result(self._session.call("GET", "/api/v3/tasks/export"), "result_tasks")
        return self._read_list(
            result,
            "tasks",
            _listed_export,
            needed=lambda item: isinstance(item, dict) and item.get("target") == collector_id is not None,
        )

    def abort_export(self, export_id: str) -> None:
        """Abort an export; what it has exported stays charged and in the collector."""
        self._session.call("DELETE", _export_path(export_id))

    def abort_when_killed(self, export_id: str) -> None:
        """Abort an export with one short try, from a process that is about to be killed; never raises."""
        self._session.retry = (
            Retry()
        )  # the retry that counts in metrics may hold a lock of the metrics client
        try:
            self._session.call("DELETE", _export_path(export_id), repeatable=False, timeout=KILL_SECONDS)
        except TwexportError as error:
            log.warning("Export %s could not be aborted and may continue: %s", export_id, error)

    def _read_list(
        self,
        result: dict[str, Any],
        name: str,
        read: Callable[[Any], T],
        needed: Callable[[Any], bool] = lambda item: False,
    ) -> list[T]:
        """Return the entries of a list that can be read; a warning names each of the others.

        :param needed: returns whether an entry must not be left out.
        """
        entries = []
        for item in _items(result, name):
            try:
                entries.append(read(item))
            except UnexpectedResponseError as error:
                if needed(item):
                    raise
                log.warning("Skipped one of the %s: %s %.200r", name, error, self._session.redact(item))
        return entries

    # results

    @contextmanager
    def open_results(
        self, collector_id: str, cursor: str = EARLIEST, end_behaviour: EndBehaviour = "stop"
    ) -> Iterator[StreamedResponse]:
        """Open one connection to a collector's results and hand out its bytes as they arrive.

        :param cursor: ``earliest``, ``latest`` or the offset of a control chunk.
        :param end_behaviour: ``stop`` ends after a few hundred results, ``wait`` stays open for more.
        """
        path = _results_path(collector_id)
        params = {"resume_offset": cursor, "end_behaviour": end_behaviour}
        with self._session.stream(
            path, params=params, timeout=60.0, silence=self.timing.idle_read
        ) as response:
            yield response

    def can_be_read(self, collector_id: str, export_id: str | None) -> bool:
        """Return whether a collector still holds a result of an export; a short read, which is free.

        :param export_id: ``None`` for any result.
        """
        try:
            with closing(iter(self.drain(collector_id, export_id=export_id, missing=lambda: 1))) as batches:
                return any(batch.records for batch in batches)
        except NotFoundError:
            return False

    def drain(
        self,
        collector_id: str,
        *,
        cursor: str = EARLIEST,
        export_id: str | None = None,
        missing: Callable[[], float] = lambda: math.inf,
        state: ReadState | None = None,
    ) -> ResultsReader:
        """Return an iterable over batches of results that reads until nothing new comes.

        :param cursor: where to start; the cursor of a batch.
        :param export_id: leave out what belongs to other exports; ``None`` for all.
        :param missing: returns how many results are still to come after the batches yielded; infinity if unknown.
        :param state: what earlier reads of the same log saw; ``None``: nothing.
        """
        path = _results_path(collector_id)
        return ResultsReader(
            open_read=partial(self.open_results, collector_id),
            explain=lambda chunk: explain_chunk(self._session.redact(chunk), Evidence("GET", path, 200)),
            redact=self._session.redact,
            cursor=cursor,
            export_id=export_id,
            missing=missing,
            state=state or ReadState(),
            timing=self.timing,
        )


def checked_collector_id(collector_id: str) -> str:
    """Return the id if it follows the vendor's rule.

    :raises InvalidRequestError: if it does not.
    """
    if not _COLLECTOR_ID.fullmatch(collector_id):
        raise InvalidRequestError(
            f"{collector_id!r} is not a collector id: lower-case letters, digits, '-' and '_', beginning with a letter."
        )
    return collector_id


def _export_path(export_id: str) -> str:
    return f"/api/v3/tasks/export/{path_segment(export_id)}"


def _results_path(collector_id: str) -> str:
    return f"/api/v3/stream/c/{checked_collector_id(collector_id)}/results"


def _result(body: Any, name: str) -> dict[str, Any]:
    result = body.get(name) if isinstance(body, dict) else None
    if not isinstance(result, dict):
        raise UnexpectedResponseError(f"Talkwalker's response has no {name}. Check the connection's host.")
    return result


def _items(result: dict[str, Any], name: str) -> list[Any]:
    items = result.get(name)
    if items is None:
        return []
    if not isinstance(items, list):
        raise UnexpectedResponseError(
            f"Talkwalker's response has {name} that is not a list, but {type(items)}. "
            "Check the connection's host."
        )
    return items


def _listed_export(item: Any) -> ExportTask:
    """Read an entry of the list; one that says neither where it writes nor how it stands would count as running."""
    export = ExportTask.from_json(item)
    if export.collector_id is None and not isinstance(item.get("status"), str):
        raise UnexpectedResponseError(
            f"Talkwalker lists export {export.id} without a collector and a status. Check the connection's host."
        )
    return export


def _first_export(body: Any) -> ExportTask:
    tasks = _items(_result(body, "result_tasks"), "tasks")
    if not tasks:
        raise UnexpectedResponseError("Talkwalker's response names no export. Check the connection's host.")
    return ExportTask.from_json(tasks[0])
