"""Faults that were ordered and have not happened yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

WIRE_FAULTS = frozenset({"drop", "lost_answer", "delay", "hang", "html", "redirect", "garbage", "slow"})
ANSWER_FAULTS = frozenset({"error", "status", "missing_from_list", "short_range"})
READ_FAULTS = frozenset(
    {
        "cut",
        "ct_error",
        "no_final_control",
        "duplicate",
        "foreign",
        "unknown_chunk",
        "wrong_echo",
        "long_line",
        "wait_ends_early",
        "stuck_keepalive",
        "garbage_line",
        "disconnect",
        "silence",
        "recovery_ends",
    }
)
KINDS = WIRE_FAULTS | ANSWER_FAULTS | READ_FAULTS


@dataclass
class Fault:
    """One kind of trouble, for the requests that match, `times` times after the first `skip` of them."""

    kind: str
    method: str | None = None
    path: str = ""
    query: str = ""
    skip: int = 0
    times: int | None = 1
    parameters: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, ordered: dict[str, Any]) -> Fault:
        """Read a fault as the control plane receives it; an unknown kind is refused by name."""
        rest = dict(ordered)
        kind, match = rest.pop("fault", None), rest.pop("match", {})
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(sorted(KINDS))}")
        if unknown := match.keys() - {"method", "path", "query"}:
            raise ValueError(f"unknown key in match: {', '.join(sorted(unknown))}")
        for pattern in (match.get("path", ""), match.get("query", "")):
            re.compile(pattern)
        return cls(kind, **match, skip=rest.pop("skip", 0), times=rest.pop("times", 1), parameters=rest)

    def to_json(self) -> dict[str, Any]:
        """Write the fault as it was ordered, with what is left of it."""
        match = {"method": self.method, "path": self.path, "query": self.query}
        named = {key: value for key, value in match.items() if value}
        return {"match": named, "skip": self.skip, "times": self.times, "fault": self.kind, **self.parameters}

    def get(self, name: str, default: Any = None) -> Any:
        """One of the fault's own parameters."""
        return self.parameters.get(name, default)

    def matches(self, method: str, path: str, query: str) -> bool:
        """Whether this fault is meant for such a request."""
        return (
            (self.method is None or self.method.upper() == method)
            and re.search(self.path, path) is not None
            and re.search(self.query, query) is not None
        )


class FaultList:
    """The faults that wait, in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, faults: list[dict[str, Any]]) -> None:
        """Queue all of these, or none when one of them makes no sense."""
        self._waiting.extend([Fault.from_json(fault) for fault in faults])

    def take(self, method: str, path: str, query: str) -> Fault | None:
        """Find the first fault that is due for this request; every other match comes one request nearer."""
        due = None
        for fault in [fault for fault in self._waiting if fault.matches(method, path, query)]:
            if fault.skip > 0:
                fault.skip -= 1
            elif due is None:
                due = self._use(fault)
        return due

    def remaining(self) -> list[dict[str, Any]]:
        """List the faults that wait, as JSON."""
        return [fault.to_json() for fault in self._waiting]

    def clear(self) -> None:
        """Forget them all."""
        self._waiting.clear()

    def _use(self, fault: Fault) -> Fault:
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._waiting.remove(fault)
        return fault
