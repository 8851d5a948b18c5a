"""X: searches, usage and streams behind HTTP Basic, and its part of the control plane."""

from __future__ import annotations

import gzip
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_twexport.simulator.day import HOUR_MS
from airflow_provider_twexport.simulator.prng import hash64
from airflow_provider_twexport.simulator.wire import LEDGER_ENTRY, fault_of, json_response
from airflow_provider_twexport.simulator.x import requests
from airflow_provider_twexport.simulator.x.account import (
    ACCOUNT,
    LABELS,
    PRODUCTS,
    Account,
    check_credentials,
)
from airflow_provider_twexport.simulator.x.corpus import PARTITIONS, Matches, StreamMessages
from airflow_provider_twexport.simulator.x.documents import Posts
from airflow_provider_twexport.simulator.x.errors import XError, body_of, unprocessable
from airflow_provider_twexport.simulator.x.search import counts_page, data_page
from airflow_provider_twexport.simulator.x.streams import STREAMS, Streams
from airflow_provider_twexport.simulator.x.weather import outage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.x.requests import PageRequest
    from airflow_provider_twexport.simulator.x.settings import XSettings

USAGE_CALLS_PER_MINUTE = 2
NO_GZIP = (
    "This connection requires compression. To enable compression, send an 'Accept-Encoding: gzip' header in your "
    "request and be ready to uncompress the stream as it is read on the client end."
)
STREAM = "/stream/{stream}/accounts/{account}/publishers/twitter/{label}.json"
REPLAY = "/replay/{stream}/accounts/{account}/publishers/twitter/{label}.json"
SEARCH = "/search/{product}/accounts/{account}/{label}"


