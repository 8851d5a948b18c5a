"""The service: search and usage, behind HTTP Basic, rate limits and a bill."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_twexport.simulator.prng import number
from airflow_provider_twexport.simulator.wire import ENTRY, FAULT
from airflow_provider_twexport.simulator.x import requests
from airflow_provider_twexport.simulator.x.corpus import Matches, Volume
from airflow_provider_twexport.simulator.x.documents import Posts
from airflow_provider_twexport.simulator.x.errors import XError
from airflow_provider_twexport.simulator.x.search import counts_page, data_page
from airflow_provider_twexport.simulator.x.streams import STREAMS, Streams

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.x.requests import Asked
    from airflow_provider_twexport.simulator.x.settings import Settings

LOGIN, PASSWORD = "demo@example.com", "demo-password"
ACCOUNT = "demo"
# the label of an account whose streams have no counts
LABELS = {"prod": frozenset(("data", "counts")), "data-only": frozenset(("data",))}
PRODUCTS = ("30day", "fullarchive")
HOUR = 3_600_000
USAGE_PER_MINUTE = 2
NO_GZIP = (
    "This connection requires compression. To enable compression, send an 'Accept-Encoding: gzip' header in your "
    "request and be ready to uncompress the stream as it is read on the client end."
)
STREAM = "/stream/{stream}/accounts/{account}/publishers/twitter/{label}.json"
REPLAY = "/replay/{stream}/accounts/{account}/publishers/twitter/{label}.json"
SEARCH = "/search/{product}/accounts/{account}/{label}"


class X:
    """One account of the stand-in for the X enterprise APIs."""

    name = "x"

    def __init__(self, clock: Clock, seed: int, settings: Settings) -> None:
        self._clock = clock
        self._seed = seed
        self._initial = settings
        self._posts = Posts(seed)
        self._streams = Streams(clock, Volume(seed, self._posts))
        self.reset()

    def reset(self) -> None:
        """Forget everything that happened since the start."""
        self._settings = self._initial
        self._billed: list[dict[str, Any]] = []
        self._recent: defaultdict[tuple[str, int], deque[float]] = defaultdict(deque)
        self._answers = 0
        self._streams.reset()

    @property
    def settings(self) -> dict[str, Any]:
        """The settings in force."""
        return msgspec.structs.asdict(self._settings)

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings; a wrong name or value is refused by name."""
        self._settings = self._settings.changed(changes)

    def ledger(self) -> dict[str, Any]:
        """Tell which pages were billed, in order."""
        counted = Counter(f"{page['product']} {page['kind']}" for page in self._billed)
        told = {"billed": dict(counted), "pages": self._billed, "streams": self._streams.connections}
        return {"x": told}

    def routes(self) -> list[Route]:
        """Every call of the API."""
        methods = ["GET", "POST"]
        return [
            Route(f"{SEARCH}/counts.json", self._endpoint(self._counts), methods=methods),
            Route(f"{SEARCH}.json", self._endpoint(self._data), methods=methods),
            Route("/metrics/usage/accounts/{account}.json", self._endpoint(self._usage), methods=["GET"]),
            Route(STREAM, self._endpoint(self._stream), methods=["GET"]),
            Route(REPLAY, self._endpoint(self._replay), methods=["GET"]),
        ]

    def control_routes(self) -> list[Route]:
        """Serve the truth about a query or a stream to tests."""
        return [Route("/_control/x/posts", self._truth), Route("/_control/x/stream", self._stream_truth)]

    async def unknown(self, request: Request) -> Response:
        """Refuse a path that the vendor does not have."""
        return self._refusal(XError(404, "Not Found"))

    def _endpoint(
        self, call: Callable[[Request], Awaitable[dict[str, Any] | Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                _obey_ordered_error(request)
                self._check_credentials(request)
                body, status = await call(request), 200
            except XError as error:
                request.scope[ENTRY]["code"] = str(error)
                return self._refusal(error)
            return body if isinstance(body, Response) else _answer(request, body, status)

        return answer

    async def _data(self, request: Request) -> dict[str, Any]:
        asked = await self._admitted(request, "data")
        longest = self._settings.x_longest_window_hours
        if longest is not None and asked.stop - asked.start > longest * HOUR:
            raise XError(503, "Service Unavailable")
        page = data_page(asked, self._matches(asked), self._posts, self._settings)
        return self._bill(request, "data", asked, page)

    async def _counts(self, request: Request) -> dict[str, Any]:
        asked = await self._admitted(request, "counts")
        return self._bill(request, "counts", asked, counts_page(asked, self._matches(asked), self._settings))

    async def _usage(self, request: Request) -> dict[str, Any]:
        """GET the usage of the month; free, twice a minute."""
        if request.path_params["account"] != ACCOUNT:
            raise XError(404, "Not Found")
        self._admit("usage", USAGE_PER_MINUTE, 60)
        counted = Counter(page["product"] for page in self._billed)
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        used = {
            "timePeriod": now.strftime("%Y%m010000"),
            "activities": 0,
            "searchRequests30Day": counted["30day"],
            "searchRequestsFullArchive": counted["fullarchive"],
        }
        publisher = {"type": "twitter", "used": [used], "projected": {**used, "days": 0}}
        return {"account": {"name": ACCOUNT}, "bucket": "month", "publishers": [publisher]}

    async def _stream(self, request: Request) -> Response:
        """GET a stream as it goes on, or, with a window, as it once was."""
        self._check_stream(request)
        return self._streams.open(request, self._settings)

    async def _replay(self, request: Request) -> Response:
        """GET a window of the Decahose by the older way, all partitions in one."""
        self._check_stream(request)
        return self._streams.replay(request, self._settings)

    def _check_stream(self, request: Request) -> None:
        stream, account, label = (request.path_params[name] for name in ("stream", "account", "label"))
        if stream not in STREAMS or account != ACCOUNT or label not in LABELS:
            raise XError(404, "Not Found")
        if "gzip" not in request.headers.get("accept-encoding", ""):
            raise XError(406, NO_GZIP)
        self._admit(stream, self._settings.x_connects_per_minute, 60)

    async def _admitted(self, request: Request, kind: str) -> Asked:
        product, account, label = (request.path_params[name] for name in ("product", "account", "label"))
        if product not in PRODUCTS or account != ACCOUNT or label not in LABELS:
            raise XError(404, "Not Found")
        if kind not in LABELS[label]:
            raise XError(401, f"Unauthorized: Stream is not enabled for {kind.removesuffix('s')} requests")
        self._admit(product, self._settings.x_requests_per_second, 1)
        self._admit(product, self._settings.x_requests_per_minute, 60)
        return await requests.read(request, product, kind, int(self._clock.now() * 1000))

    def _admit(self, call: str, allowed: int | None, seconds: int) -> None:
        recent, now = self._recent[call, seconds], self._clock.now()
        while recent and recent[0] <= now - seconds:
            recent.popleft()
        if allowed is not None and len(recent) >= allowed:
            raise XError(429, "Exceeded rate limit")
        recent.append(now)

    def _check_credentials(self, request: Request) -> None:
        wanted = "Basic " + base64.b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()
        if request.headers.get("authorization") != wanted:
            raise XError(401, "Unauthorized")

    def _matches(self, asked: Asked) -> Matches:
        return Matches(self._seed, asked.query, self._settings.x_posts_per_day)

    def _bill(self, request: Request, kind: str, asked: Asked, page: dict[str, Any]) -> dict[str, Any]:
        self._billed.append(
            {
                "product": request.path_params["product"],
                "kind": kind,
                "query": asked.query,
                **page["requestParameters"],
                "before": asked.before,
                "results": len(page["results"]),
            }
        )
        return page

    def _refusal(self, error: XError) -> Response:
        self._answers += 1
        sent = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="seconds")
        transaction = f"{number(self._seed, 'transaction', self._answers):016x}"
        body = {"error": {"message": str(error), "sent": sent, "transactionId": transaction}}
        return Response(msgspec.json.encode(body), error.status, media_type="application/json")

    async def _truth(self, request: Request) -> Response:
        """List id and sha256 of every post of a query and window, the newest first."""
        params = request.query_params
        matches = Matches(self._seed, params["query"], self._settings.x_posts_per_day)
        rows = []
        for day, index in matches.backwards(int(params["start"]), int(params["stop"])):
            post = self._posts.post(
                day, index, params.get("tag"), edit_metadata=self._settings.x_edit_metadata
            )
            digest = hashlib.sha256(msgspec.json.encode(post)).hexdigest()
            rows.append({"id": post["id_str"], "sha256": digest})
        return Response(msgspec.json.encode(rows), media_type="application/json")

    async def _stream_truth(self, request: Request) -> Response:
        """List the key of every message of a stream and window, in order."""
        params = request.query_params
        keys = self._streams.keys(
            params["stream"], int(params["start"]), int(params["stop"]), self._settings.x_stream_per_minute
        )
        return Response(msgspec.json.encode(keys), media_type="application/json")


def _answer(request: Request, content: dict[str, Any], status: int) -> Response:
    body, headers = msgspec.json.encode(content), {}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers = gzip.compress(body, 1), {"Content-Encoding": "gzip"}
    return Response(body, status, headers, media_type="application/json")


def _obey_ordered_error(request: Request) -> None:
    fault = request.scope.get(FAULT)
    if fault is not None and fault.kind == "error":
        raise XError(int(fault.get("http", 500)), str(fault.get("message", "Service Unavailable")))
