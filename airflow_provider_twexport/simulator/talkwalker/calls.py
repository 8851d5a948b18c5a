"""The calls of the API, under the vendor's paths; each returns the `result_*` part of the envelope."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from airflow_provider_twexport.simulator.day import DAY_MS
from airflow_provider_twexport.simulator.talkwalker import faulty_streams, requests, search
from airflow_provider_twexport.simulator.talkwalker.account import ACCOUNT_ID
from airflow_provider_twexport.simulator.talkwalker.corpus import PROJECTS, STREAMS
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError
from airflow_provider_twexport.simulator.talkwalker.streams import Reader, starting_point
from airflow_provider_twexport.simulator.wire import break_connection, fault_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_provider_twexport.simulator.talkwalker.account import Account
    from airflow_provider_twexport.simulator.talkwalker.jobs import Export
    from airflow_provider_twexport.simulator.talkwalker.streams import Collector

    Handler = Callable[[Account, Request], Awaitable[dict[str, Any] | Response]]

HISTOGRAM_CREDITS = 10
ODD_ENTRIES: list[Any] = [
    None,
    {},
    "export",
    7,
    [],
    {"id": None},
    {"id": {}, "target": [], "status": 3},
    {"id": "odd-1", "creation_date": "yesterday", "processed": "many", "progress": {}, "status": None},
]
MONTH_MS = 30 * DAY_MS


@dataclass(frozen=True)
class Call:
    """One method on one path, and the right that it requires."""

    method: str
    path: str
    handler: Handler
    right: str = "read_write"


async def list_projects(account: Account, request: Request) -> dict[str, Any]:
    """GET /search/info."""
    owner = {"account_id": ACCOUNT_ID, "account_name": "Demo account"}
    projects = [{"id": project.id, "name": project.name, **owner} for project in PROJECTS.values()]
    return {"result_accinfo": {"projects": projects}}


async def get_credits(account: Account, request: Request) -> dict[str, Any]:
    """GET /status/credits."""
    credits_left = account.credits
    used = credits_left.total - credits_left.remaining
    info = {
        "used_credits_monthly": used,
        "used_credits_onetime": 0,
        "remaining_credits_monthly": credits_left.remaining,
        "remaining_credits_onetime": 0,
        "next_billing_period": account.clock.now_ms() + MONTH_MS,
        "estimate_credits_used_until_end_of_billing_period": used,
        "monthly_total": credits_left.total,
        "used_credits_processing": 0,
        "remaining_allowance_processing": 0,
    }
    return {"result_creditinfo": info}


async def list_resources(account: Account, request: Request) -> dict[str, Any]:
    """GET /p/{project}/resources; types other than `search` are empty."""
    project = PROJECTS[requests.read_project(request)]
    types = request.query_params.get("type", "search").split(",")
    nodes = [{"id": topic.id, "title": topic.title, "description": ""} for topic in project.topics]
    topics = [{"id": "search", "title": "Topics", "nodes": nodes}] if "search" in types else []
    content = {"id": project.id, "title": project.name, "topics": topics, "filters": [], "channels": []}
    return {"result_resources": {"projects": [content]}}


async def count_results(account: Account, request: Request) -> dict[str, Any]:
    """GET /search/histogram/{type}; not covered: breakdown, value_type, top_n, forecast."""
    kind, params, settings = request.path_params["type"], request.query_params, account.settings
    if kind not in search.HISTOGRAM_TYPES:
        raise TalkwalkerError(5, param="type", details=f"known: {', '.join(search.HISTOGRAM_TYPES)}")
    now = account.clock.now_ms()
    scope = requests.read_scope(request, {"query": params.get("q"), "topics": params.getlist("topic")})
    stop = requests.read_time("max", params.get("max", now))
    start = requests.read_time("min", params.get("min", stop - search.WEEK_MS))
    counted_from = _counted_from(account, scope.kind, now)
    _check_histogram_rate(account, scope.kind)
    result = search.histogram(
        lambda first, last: account.corpus.count(scope, max(first, counted_from), min(last, now), settings),
        start + (params.get("min_include") == "false"),
        stop + (params.get("max_include") == "true"),
        params.get("interval", "day"),
        search.time_zone(params.get("timezone", "UTC")),
    )
    _charge_histogram(account)
    return {"result_histogram": result}


def _counted_from(account: Account, scope_kind: str, now: int) -> int:
    """Return the time of the oldest counts: outside of projects, a month ago."""
    days = account.settings.global_histogram_days
    return 0 if scope_kind == "project" or days is None else now - round(days * DAY_MS)


def _check_histogram_rate(account: Account, scope_kind: str) -> None:
    if scope_kind == "project":
        account.check_rate("histogram", account.settings.histograms_per_minute)
    else:
        account.check_rate("global histogram", account.settings.global_histograms_per_minute)


def _charge_histogram(account: Account) -> None:
    if account.credits.remaining < HISTOGRAM_CREDITS:
        raise TalkwalkerError(9)
    account.credits.charge(HISTOGRAM_CREDITS, "histogram")


async def put_collector(account: Account, request: Request) -> dict[str, Any]:
    """PUT /c/{id}: create, or replace the query and keep the results."""
    query = (await requests.read_body(request)).get("collector_query") or {}
    if "project_topics" in query and ("projects" in query or "project" in query):
        raise TalkwalkerError(
            5, param="collector_query", details="projects and project_topics exclude each other"
        )
    collector = account.collectors.put(request.path_params["collector_id"], query, account.clock.now())
    return _collectors(collector)


async def get_collector(account: Account, request: Request) -> dict[str, Any]:
    """GET /c/{id}."""
    collector = account.collectors.get(request.path_params["collector_id"])
    details = {
        "collector_query": collector.query,
        "creation_date": account.settings.creation_date(collector.created),
    }
    return {"result_stream": {"collectors": [{**_collector_json(collector), **details}]}}


async def delete_collector(account: Account, request: Request) -> dict[str, Any]:
    """DELETE /c/{id}, with its results."""
    return _collectors(account.collectors.delete(request.path_params["collector_id"]))


async def pause_collector(account: Account, request: Request) -> dict[str, Any]:
    """POST /c/{id}/pause."""
    collector = account.collectors.get(request.path_params["collector_id"])
    collector.paused = True
    return _collectors(collector)


async def resume_collector(account: Account, request: Request) -> dict[str, Any]:
    """POST /c/{id}/resume; an empty collector has nothing to resume."""
    collector = account.collectors.get(request.path_params["collector_id"])
    if not collector.query:
        raise TalkwalkerError(18, reason="the collector has no query")
    collector.paused = False
    return _collectors(collector)


async def list_streams(account: Account, request: Request) -> dict[str, Any]:
    """GET /stream/info."""
    listed = account.collectors.listed(account.clock.now(), account.settings)
    collectors = [_collector_json(collector) for collector in listed]
    streams = [{"stream_id": stream, "enabled": True} for stream in STREAMS]
    return {"result_stream": {"collectors": collectors, "streams": streams}}


async def read_results(account: Account, request: Request) -> Response:
    """GET /c/{id}/results; `max_hits` is accepted and has no effect."""
    collector = account.collectors.get(request.path_params["collector_id"])
    params = request.query_params
    end = params.get("end_behaviour", "wait")
    if end not in {"stop", "wait"}:
        raise TalkwalkerError(5, param="end_behaviour", details=end)
    requested = params.get("resume_offset", "earliest")
    position, first_offset = starting_point(collector, requested, account.settings)
    account.check_rate("read", account.settings.reads_per_minute)
    reader = Reader(
        collector, lambda: account.settings, account.advance, account.new_id(), position, first_offset
    )
    batches = reader.until_stop() if end == "stop" else reader.and_wait()
    body = faulty_streams.body(batches, request.scope, pretty=params.get("pretty") == "true")
    if rate := account.settings.bytes_per_second:
        body = faulty_streams.slowly(body, rate)
    return StreamingResponse(body, media_type="text/plain")


async def create_export(account: Account, request: Request) -> dict[str, Any]:
    """POST .../export: each one is a new task."""
    body = await requests.read_body(request)
    order = requests.read_order(request, body, account.collectors, account.clock.now_ms())
    if account.credits.remaining == 0:
        raise TalkwalkerError(9)
    await asyncio.sleep(account.settings.storage_seconds)
    export = account.exports.create(order, account.clock.now(), account.settings)
    if account.loses_answer():
        await break_connection(request.scope)
    return _tasks([export.created_json(account.settings)])


async def list_exports(account: Account, request: Request) -> dict[str, Any]:
    """GET /tasks/export: the recent ones, newest first."""
    exports = account.exports.recent(account.clock.now(), account.settings)
    if fault := fault_of(request, "missing_from_list"):
        exports = [export for export in exports if fault.get("export_id") not in {None, export.id}]
    odd = ODD_ENTRIES[: account.settings.odd_entries]
    if fault := fault_of(request, "odd_entry"):
        odd = [fault.get("entry"), *odd]
    return _tasks([*odd, *(_task(account, export, request) for export in exports)])


async def get_export(account: Account, request: Request) -> dict[str, Any]:
    """GET /tasks/export/{id}."""
    return _tasks([_task(account, account.exports.get(request.path_params["task_id"]), request)])


async def abort_export(account: Account, request: Request) -> dict[str, Any]:
    """DELETE /tasks/export/{id}: the response shows `deleted`, later responses `aborted`."""
    task_id = request.path_params["task_id"]
    account.exports.abort(task_id)
    return _tasks([{"id": task_id, "status": "deleted"}])


def _collector_json(collector: Collector) -> dict[str, Any]:
    return {"collector_id": collector.id, "state": collector.state}


def _collectors(collector: Collector) -> dict[str, Any]:
    return {"result_stream": {"collectors": [_collector_json(collector)]}}


def _tasks(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"result_tasks": {"tasks": tasks}}


def _task(account: Account, export: Export, request: Request) -> dict[str, Any]:
    task = export.to_json(account.settings)
    if (fault := fault_of(request, "status")) and fault.get("export_id") in {None, export.id}:
        task["status"] = fault.get("status", "unknown")
    return task


V1, V2, V3 = "/api/v1", "/api/v2/talkwalker", "/api/v3"
COLLECTOR = f"{V3}/stream/c/{{collector_id}}"
EXPORT = f"{V3}/tasks/export"

CALLS = (
    Call("GET", f"{V1}/search/info", list_projects, "read_only"),
    Call("GET", f"{V1}/status/credits", get_credits, "read_only"),
    Call("GET", f"{V2}/p/{{project_id}}/resources", list_resources, "read_only"),
    Call("GET", f"{V1}/search/histogram/{{type}}", count_results, "read_only"),
    Call("GET", f"{V1}/search/p/{{project_id}}/histogram/{{type}}", count_results, "read_only"),
    Call("GET", f"{V3}/stream/info", list_streams),
    Call("PUT", COLLECTOR, put_collector),
    Call("GET", COLLECTOR, get_collector),
    Call("DELETE", COLLECTOR, delete_collector),
    Call("POST", f"{COLLECTOR}/pause", pause_collector),
    Call("POST", f"{COLLECTOR}/resume", resume_collector),
    Call("GET", f"{COLLECTOR}/results", read_results),
    Call("POST", f"{V3}/stream/p/{{project_id}}/export", create_export),
    Call("POST", f"{V3}/stream/s/{{stream_id}}/export", create_export),
    Call("POST", f"{V3}/stream/export", create_export),
    Call("GET", EXPORT, list_exports),
    Call("GET", f"{EXPORT}/{{task_id}}", get_export),
    Call("DELETE", f"{EXPORT}/{{task_id}}", abort_export),
)
