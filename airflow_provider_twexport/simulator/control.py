"""The control plane under `/_control/`: time, settings, faults, ledger. `GET /_control/` describes all of it."""

from __future__ import annotations

import re
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec
from starlette.routing import Route

from airflow_provider_twexport.simulator.wire import CONTROL_PATH, WIRE_FAULTS, json_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.faults import FaultQueue
    from airflow_provider_twexport.simulator.settings import Settings
    from airflow_provider_twexport.simulator.wire import Ledger

    Json = dict[str, Any]
    Endpoint = Callable[[Request], Awaitable[Response]]

ANY_METHOD = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
INVALID_CALL = (ValueError, TypeError, AttributeError, KeyError, re.error, msgspec.MsgspecError)
SPEED = {"description": "simulated seconds in a real one; 0 stops time", "type": "number", "default": 1.0}
EXAMPLE_FAULT = {
    "fault": "error",
    "match": {"method": "GET", "path": "a regular expression", "query": "a regular expression"},
    "skip": 0,
    "times": 1,
}


class Service(Protocol):
    """What each simulated service brings: its routes, and its part of the control plane."""

    name: ClassVar[str]
    faults: ClassVar[Mapping[str, str]]
    """The kinds of fault that the service itself applies, and what each does."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    def change(self, changes: Json) -> None:
        """Change settings."""

    def reset(self) -> None:
        """Return to the state of the start."""

    def ledger(self) -> Json:
        """Return what the service adds to the ledger."""

    def routes(self) -> list[Route]:
        """List the routes of the service."""

    def control_routes(self) -> list[Route]:
        """List the routes that the service adds to the control plane."""


def fault_kinds(services: Sequence[Service]) -> dict[str, dict[str, str]]:
    """Describe each kind of fault, by what applies it: the network (`wire`), or a service."""
    wire = {kind: (apply.__doc__ or "") for kind, apply in WIRE_FAULTS.items()}
    return {"wire": wire, **{service.name: dict(service.faults) for service in services}}


class Control:
    """Changes the simulator while it runs, and shows what happened."""

    def __init__(self, clock: Clock, faults: FaultQueue, ledger: Ledger, services: Sequence[Service]) -> None:
        self._clock = clock
        self._initial_speed = clock.speed
        self._faults = faults
        self._ledger = ledger
        self._services = services

    def routes(self) -> list[Route]:
        """List every route of the control plane, those of the services too."""
        calls = [
            ("GET", "", self.describe),
            ("POST", "reset", self.reset),
            ("GET", "settings", self.show_settings),
            ("POST", "settings", self.change_settings),
            ("GET", "time", self.show_time),
            ("POST", "time", self.change_time),
            ("GET", "faults", self.show_faults),
            ("POST", "faults", self.add_faults),
            ("DELETE", "faults", self.clear_faults),
            ("GET", "ledger", self.show_ledger),
        ]
        own = [
            Route(f"{CONTROL_PATH}/{name}", _refusing(_endpoint(call)), methods=[method])
            for method, name, call in calls
        ]
        return [*own, *(route for service in self._services for route in _service_routes(service))]

    def describe(self, body: Json) -> Json:
        """Describe the control plane: its calls, every setting, and every kind of fault."""
        settings = {service.name: service.settings.schema() for service in self._services}
        return {
            "calls": [_described(route) for route in self.routes()],
            "settings": {"clock": {"speed": SPEED}, **settings},
            "faults": fault_kinds(self._services),
            "example_fault": EXAMPLE_FAULT,
        }

    def reset(self, body: Json) -> Json:
        """Return to the state of the start, with the settings of the command line."""
        self._clock.speed = self._initial_speed
        self._clock.set_offset(0)
        self._faults.clear()
        self._ledger.clear()
        for service in self._services:
            service.reset()
        return self.show_settings(body)

    def show_settings(self, body: Json) -> Json:
        """Return the speed and the settings of every service."""
        settings: Json = {"speed": self._clock.speed}
        for service in self._services:
            settings |= service.settings.to_json()
        return settings

    def change_settings(self, body: Json) -> Json:
        """Change some settings: `{name: value}`; `hostile` first turns on all undocumented behaviours, or off."""
        known = self.show_settings({}) | {"hostile": False}
        if unknown := sorted(body.keys() - known.keys()):
            raise ValueError(f"unknown setting {', '.join(unknown)}; known: {', '.join(known)}")
        for service in self._services:
            own = service.settings.to_json()
            if "hostile" in body:
                service.change(service.settings.hostile(on=bool(body["hostile"])))
            service.change({name: value for name, value in body.items() if name in own})
        if "speed" in body:
            self._clock.speed = float(body["speed"])
        return self.show_settings({})

    def show_time(self, body: Json) -> Json:
        """Return simulated time, and how far it is from real time."""
        return {"now": self._clock.now(), "offset_seconds": self._clock.offset, "speed": self._clock.speed}

    def change_time(self, body: Json) -> Json:
        """Let `advance_seconds` pass at once, or set `offset_seconds` from real time."""
        if unknown := body.keys() - {"advance_seconds", "offset_seconds"}:
            raise ValueError(f"unknown key {', '.join(sorted(unknown))}")
        if "offset_seconds" in body:
            self._clock.set_offset(float(body["offset_seconds"]))
        self._clock.advance(float(body.get("advance_seconds", 0)))
        return self.show_time({})

    def show_faults(self, body: Json) -> Json:
        """List the faults that have not happened yet."""
        return {"faults": self._faults.to_json()}

    def add_faults(self, body: Json) -> Json:
        """Queue faults: `{"faults": [...]}`; see `faults` and `example_fault` here."""
        self._faults.add(body["faults"])
        return self.show_faults({})

    def clear_faults(self, body: Json) -> Json:
        """Remove the faults that have not happened yet."""
        self._faults.clear()
        return self.show_faults({})

    def show_ledger(self, body: Json) -> Json:
        """Return what was requested and what it would have cost."""
        ledger = self._ledger.to_json()
        for service in self._services:
            ledger |= service.ledger()
        return ledger


async def refuse_unknown_call(request: Request) -> Response:
    """Respond to a control-plane call that does not exist."""
    call = f"{request.method} {request.url.path}"
    return json_response({"error": f"no such call: {call}; GET {CONTROL_PATH}/ lists all of them"}, 404)


def _endpoint(call: Callable[[Json], Json]) -> Endpoint:
    @wraps(call)
    async def respond(request: Request) -> Response:
        raw = await request.body()
        return json_response(call(msgspec.json.decode(raw) if raw else {}))

    return respond


def _refusing(endpoint: Endpoint) -> Endpoint:
    """Respond 400 where an invalid call makes an endpoint fail."""

    @wraps(endpoint)
    async def respond(request: Request) -> Response:
        try:
            return await endpoint(request)
        except INVALID_CALL as error:
            return json_response({"error": f"{type(error).__name__}: {error}"}, 400)

    return respond


def _service_routes(service: Service) -> Iterator[Route]:
    for route in service.control_routes():
        yield Route(route.path, _refusing(route.endpoint), methods=[_method(route)])


def _method(route: Route) -> str:
    (method,) = (route.methods or set()) - {"HEAD"}
    return method


def _described(route: Route) -> Json:
    description = (route.endpoint.__doc__ or "").strip()
    return {"method": _method(route), "path": route.path, "description": description}
