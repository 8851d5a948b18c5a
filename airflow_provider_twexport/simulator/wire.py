"""What happens to a request between the socket and the service: the ledger records it, and faults may change it."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.faults import Fault, FaultQueue

# keys of the scope
TRANSPORT = "twexport.transport"
LEDGER_ENTRY = "twexport.ledger_entry"
FAULT = "twexport.fault"

CONTROL_PATH = "/_control"
KEPT_REQUESTS = 100_000
FLUSH_SECONDS = 5.0
FLUSH_CHECK_SECONDS = 0.01
BAD_GATEWAY = (
    "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
)


def json_response(content: Any, status: int = 200) -> Response:
    """Respond with JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def fault_of(request: Request, kind: str) -> Fault | None:
    """Return the fault that applies to a request, if it is of this kind."""
    fault: Fault | None = request.scope.get(FAULT)
    return fault if fault is not None and fault.kind == kind else None


async def break_connection(scope: Scope) -> None:
    """Deliver what was sent so far, then break the connection without an end."""
    transport = scope[TRANSPORT]
    for _ in range(int(FLUSH_SECONDS / FLUSH_CHECK_SECONDS)):
        await asyncio.sleep(FLUSH_CHECK_SECONDS)  # uvloop writes to the socket between two steps of the loop
        if transport.get_write_buffer_size() == 0:
            break
    transport.abort()
    await asyncio.sleep(0)


class Ledger:
    """The requests: methods, paths and status codes, never a query string. All are counted, the latest are kept."""

    def __init__(self) -> None:
        self._requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self._counts: Counter[str] = Counter()

    def record(self, method: str, path: str, template: str, at: float) -> dict[str, Any]:
        """Record a request as it arrives; the response is added to the returned entry later."""
        entry = {"method": method, "path": path, "template": template, "at": round(at, 3)}
        entry |= {"status": None, "code": None}
        self._requests.append(entry)
        self._counts[f"{method} {template}"] += 1
        return entry

    def to_json(self) -> dict[str, Any]:
        """Return everything recorded so far."""
        return {"requests": list(self._requests), "counts": dict(self._counts)}

    def clear(self) -> None:
        """Forget everything."""
        self._requests.clear()
        self._counts.clear()


@dataclass(frozen=True)
class Exchange:
    """One request on its way to the service."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send

    async def forward(self, send: Send | None = None) -> None:
        """Let the service respond."""
        await self.app(self.scope, self.receive, send or self.send)

    async def respond(self, response: Response) -> None:
        """Respond in the service's place."""
        await response(self.scope, self.receive, self.send)


async def drop(exchange: Exchange, fault: Fault) -> None:
    """Break the connection before anything is done."""
    await break_connection(exchange.scope)


async def lost_answer(exchange: Exchange, fault: Fault) -> None:
    """Do the work, then break the connection instead of responding."""

    async def discard(message: Message) -> None:
        pass

    await exchange.forward(discard)
    await break_connection(exchange.scope)


async def delay(exchange: Exchange, fault: Fault) -> None:
    """Wait some real seconds before responding; `seconds`."""
    await asyncio.sleep(fault.get("seconds", 1.0))
    await exchange.forward()


async def late_answer(exchange: Exchange, fault: Fault) -> None:
    """Do the work, then wait some real seconds before responding; `seconds`."""
    held: list[Message] = []

    async def hold(message: Message) -> None:
        held.append(message)

    await exchange.forward(hold)
    await asyncio.sleep(fault.get("seconds", 1.0))
    for message in held:
        await exchange.send(message)


async def hang(exchange: Exchange, fault: Fault) -> None:
    """Send nothing until the client gives up."""
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


async def html(exchange: Exchange, fault: Fault) -> None:
    """Respond with a proxy's error page; `status`, `body`."""
    page = fault.get("body", BAD_GATEWAY)
    await exchange.respond(Response(page, fault.get("status", 502), media_type="text/html"))


async def redirect(exchange: Exchange, fault: Fault) -> None:
    """Redirect the client; `location`, `status`."""
    location = fault.get("location", "http://127.0.0.1:9/elsewhere")
    await exchange.respond(RedirectResponse(location, fault.get("status", 302)))


async def garbage(exchange: Exchange, fault: Fault) -> None:
    """Respond 200 with something that is not JSON; `status`, `body`."""
    body = fault.get("body", "\x00<<not json>>")
    await exchange.respond(Response(body, fault.get("status", 200), media_type="application/json"))


async def slow(exchange: Exchange, fault: Fault) -> None:
    """Send the body slowly; `bytes_per_second`."""
    rate = float(fault.get("bytes_per_second", 10_000))

    async def send_slowly(message: Message) -> None:
        body = message.get("body", b"")
        size = max(1, int(rate / 20))
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            await exchange.send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(len(piece) / rate)
        await exchange.send({**message, "body": b""} if body else message)

    await exchange.forward(send_slowly)


async def cut(exchange: Exchange, fault: Fault) -> None:
    """Break the connection after so many bytes of the body; `after_bytes`, without which the service may cut it."""
    if fault.get("after_bytes") is None:
        await exchange.forward()
        return
    exchange.scope[FAULT] = None  # the service must not cut, too
    remaining = int(fault.get("after_bytes"))

    async def send_until_cut(message: Message) -> None:
        nonlocal remaining
        body = message.get("body", b"")
        if len(body) <= remaining:
            remaining -= len(body)
            await exchange.send(message)
            return
        await exchange.send({"type": "http.response.body", "body": body[:remaining], "more_body": True})
        await break_connection(exchange.scope)

    await exchange.forward(send_until_cut)


# the faults of the network, by the name that the control plane gives them
WIRE_FAULTS: dict[str, Callable[[Exchange, Fault], Awaitable[None]]] = {
    fault.__name__: fault
    for fault in (drop, lost_answer, delay, late_answer, hang, html, redirect, garbage, slow, cut)
}


class Wire:
    """ASGI middleware that writes the ledger and lets queued faults happen."""

    def __init__(self, app: Starlette, clock: Clock, faults: FaultQueue, ledger: Ledger) -> None:
        self.app = app
        self._clock = clock
        self._faults = faults
        self._ledger = ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, unless a fault applies to it."""
        if scope["type"] != "http" or scope["path"] == "/" or scope["path"].startswith(CONTROL_PATH):
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        entry = self._ledger.record(method, path, self._template(scope), self._clock.now())
        fault = self._faults.take(method, path, scope["query_string"].decode("latin-1"))
        scope[LEDGER_ENTRY], scope[FAULT] = entry, fault
        exchange = Exchange(self.app, scope, receive, _recording_status(send, entry))
        if fault is None:
            await exchange.forward()
            return
        entry["fault"] = fault.kind
        if apply := WIRE_FAULTS.get(fault.kind):
            await apply(exchange, fault)
        else:
            await exchange.forward()

    def _template(self, scope: Scope) -> str:
        matching = (route for route in self.app.routes if route.matches(scope)[0] is Match.FULL)
        return str(getattr(next(matching), "path", scope["path"]))


def _recording_status(send: Send, entry: dict[str, Any]) -> Send:
    async def record_and_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry["status"] = message["status"]
        await send(message)

    return record_and_send
