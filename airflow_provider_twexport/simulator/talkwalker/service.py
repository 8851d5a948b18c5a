"""Talkwalker: the vendor's envelope around every call, and its part of the control plane."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from airflow_provider_twexport.simulator.talkwalker.account import TOKENS, Account
from airflow_provider_twexport.simulator.talkwalker.calls import CALLS, Call
from airflow_provider_twexport.simulator.talkwalker.corpus import PROJECTS, Scope
from airflow_provider_twexport.simulator.talkwalker.documents import Documents, data_of
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError
from airflow_provider_twexport.simulator.talkwalker.faulty_streams import FAULTY_STREAMS
from airflow_provider_twexport.simulator.talkwalker.jobs import ExportOrder
from airflow_provider_twexport.simulator.talkwalker.requests import MAX_RESULTS
from airflow_provider_twexport.simulator.wire import LEDGER_ENTRY, fault_of, json_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.talkwalker.jobs import Export
    from airflow_provider_twexport.simulator.talkwalker.settings import TalkwalkerSettings


class Talkwalker:
    """One account of Talkwalker."""

    name: ClassVar[str] = "talkwalker"
    faults: ClassVar[Mapping[str, str]] = {
        "error": "Refuse the request; `code`, `message`, `details`, `http`, `retry_after`.",
        "status": "Show another status of all exports, or of one; `status`, `export_id`.",
        "missing_from_list": "Omit all exports from the list, or one; `export_id`.",
        "odd_entry": "Put something else at the head of the list of exports; `entry`.",
        **{kind: (make_faulty.__doc__ or "") for kind, make_faulty in FAULTY_STREAMS.items()},
    }

    def __init__(self, clock: Clock, seed: int, settings: TalkwalkerSettings) -> None:
        self._clock = clock
        self._seed = seed
        self._initial_settings = settings
        self._documents = Documents(seed)
        self.reset()

    def reset(self) -> None:
        """Return to the state of the start."""
        self._account = Account(self._clock, self._seed, self._initial_settings, self._documents)

    @property
    def settings(self) -> TalkwalkerSettings:
        """The settings in force."""
        return self._account.settings

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings; what is due under the old ones happens first."""
        self._account.change(changes)

    def ledger(self) -> dict[str, Any]:
        """Return exports and credits as they are now."""
        self._account.advance()
        exports = [export.ledger_json() for export in reversed(self._account.exports.all())]
        return {"exports": exports, "credits": self._account.credits.to_json()}

    def routes(self) -> list[Route]:
        """List the routes of the API."""
        return [Route(call.path, self._endpoint(call), methods=[call.method]) for call in CALLS]

    def control_routes(self) -> list[Route]:
        """List the routes that tests use to see the results of an export and to create many exports."""
        return [
            Route("/_control/exports/{task_id}/documents", self._list_documents),
            Route("/_control/exports", self._create_exports, methods=["POST"]),
        ]

    async def not_found(self, request: Request) -> Response:
        """Refuse a path that the vendor does not have."""
        return self._refuse(request, TalkwalkerError(26))

    def _endpoint(self, call: Call) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            try:
                return await self._respond(call, request)
            except TalkwalkerError as error:
                return self._refuse(request, error)

        return respond

    async def _respond(self, call: Call, request: Request) -> Response:
        self._account.advance()
        _raise_queued_error(request)
        self._check_rights(request.query_params.get("access_token"), call.right)
        result = await call.handler(self._account, request)
        await asyncio.sleep(self.settings.answer_seconds)
        request.scope[LEDGER_ENTRY]["code"] = "0"
        return result if isinstance(result, Response) else self._envelope(request, 0, "OK", result)

    def _check_rights(self, token: str | None, required: str) -> None:
        if token not in TOKENS:
            raise TalkwalkerError(7)
        rights = TOKENS[token] or self.settings.rights
        if rights != required and required == "read_write":
            raise TalkwalkerError(13, rights_req=required, rights_got=rights)

    def _refuse(self, request: Request, error: TalkwalkerError) -> Response:
        request.scope[LEDGER_ENTRY]["code"] = str(error.code)
        details = {"result_error": error.to_json()} if error.details else {}
        response = self._envelope(request, error.code, str(error), details)
        response.status_code = error.http_status
        response.headers.update(error.headers)
        return response

    def _envelope(self, request: Request, code: int, message: str, result: dict[str, Any]) -> Response:
        echo = f"{request.method} {request.url.path}{self._echoed_query(request)}"
        head = {"status_code": str(code), "status_message": message, "request": echo}
        return json_response({**head, "request_id": self._account.new_id(), **result})

    def _echoed_query(self, request: Request) -> str:
        pairs = [
            (name, value if self.settings.echo_token or name != "access_token" else "***")
            for name, value in request.query_params.multi_items()
        ]
        return "?" + "&".join(f"{name}={value}" for name, value in pairs) if pairs else ""

    async def _create_exports(self, request: Request) -> Response:
        """Create `count` exports of the first project: `target`, `limit`, `start` and `stop` in epoch milliseconds."""
        try:
            return json_response({"ids": self._created(msgspec.json.decode(await request.body()))})
        except (TalkwalkerError, ValueError, KeyError, TypeError) as error:
            return json_response({"error": str(error)}, 400)

    def _created(self, body: dict[str, Any]) -> list[str]:
        account, now = self._account, self._clock.now()
        scope = Scope("project", next(iter(PROJECTS)))
        window = (int(body["start"]), int(body["stop"]))
        order = ExportOrder(scope, str(body["target"]), *window, limit=int(body.get("limit", MAX_RESULTS)))
        count = int(body.get("count", 1))
        return [account.exports.create(order, now, account.settings).id for _ in range(count)]

    async def _list_documents(self, request: Request) -> Response:
        """List the exported results in order, a line each: position, key, bytes, sha256 of `chunk_result.data`."""
        self._account.advance()
        try:
            export = self._account.exports.get(request.path_params["task_id"])
        except TalkwalkerError as error:
            return Response(str(error), status_code=404)
        return StreamingResponse(_document_rows(export), media_type="application/x-ndjson")


def _raise_queued_error(request: Request) -> None:
    if fault := fault_of(request, "error"):
        error = TalkwalkerError(int(fault.get("code", 1)), fault.get("message"), **fault.get("details", {}))
        error.http_status = fault.get("http", error.http_status)
        if fault.get("retry_after") is not None:
            error.headers["Retry-After"] = str(fault.get("retry_after"))
        raise error


def _document_rows(export: Export) -> Iterator[bytes]:
    for position, line in enumerate(export.lines(0, export.exported)):
        data = data_of(line)
        document = msgspec.json.decode(data)["data"]
        key = document.get("url") or f"{document['external_provider']}:{document['external_id']}"
        digest = hashlib.sha256(data).hexdigest()
        row = {"position": position, "key": key, "bytes": len(data), "sha256": digest}
        yield msgspec.json.encode(row) + b"\n"
