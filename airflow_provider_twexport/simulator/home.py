"""A page for people who open the simulator in a browser."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.app import Service

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
