"""The calls of the API, under the vendor's paths; each answers the `result_*` part of the envelope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from airflow_provider_twexport.simulator.day import DAY
from airflow_provider_twexport.simulator.talkwalker import requests, search
from airflow_provider_twexport.simulator.talkwalker.account import ACCOUNT_ID
from airflow_provider_twexport.simulator.talkwalker.corpus import PROJECTS, STREAMS
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError
from airflow_provider_twexport.simulator.talkwalker.faulty_streams import send_lines
from airflow_provider_twexport.simulator.talkwalker.jobs import timestamp
from airflow_provider_twexport.simulator.talkwalker.streams import Reader, starting_point
from airflow_provider_twexport.simulator.wire import FAULT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_provider_twexport.simulator.talkwalker.account import Account
    from airflow_provider_twexport.simulator.talkwalker.jobs import Export
    from airflow_provider_twexport.simulator.talkwalker.streams import Collector

    Handler = Callable[[Account, Request], Awaitable[dict[str, Any] | Response]]

HISTOGRAM_PRICE = 10
MONTH = 30 * 86_400


@dataclass(frozen=True)
class Call:
    """One method on one path, and the right it takes."""

    method: str
    path: str
    handler: Handler
    right: str = "read_write"


async def list_projects(account: Account, request: Request) -> dict[str, Any]:
    """GET /search/info."""
    named = {"account_id": ACCOUNT_ID, "account_name": "Demo account"}
    return {
        "result_accinfo": {"projects": [{"id": p.id, "name": p.name, **named} for p in PROJECTS.values()]}
    }


async def get_credits(account: Account, request: Request) -> dict[str, Any]:
    """GET /status/credits."""
    left = account.credits
    info = {
        "used_credits_monthly": left.total - left.remaining,
        "used_credits_onetime": 0,
        "remaining_credits_monthly": left.remaining,
        "remaining_credits_onetime": 0,
        "next_billing_period": account.clock.now_ms() + MONTH * 1000,
        "estimate_credits_used_until_end_of_billing_period": left.total - left.remaining,
        "monthly_total": left.total,
        "used_credits_processing": 0,
        "remaining_allowance_processing": 0,
    }
    return {"result_creditinfo": info}


async def list_resources(account: Account, request: Request) -> dict[str, Any]:
    """GET /p/{project}/resources; types other than `search` are empty."""
    project = PROJECTS[requests.project(request.path_params["project_id"])]
    wanted = request.query_params.get("type", "search").split(",")
    nodes = [{"id": topic.id, "title": topic.title, "description": ""} for topic in project.topics]
    topics = [{"id": "search", "title": "Topics", "nodes": nodes}] if "search" in wanted else []
    found = {"id": project.id, "title": project.name, "topics": topics, "filters": [], "channels": []}
    return {"result_resources": {"projects": [found]}}


async def count_results(account: Account, request: Request) -> dict[str, Any]:
    """GET /search/histogram/{type}; not covered: breakdown, value_type, top_n, forecast."""
    kind, params, settings = request.path_params["type"], request.query_params, account.settings
    if kind not in search.TYPES:
        raise TalkwalkerError(5, param="type", details=f"known: {', '.join(search.TYPES)}")
    now = account.clock.now_ms()
    scope = requests.scope(request, {"query": params.get("q"), "topics": params.getlist("topic")})
    stop = requests.moment("max", params.get("max", now))
    start = requests.moment("min", params.get("min", stop - search.WEEK))
    known_from = _known_from(account, scope.kind, now)
    _admit_histogram(account, scope.kind)
    counted = search.histogram(
        lambda first, last: account.corpus.count(scope, max(first, known_from), min(last, now), settings),
        start + (params.get("min_include") == "false"),
        stop + (params.get("max_include") == "true"),
        params.get("interval", "day"),
        search.zone(params.get("timezone", "UTC")),
    )
    _pay(account, HISTOGRAM_PRICE, "histogram")
    return {"result_histogram": counted}


def _known_from(account: Account, scope_kind: str, now: int) -> int:
    """Tell since when there are counts: outside of projects, for a month only."""
    days = account.settings.global_histogram_days
    return 0 if scope_kind == "project" or days is None else now - round(days * DAY)


def _admit_histogram(account: Account, scope_kind: str) -> None:
    if scope_kind == "project":
        account.admit("histogram", account.settings.histograms_per_minute)
    else:
        account.admit("global histogram", account.settings.global_histograms_per_minute)


async def put_collector(account: Account, request: Request) -> dict[str, Any]:
    """PUT /c/{id}: create, or replace the query and keep the results."""
    query = (await requests.body(request)).get("collector_query") or {}
    if "project_topics" in query and ("projects" in query or "project" in query):
        raise TalkwalkerError(
            5, param="collector_query", details="projects and project_topics exclude each other"
        )
    collector = account.collectors.put(request.path_params["collector_id"], query, account.clock.now())
    return _collectors(collector)


async def get_collector(account: Account, request: Request) -> dict[str, Any]:
    """GET /c/{id}."""
    collector = account.collectors.get(request.path_params["collector_id"])
    more = {"collector_query": collector.query, "creation_date": timestamp(collector.created)}
    return {"result_stream": {"collectors": [{**_named(collector), **more}]}}


async def delete_collector(account: Account, request: Request) -> dict[str, Any]:
    """DELETE /c/{id}: the results go with it."""
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
    collectors = [_named(collector) for collector in account.collectors.all()]
    streams = [{"stream_id": stream, "enabled": True} for stream in STREAMS]
    return {"result_stream": {"collectors": collectors, "streams": streams}}


async def read_results(account: Account, request: Request) -> Response:
    """GET /c/{id}/results; `max_hits` is accepted and has no effect."""
    collector = account.collectors.get(request.path_params["collector_id"])
    params = request.query_params
    end = params.get("end_behaviour", "wait")
    if end not in {"stop", "wait"}:
        raise TalkwalkerError(5, param="end_behaviour", details=end)
    position, echo = starting_point(collector, params.get("resume_offset", "earliest"), account.settings)
    account.admit("read", account.settings.reads_per_minute)
    reader = Reader(collector, lambda: account.settings, account.advance, account.new_id(), position, echo)
    batches = reader.until_stop() if end == "stop" else reader.and_wait()
    pretty = params.get("pretty") == "true"
    return StreamingResponse(send_lines(batches, request.scope, pretty=pretty), media_type="text/plain")


async def create_export(account: Account, request: Request) -> dict[str, Any]:
    """POST .../export: each one is a new task."""
    order = requests.order(request, await requests.body(request), account.collectors, account.clock.now_ms())
    if account.credits.remaining == 0:
        raise TalkwalkerError(9)
    export = account.exports.create(order, account.clock.now(), account.settings)
    return _tasks([export.created_json()])


async def list_exports(account: Account, request: Request) -> dict[str, Any]:
    """GET /tasks/export: all of them, newest first."""
    fault = request.scope.get(FAULT)
    listed = account.exports.all()
    if fault is not None and fault.kind == "missing_from_list":
        listed = [each for each in listed if fault.get("export_id") not in {None, each.id}]
    return _tasks([_task(account, export, request) for export in listed])


async def get_export(account: Account, request: Request) -> dict[str, Any]:
    """GET /tasks/export/{id}."""
    return _tasks([_task(account, account.exports.get(request.path_params["task_id"]), request)])


async def abort_export(account: Account, request: Request) -> dict[str, Any]:
    """DELETE /tasks/export/{id}: the answer says `deleted`, later looks say `aborted`."""
    task_id = request.path_params["task_id"]
    account.exports.abort(task_id)
    return _tasks([{"id": task_id, "status": "deleted"}])


def _pay(account: Account, price: int, reason: str) -> None:
    if account.credits.remaining < price:
        raise TalkwalkerError(9)
    account.credits.take(price, reason)


def _named(collector: Collector) -> dict[str, Any]:
    return {"collector_id": collector.id, "state": collector.state}


def _collectors(collector: Collector) -> dict[str, Any]:
    return {"result_stream": {"collectors": [_named(collector)]}}


def _tasks(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"result_tasks": {"tasks": tasks}}


def _task(account: Account, export: Export, request: Request) -> dict[str, Any]:
    task, fault = export.to_json(account.settings), request.scope.get(FAULT)
    if fault is not None and fault.kind == "status" and fault.get("export_id") in {None, export.id}:
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
