"""The application: every service behind one wire, with one control plane."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from airflow_provider_twexport.simulator.control import Control
from airflow_provider_twexport.simulator.faults import FaultList
from airflow_provider_twexport.simulator.wire import Ledger, Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from airflow_provider_twexport.simulator.clock import Clock


COLUMNS = ("id", "target", "scope", "limit", "total_matches", "exported", "status")
SHOWN = 200

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>twexport simulator</title>
<style>body{{font:16px sans-serif;margin:2em}}td,th{{text-align:left;padding:.2em 1em .2em 0}}</style>
<h1>twexport simulator</h1>
<p>A stand-in for paid export services. All results are made up; nothing here costs anything.</p>
<p>Control plane: <a href="/_control/ledger">ledger</a>, <a href="/_control/settings">settings</a>,
<a href="/_control/faults">faults</a>, <a href="/_control/time">time</a>.</p>
<h2>Exports ({count})</h2><table><tr>{head}</tr>{rows}</table></html>
"""


def home_page(services: Sequence[Service]) -> Callable[[Request], Awaitable[HTMLResponse]]:
    """Show the latest exports."""

    async def show(request: Request) -> HTMLResponse:
        exports = [export for service in services for export in service.ledger().get("exports", [])]
        rows = "".join(
            _row([export.get(name, "") for name in COLUMNS]) for export in reversed(exports[-SHOWN:])
        )
        head = "".join(f"<th>{name}</th>" for name in COLUMNS)
        return HTMLResponse(PAGE.format(count=len(exports), head=head, rows=rows))

    return show


def _row(cells: list[object]) -> str:
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"


ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


class Service(Protocol):
    """What each stand-in brings: its calls, and its answers to the control plane."""

    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """Tell the settings in force."""

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings."""

    def reset(self) -> None:
        """Forget everything that happened since the start."""

    def ledger(self) -> dict[str, Any]:
        """Tell what the service adds to the ledger."""

    def routes(self) -> list[Route]:
        """List the calls of the service."""

    def control_routes(self) -> list[Route]:
        """List what the service adds to the control plane."""

    async def unknown(self, request: Request) -> Response:
        """Answer a path that no service has."""


def build_app(clock: Clock, services: list[Service]) -> ASGIApp:
    """Put the services together; the first one answers unknown paths."""
    faults, ledger = FaultList(), Ledger()
    control = Control(clock, faults, ledger, services)
    routes = [Route("/", home_page(services)), *control.routes()]
    for service in services:
        routes += [*service.control_routes(), *service.routes()]
    routes.append(Route("/{path:path}", services[0].unknown, methods=ANY_METHOD))
    return Wire(Starlette(routes=routes), clock, faults, ledger)
