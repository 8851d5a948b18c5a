"""The process: one socket, one line when it is ready, and an immediate end."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_twexport.simulator.wire import TRANSPORT

if TYPE_CHECKING:
    import asyncio

    from starlette.types import ASGIApp, Receive, Scope, Send


class BreakableProtocol(H11Protocol):
    """HTTP whose connection the application can break, as a bad network would."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the application the connection on which its requests come."""
        super().connection_made(transport)
        self.app = _with_transport(self.app, transport)


def _with_transport(app: Any, transport: asyncio.Transport) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        scope[TRANSPORT] = transport
        await app(scope, receive, send)

    return call


class Server(uvicorn.Server):
    """A server that prints where it listens, and stops without waiting for open reads."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Print the address once requests are accepted."""
        await super().startup(sockets)
        for listener in sockets or []:
            print(f"twexport simulator: {address(listener)}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop at once: a `wait` read would never end by itself."""
        self.force_exit = True
        for connection in list(self.server_state.connections):
            if isinstance(connection, BreakableProtocol):
                connection.transport.abort()
        await super().shutdown(sockets)


def address(listener: socket.socket) -> str:
    """Return the base URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Open the port; if that is impossible, end with one sentence and exit code 1."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        reason = error.strerror or str(error)
        print(f"twexport simulator: cannot listen on {host} port {port}: {reason}", file=sys.stderr)
        raise SystemExit(1) from None


def serve(app: ASGIApp, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)
    config = uvicorn.Config(
        app,
        http=BreakableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # URLs carry the token
        proxy_headers=False,
        server_header=False,
    )
    with contextlib.closing(listen(host, port)) as listener, contextlib.suppress(SystemExit):
        Server(config).run(sockets=[listener])


def _exit(number: int, frame: object) -> None:
    raise SystemExit(0)
