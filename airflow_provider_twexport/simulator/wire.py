"""What happens to a request between the socket and the service: it is noted, and sometimes comes to harm."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse, Response
from starlette.routing import Match

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.faults import Fault, FaultList


KEPT_REQUESTS = 100_000


class Ledger:
    """Counts every request and remembers the latest ones."""

    def __init__(self) -> None:
        self.requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self.counts: Counter[str] = Counter()

    def begin(self, method: str, path: str, template: str, at: float) -> dict[str, Any]:
        """Count a request as it arrives and note it; its answer is filled in when it is known."""
        entry = {"method": method, "path": path, "template": template, "at": round(at, 3)}
        entry |= {"status": None, "code": None}
        self.requests.append(entry)
        self.counts[f"{method} {template}"] += 1
        return entry

    def to_json(self) -> dict[str, Any]:
        """Everything noted so far."""
        return {"requests": list(self.requests), "counts": dict(self.counts)}

    def clear(self) -> None:
        """Forget everything."""
        self.requests.clear()
        self.counts.clear()


TRANSPORT = "twexport.transport"
ENTRY = "twexport.entry"
FAULT = "twexport.fault"

OWN_PATHS = ("/_control",)
FLUSH_SECONDS = 5.0
BAD_GATEWAY = (
    "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
)


@dataclass(frozen=True)
class Exchange:
    """One request on its way to the service."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send

    async def go_on(self, send: Send | None = None) -> None:
        """Let the service answer."""
        await self.app(self.scope, self.receive, send or self.send)

    async def answer(self, response: Response) -> None:
        """Answer in the service's place."""
        await response(self.scope, self.receive, self.send)


async def hang_up(scope: Scope) -> None:
    """Deliver what was sent so far, then break the connection without an end."""
    transport = scope[TRANSPORT]
    for _ in range(int(FLUSH_SECONDS / 0.01)):
        await asyncio.sleep(0.01)  # uvloop hands writes to the socket only between two steps of the loop
        if transport.get_write_buffer_size() == 0:
            break
    transport.abort()
    await asyncio.sleep(0)


async def drop(exchange: Exchange, fault: Fault) -> None:
    """Break the connection before anything is done."""
    await hang_up(exchange.scope)


async def lost_answer(exchange: Exchange, fault: Fault) -> None:
    """Do the work, then break the connection instead of answering."""

    async def swallow(message: Message) -> None:
        pass

    await exchange.go_on(swallow)
    await hang_up(exchange.scope)


async def delay(exchange: Exchange, fault: Fault) -> None:
    """Wait some real seconds, then go on as usual."""
    await asyncio.sleep(fault.get("seconds", 1.0))
    await exchange.go_on()


async def hang(exchange: Exchange, fault: Fault) -> None:
    """Say nothing until the client gives up."""
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


async def html(exchange: Exchange, fault: Fault) -> None:
    """Answer with a proxy's error page."""
    page = fault.get("body", BAD_GATEWAY)
    await exchange.answer(Response(page, fault.get("status", 502), media_type="text/html"))


async def redirect(exchange: Exchange, fault: Fault) -> None:
    """Send the client elsewhere."""
    location = fault.get("location", "http://127.0.0.1:9/elsewhere")
    await exchange.answer(RedirectResponse(location, fault.get("status", 302)))


async def garbage(exchange: Exchange, fault: Fault) -> None:
    """Answer 200 with something that is not JSON."""
    body = fault.get("body", "\x00<<not json>>")
    await exchange.answer(Response(body, fault.get("status", 200), media_type="application/json"))


async def slow(exchange: Exchange, fault: Fault) -> None:
    """Let the body trickle."""
    rate = float(fault.get("bytes_per_second", 10_000))

    async def trickle(message: Message) -> None:
        body = message.get("body", b"")
        size = max(1, int(rate / 20))
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            await exchange.send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(len(piece) / rate)
        await exchange.send({**message, "body": b""} if body else message)

    await exchange.go_on(trickle)


async def cut(exchange: Exchange, fault: Fault) -> None:
    """Break the connection after so many bytes of the body."""
    left = int(fault.get("after_bytes"))

    async def count_down(message: Message) -> None:
        nonlocal left
        body = message.get("body", b"")
        if len(body) <= left:
            left -= len(body)
            await exchange.send(message)
            return
        await exchange.send({"type": "http.response.body", "body": body[:left], "more_body": True})
        await hang_up(exchange.scope)

    await exchange.go_on(count_down)


HARM: dict[str, Callable[[Exchange, Fault], Awaitable[None]]] = {
    "drop": drop,
    "lost_answer": lost_answer,
    "delay": delay,
    "hang": hang,
    "html": html,
    "redirect": redirect,
    "garbage": garbage,
    "slow": slow,
}


class Wire:
    """ASGI middleware that writes the ledger and lets ordered faults happen."""

    def __init__(self, app: Starlette, clock: Clock, faults: FaultList, ledger: Ledger) -> None:
        self.app = app
        self._clock = clock
        self._faults = faults
        self._ledger = ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless a fault says otherwise."""
        if scope["type"] != "http" or scope["path"] == "/" or scope["path"].startswith(OWN_PATHS):
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        entry = self._ledger.begin(method, path, self._template(scope), self._clock.now())
        fault = self._faults.take(method, path, scope["query_string"].decode("latin-1"))
        scope[ENTRY], scope[FAULT] = entry, fault
        await self._suffer(Exchange(self.app, scope, receive, _noting_status(send, entry)), fault)

    def _template(self, scope: Scope) -> str:
        full = (route for route in self.app.routes if route.matches(scope)[0] is Match.FULL)
        return str(getattr(next(full), "path", scope["path"]))

    async def _suffer(self, exchange: Exchange, fault: Fault | None) -> None:
        if fault is None:
            await exchange.go_on()
            return
        exchange.scope[ENTRY]["fault"] = fault.kind
        if fault.kind == "cut" and fault.get("after_bytes") is not None:
            exchange.scope[FAULT] = None  # the read itself has another way to be cut
            await cut(exchange, fault)
        elif harm := HARM.get(fault.kind):
            await harm(exchange, fault)
        else:
            await exchange.go_on()


def _noting_status(send: Send, entry: dict[str, Any]) -> Send:
    async def note(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry["status"] = message["status"]
        await send(message)

    return note