class X:
    """One account of the X enterprise APIs."""

    name: ClassVar[str] = "x"
    faults: ClassVar[Mapping[str, str]] = {
        "error": "Refuse the request; `http`, `message`.",
        "disconnect": "End a live stream; `after_seconds`, `because` (operational, slow, full_buffer, "
        "connection_limit, broken, closed, bad_gzip).",
        "silence": "Send nothing more on a live stream; `after_seconds`.",
        "recovery_ends": "End a past window early; `how` (with_errors, failed, nothing, or as `disconnect`).",
    }

    def __init__(self, clock: Clock, seed: int, settings: XSettings) -> None:
        self._clock = clock
        self._seed = seed
        self._initial_settings = settings
        self._posts = Posts(seed)
        self._streams = Streams(clock, StreamMessages(seed, self._posts))
        self.reset()

    def reset(self) -> None:
        """Return to the state of the start."""
        self._settings = self._initial_settings
        self._account = Account(self._clock)
        self._refusals = 0
        self._streams.reset()

    @property
    def settings(self) -> XSettings:
        """The settings in force."""
        return self._settings

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings."""
        self._settings = self._settings.changed(changes)

    def ledger(self) -> dict[str, Any]:
        """Return the billed pages and the connections to streams, in order."""
        return {"x": {**self._account.ledger(), "streams": self._streams.connections}}

    def routes(self) -> list[Route]:
        """List the routes of the API."""
        methods = ["GET", "POST"]
        return [
            Route(f"{SEARCH}/counts.json", self._endpoint(self._counts), methods=methods),
            Route(f"{SEARCH}.json", self._endpoint(self._data), methods=methods),
            Route("/metrics/usage/accounts/{account}.json", self._endpoint(self._usage), methods=["GET"]),
            Route(STREAM, self._endpoint(self._stream), methods=["GET"]),
            Route(REPLAY, self._endpoint(self._replay), methods=["GET"]),
        ]

    def control_routes(self) -> list[Route]:
        """List the routes that tests use to see all posts of a query and all messages of a stream."""
        return [
            Route("/_control/x/posts", self._list_posts),
            Route("/_control/x/stream", self._list_stream_keys),
        ]

    def _endpoint(
        self, call: Callable[[Request], Awaitable[dict[str, Any] | Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            try:
                _raise_queued_error(request)
                check_credentials(request)
                body = await call(request)
            except XError as error:
                request.scope[LEDGER_ENTRY]["code"] = str(error)
                return self._refuse(error)
            return body if isinstance(body, Response) else _compressed(request, body)

        return respond

    async def _data(self, request: Request) -> dict[str, Any]:
        page_request = await self._page_request(request, "data")
        longest = self._settings.x_longest_window_hours
        if longest is not None and page_request.stop - page_request.start > longest * HOUR_MS:
            raise XError(503, "Service Unavailable")
        page = data_page(page_request, self._matches(page_request.query), self._posts, self._settings)
        params = request.path_params
        self._account.bill(params["product"], params["label"], "data", page_request, page)
        return page

    async def _counts(self, request: Request) -> dict[str, Any]:
        page_request = await self._page_request(request, "counts")
        page = counts_page(page_request, self._matches(page_request.query), self._settings)
        params = request.path_params
        self._account.bill(params["product"], params["label"], "counts", page_request, page)
        return page

    async def _usage(self, request: Request) -> dict[str, Any]:
        """GET the usage of each `bucket`, from `fromDate` to `toDate`; free, twice a minute."""
        if request.path_params["account"] != ACCOUNT:
            raise XError(404, "Not Found")
        self._account.check_rate("usage", USAGE_CALLS_PER_MINUTE)
        params = request.query_params
        bucket = params.get("bucket", "month")
        if bucket not in ("day", "month"):
            raise unprocessable(f"Invalid bucket '{bucket}'")
        start, stop = (
            requests.parse_date(name, params[name]) if name in params else None
            for name in ("fromDate", "toDate")
        )
        return self._account.usage(bucket, start, stop)

    async def _stream(self, request: Request) -> Response:
        """GET a stream live, or a past window of it."""
        self._check_stream(request)
        return self._streams.open(request, self._settings)

    async def _replay(self, request: Request) -> Response:
        """GET a past window of the Decahose with the older call, all partitions in one."""
        self._check_stream(request)
        return self._streams.replay(request, self._settings)

    def _check_stream(self, request: Request) -> None:
        stream, account, label = (request.path_params[name] for name in ("stream", "account", "label"))
        if stream not in STREAMS or account != ACCOUNT or label not in LABELS:
            raise XError(404, "Not Found")
        if "gzip" not in request.headers.get("accept-encoding", ""):
            raise XError(406, NO_GZIP)
        self._account.check_rate(stream, self._settings.x_connects_per_minute)
        weather = self._settings.x_stream_weather
        refusal = (
            outage(weather, self._clock.now_ms())
            if weather and "startTime" not in request.query_params
            else None
        )
        if refusal and "http" in refusal:
            raise XError(refusal["http"], refusal["message"])

    async def _page_request(self, request: Request, kind: str) -> PageRequest:
        product, account, label = (request.path_params[name] for name in ("product", "account", "label"))
        if product not in PRODUCTS or account != ACCOUNT or label not in LABELS:
            raise XError(404, "Not Found")
        if kind not in LABELS[label]:
            raise XError(401, f"Unauthorized: Stream is not enabled for {kind.removesuffix('s')} requests")
        self._account.check_rate(product, self._settings.x_requests_per_second, seconds=1)
        self._account.check_rate(product, self._settings.x_requests_per_minute)
        return await requests.read_page_request(request, product, kind, self._clock.now_ms())

    def _matches(self, query: str) -> Matches:
        return Matches(self._seed, query, self._settings.x_posts_per_day)

    def _refuse(self, error: XError) -> Response:
        self._refusals += 1
        sent = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="seconds")
        transaction = f"{hash64(self._seed, 'transaction', self._refusals):016x}"
        body = body_of(self._settings.x_error_body, str(error), sent, transaction)
        return Response(body, error.status) if isinstance(body, str) else json_response(body, error.status)

    async def _list_posts(self, request: Request) -> Response:
        """List id and sha256 of the posts of a `query`, from `start` to `stop`, with a `tag`, the newest first."""
        params = request.query_params
        matches, edit_metadata = self._matches(params["query"]), self._settings.x_edit_metadata
        rows = []
        for day, index in matches.newest_first(int(params["start"]), int(params["stop"])):
            post = self._posts.post(day, index, params.get("tag"), edit_metadata=edit_metadata)
            digest = hashlib.sha256(msgspec.json.encode(post)).hexdigest()
            rows.append({"id": post["id_str"], "sha256": digest})
        return json_response(rows)

    async def _list_stream_keys(self, request: Request) -> Response:
        """List the key of every message of a `stream`, or one `partition`, from `start` to `stop`, in order."""
        params, per_minute = request.query_params, self._settings.x_stream_per_minute
        start, stop = int(params["start"]), int(params["stop"])
        partitions = frozenset((int(params["partition"]),)) if "partition" in params else PARTITIONS
        return json_response(self._streams.keys(params["stream"], start, stop, per_minute, partitions))


def _compressed(request: Request, content: dict[str, Any]) -> Response:
    body, headers = msgspec.json.encode(content), {}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers = gzip.compress(body, 1), {"Content-Encoding": "gzip"}
    return Response(body, 200, headers, media_type="application/json")


def _raise_queued_error(request: Request) -> None:
    if fault := fault_of(request, "error"):
        raise XError(int(fault.get("http", 500)), str(fault.get("message", "Service Unavailable")))
