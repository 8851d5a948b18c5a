"""Who may use the control plane: this machine, and pages of the simulator itself; others only when asked for."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from airflow_provider_twexport.simulator.wire import CONTROL_PATH, json_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class ControlGuard:
    """ASGI middleware that refuses foreign requests to the control plane and the home page.

    A browser sends a page's own address as Origin, so a cross-site request is known by it; a name that was bound to
    127.0.0.1 to reach this server is known by its Host.

    :param app: what is guarded.
    :param remote: whether other machines may use the control plane, too.
    """

    app: ASGIApp
    remote: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request, or refuse it with 403 and the reason."""
        guarded = scope["type"] == "http" and (scope["path"] == "/" or scope["path"].startswith(CONTROL_PATH))
        if guarded and (reason := self._refusal(scope)):
            await json_response({"error": reason}, 403)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        client = (scope.get("client") or ("", 0))[0]
        if not self.remote and not (is_loopback(client) and is_loopback(_name(host))):
            return "the control plane is open to this machine only; start the simulator with --remote-control"
        if origin is not None and urlsplit(origin).netloc != host:
            return "a page of another site must not use the control plane"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return "a page of another site must not use the control plane"
        return None


def _name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


def is_loopback(host: str) -> bool:
    """Return whether a name or number means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
