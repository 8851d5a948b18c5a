"""The control plane under `/_control/`: time, settings, faults, ledger."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.app import Service
    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.faults import FaultList
    from airflow_provider_twexport.simulator.wire import Ledger

BAD_ORDER = (ValueError, TypeError, AttributeError, KeyError, re.error, msgspec.MsgspecError)


class Control:
    """Changes the simulator while it runs, and tells what happened."""

    def __init__(self, clock: Clock, faults: FaultList, ledger: Ledger, services: Sequence[Service]) -> None:
        self._clock = clock
        self._speed = clock.speed
        self._faults = faults
        self._ledger = ledger
        self._services = services

    def routes(self) -> list[Route]:
        """Every call of the control plane that belongs to no service."""
        calls: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("POST", "reset"): self.reset,
            ("GET", "settings"): self.show_settings,
            ("POST", "settings"): self.change_settings,
            ("GET", "time"): self.show_time,
            ("POST", "time"): self.change_time,
            ("GET", "faults"): self.show_faults,
            ("POST", "faults"): self.add_faults,
            ("DELETE", "faults"): self.clear_faults,
            ("GET", "ledger"): self.show_ledger,
        }
        return [
            Route(f"/_control/{name}", _answering(call), methods=[method])
            for (method, name), call in calls.items()
        ]

    def reset(self, order: dict[str, Any]) -> dict[str, Any]:
        """Go back to the state that the command line gave."""
        self._clock.speed = self._speed
        self._clock.shift_to(0)
        self._faults.clear()
        self._ledger.clear()
        for service in self._services:
            service.reset()
        return self.show_settings(order)

    def show_settings(self, order: dict[str, Any]) -> dict[str, Any]:
        """Tell the speed and every service's settings."""
        settings: dict[str, Any] = {"speed": self._clock.speed}
        for service in self._services:
            settings |= service.settings
        return settings

    def change_settings(self, order: dict[str, Any]) -> dict[str, Any]:
        """Change any of them, each at the service that has it."""
        known = self.show_settings({})
        if unknown := sorted(order.keys() - known.keys()):
            raise ValueError(f"unknown setting {', '.join(unknown)}; known: {', '.join(known)}")
        for service in self._services:
            service.change({name: value for name, value in order.items() if name in service.settings})
        if "speed" in order:
            self._clock.speed = float(order["speed"])
        return self.show_settings({})

    def show_time(self, order: dict[str, Any]) -> dict[str, Any]:
        """Tell the simulated time and how far it is from the real one."""
        return {"now": self._clock.now(), "offset_seconds": self._clock.offset, "speed": self._clock.speed}

    def change_time(self, order: dict[str, Any]) -> dict[str, Any]:
        """Let time pass at once, or place it."""
        if unknown := order.keys() - {"advance_seconds", "offset_seconds"}:
            raise ValueError(f"unknown key {', '.join(sorted(unknown))}")
        if "offset_seconds" in order:
            self._clock.shift_to(float(order["offset_seconds"]))
        self._clock.advance(float(order.get("advance_seconds", 0)))
        return self.show_time({})

    def show_faults(self, order: dict[str, Any]) -> dict[str, Any]:
        """List the faults that have not happened yet."""
        return {"faults": self._faults.remaining()}

    def add_faults(self, order: dict[str, Any]) -> dict[str, Any]:
        """Queue more faults."""
        self._faults.add(order["faults"])
        return self.show_faults({})

    def clear_faults(self, order: dict[str, Any]) -> dict[str, Any]:
        """Forget the faults that have not happened yet."""
        self._faults.clear()
        return self.show_faults({})

    def show_ledger(self, order: dict[str, Any]) -> dict[str, Any]:
        """Tell what was asked and what it would have cost."""
        ledger = self._ledger.to_json()
        for service in self._services:
            ledger |= service.ledger()
        return ledger


def _answering(call: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        raw = await request.body()
        try:
            content, status = call(msgspec.json.decode(raw) if raw else {}), 200
        except BAD_ORDER as error:
            content, status = {"error": f"{type(error).__name__}: {error}"}, 400
        return Response(msgspec.json.encode(content), status, media_type="application/json")

    return answer
