"""The application: every service behind one wire, with one control plane and a home page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from airflow_provider_twexport.simulator.control import ANY_METHOD, Control, fault_kinds, refuse_unknown_call
from airflow_provider_twexport.simulator.faults import FaultQueue
from airflow_provider_twexport.simulator.guard import ControlGuard
from airflow_provider_twexport.simulator.wire import CONTROL_PATH, Ledger, Wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.control import Endpoint, Service

COLUMNS = ("id", "target", "scope", "limit", "total_matches", "exported", "status")
LATEST_EXPORTS = 200

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>twexport simulator</title>
<style>body{{font:16px sans-serif;margin:2em}}td,th{{text-align:left;padding:.2em 1em .2em 0}}</style>
<h1>twexport simulator</h1>
<p>A simulator of paid export services. All results are made up; nothing here costs anything.</p>
<p>Control plane: <a href="/_control/ledger">ledger</a>, <a href="/_control/settings">settings</a>,
<a href="/_control/faults">faults</a>, <a href="/_control/time">time</a>,
<a href="/_control/">all calls, settings and faults</a>.</p>
<h2>Exports ({count})</h2><table><tr>{head}</tr>{rows}</table></html>
"""


def build_app(
    clock: Clock, services: Sequence[Service], not_found: Endpoint, *, remote_control: bool = False
) -> ASGIApp:
    """Put the services together.

    :param not_found: responds to a path that no service has.
    :param remote_control: whether other machines may use the control plane.
    """
    kinds = {kind for described in fault_kinds(services).values() for kind in described}
    faults, ledger = FaultQueue(kinds), Ledger()
    routes = [
        Route("/", home_page(services)),
        *Control(clock, faults, ledger, services).routes(),
        *(
            Route(CONTROL_PATH + rest, refuse_unknown_call, methods=ANY_METHOD)
            for rest in ("", "/{path:path}")
        ),
        *(route for service in services for route in service.routes()),
        Route("/{path:path}", not_found, methods=ANY_METHOD),
    ]
    return ControlGuard(Wire(Starlette(routes=routes), clock, faults, ledger), remote_control)


def home_page(services: Sequence[Service]) -> Endpoint:
    """Show the latest exports to people who open the simulator in a browser."""

    async def show(request: Request) -> HTMLResponse:
        exports = [export for service in services for export in service.ledger().get("exports", [])]
        latest = reversed(exports[-LATEST_EXPORTS:])
        rows = "".join(_row([export.get(name, "") for name in COLUMNS]) for export in latest)
        head = "".join(f"<th>{name}</th>" for name in COLUMNS)
        return HTMLResponse(PAGE.format(count=len(exports), head=head, rows=rows))

    return show


def _row(cells: list[object]) -> str:
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
