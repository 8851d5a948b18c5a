"""The service: routes with the vendor's envelope around every answer, and what the control plane may ask."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from airflow_provider_twexport.simulator.talkwalker.account import TOKENS, Account
from airflow_provider_twexport.simulator.talkwalker.calls import CALLS, Call
from airflow_provider_twexport.simulator.talkwalker.corpus import PROJECTS, Scope
from airflow_provider_twexport.simulator.talkwalker.documents import Documents, data
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError
from airflow_provider_twexport.simulator.talkwalker.jobs import Order
from airflow_provider_twexport.simulator.talkwalker.requests import MOST_RESULTS
from airflow_provider_twexport.simulator.wire import ENTRY, FAULT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.talkwalker.jobs import Export
    from airflow_provider_twexport.simulator.talkwalker.settings import Settings


class Talkwalker:
    """One account of the stand-in for Talkwalker."""

    name = "talkwalker"

    def __init__(self, clock: Clock, seed: int, settings: Settings) -> None:
        self._clock = clock
        self._seed = seed
        self._settings = settings
        self._documents = Documents(seed)
        self.reset()

    def reset(self) -> None:
        """Forget everything that happened since the start."""
        self.account = Account(self._clock, self._seed, self._settings, self._documents)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings in force."""
        return msgspec.structs.asdict(self.account.settings)

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings; a wrong name or value is refused by name."""
        self.account.change(changes)

    def ledger(self) -> dict[str, Any]:
        """Tell exports and credits as they stand."""
        self.account.advance()
        entries = [export.entry() for export in reversed(self.account.exports.all())]
        return {"exports": entries, "credits": self.account.credits.to_json()}

    def routes(self) -> list[Route]:
        """Every call of the API; anything else is the vendor's error 26."""
        return [Route(call.path, self._endpoint(call), methods=[call.method]) for call in CALLS]

    def control_routes(self) -> list[Route]:
        """Serve the truth about exports to tests, and plant many at once."""
        return [
            Route("/_control/exports/{task_id}/documents", self._truth),
            Route("/_control/exports", self._plant, methods=["POST"]),
        ]

    async def unknown(self, request: Request) -> Response:
        """Refuse a path that the vendor does not have."""
        return self._refuse(request, TalkwalkerError(26))

    def _endpoint(self, call: Call) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await self._answer(call, request)
            except TalkwalkerError as error:
                return self._refuse(request, error)

        return answer

    async def _answer(self, call: Call, request: Request) -> Response:
        self.account.advance()
        _obey_ordered_error(request)
        self._check_rights(request.query_params.get("access_token"), call.right)
        result = await call.handler(self.account, request)
        request.scope[ENTRY]["code"] = "0"
        return result if isinstance(result, Response) else self._envelope(request, 0, "OK", result)

    def _check_rights(self, token: str | None, right: str) -> None:
        if token not in TOKENS:
            raise TalkwalkerError(7)
        got = TOKENS[token] or self.account.settings.rights
        if got != right and right == "read_write":
            raise TalkwalkerError(13, rights_req=right, rights_got=got)

    def _refuse(self, request: Request, error: TalkwalkerError) -> Response:
        request.scope[ENTRY]["code"] = str(error.code)
        details = {"result_error": error.to_json()} if error.details else {}
        answer = self._envelope(request, error.code, str(error), details)
        answer.status_code = error.http_status
        answer.headers.update(error.headers)
        return answer

    def _envelope(self, request: Request, code: int, message: str, result: dict[str, Any]) -> Response:
        echo = f"{request.method} {request.url.path}{self._echoed_query(request)}"
        head = {"status_code": str(code), "status_message": message, "request": echo}
        content = {**head, "request_id": self.account.new_id(), **result}
        return Response(msgspec.json.encode(content), media_type="application/json")

    def _echoed_query(self, request: Request) -> str:
        show = self.account.settings.echo_token
        pairs = [
            (name, value if show or name != "access_token" else "***")
            for name, value in request.query_params.multi_items()
        ]
        return "?" + "&".join(f"{name}={value}" for name, value in pairs) if pairs else ""

    async def _plant(self, request: Request) -> Response:
        try:
            planted = self._planted(msgspec.json.decode(await request.body()))
        except (TalkwalkerError, ValueError, KeyError, TypeError) as error:
            return Response(msgspec.json.encode({"error": str(error)}), 400, media_type="application/json")
        return Response(msgspec.json.encode({"ids": planted}), media_type="application/json")

    def _planted(self, asked: dict[str, Any]) -> list[str]:
        """Create exports of the first project without a request for each."""
        account, now = self.account, self._clock.now()
        scope = Scope("project", next(iter(PROJECTS)))
        window = (int(asked["start"]), int(asked["stop"]))
        order = Order(scope, str(asked["target"]), *window, limit=int(asked.get("limit", MOST_RESULTS)))
        count = int(asked.get("count", 1))
        return [account.exports.create(order, now, account.settings).id for _ in range(count)]

    async def _truth(self, request: Request) -> Response:
        self.account.advance()
        try:
            export = self.account.exports.get(request.path_params["task_id"])
        except TalkwalkerError as error:
            return Response(str(error), status_code=404)
        return StreamingResponse(_described(export), media_type="application/x-ndjson")


def _obey_ordered_error(request: Request) -> None:
    fault = request.scope.get(FAULT)
    if fault is None or fault.kind != "error":
        return
    error = TalkwalkerError(int(fault.get("code", 1)), fault.get("message"), **fault.get("details", {}))
    error.http_status = fault.get("http", error.http_status)
    if fault.get("retry_after") is not None:
        error.headers["Retry-After"] = str(fault.get("retry_after"))
    raise error


def _described(export: Export) -> Iterator[bytes]:
    for place, line in enumerate(export.lines(0, export.exported)):
        raw = data(line)
        found = msgspec.json.decode(raw)["data"]
        key = found.get("url") or f"{found['external_provider']}:{found['external_id']}"
        row = {"position": place, "key": key, "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        yield msgspec.json.encode(row) + b"\n"
