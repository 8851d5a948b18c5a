"""The application: every service behind one wire, with one control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from starlette.applications import Starlette
from starlette.routing import Route

from airflow_provider_twexport.simulator.control import Control
from airflow_provider_twexport.simulator.faults import FaultList
from airflow_provider_twexport.simulator.home import home_page
from airflow_provider_twexport.simulator.ledger import Ledger
from airflow_provider_twexport.simulator.wire import Wire

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from airflow_provider_twexport.simulator.clock import Clock

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
