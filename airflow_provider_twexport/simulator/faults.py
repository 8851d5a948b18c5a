"""Faults that the control plane queued and that have not happened yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


@dataclass
class Fault:
    """One kind of fault, for the requests that match, `times` times after the first `skip` of them."""

    kind: str
    method: str | None = None
    path: str = ""
    query: str = ""
    skip: int = 0
    times: int | None = 1
    parameters: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: dict[str, Any], known_kinds: AbstractSet[str]) -> Fault:
        """Read a fault as the control plane receives it.

        :raises ValueError: on an unknown kind or an unknown key in `match`, which it names.
        """
        parameters = dict(content)
        kind, match = parameters.pop("fault", None), parameters.pop("match", {})
        if kind not in known_kinds:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(sorted(known_kinds))}")
        if unknown := match.keys() - {"method", "path", "query"}:
            raise ValueError(f"unknown key in match: {', '.join(sorted(unknown))}")
        for pattern in (match.get("path", ""), match.get("query", "")):
            re.compile(pattern)
        skip, times = parameters.pop("skip", 0), parameters.pop("times", 1)
        return cls(kind, **match, skip=skip, times=times, parameters=parameters)

    def to_json(self) -> dict[str, Any]:
        """Write the fault as the control plane received it, with the `skip` and `times` that remain."""
        match = {"method": self.method, "path": self.path, "query": self.query}
        given = {key: value for key, value in match.items() if value}
        return {"match": given, "skip": self.skip, "times": self.times, "fault": self.kind, **self.parameters}

    def get(self, name: str, default: Any = None) -> Any:
        """Return one of the fault's own parameters."""
        return self.parameters.get(name, default)

    def matches(self, method: str, path: str, query: str) -> bool:
        """Whether this fault applies to such a request."""
        return (
            (self.method is None or self.method.upper() == method)
            and re.search(self.path, path) is not None
            and re.search(self.query, query) is not None
        )


class FaultQueue:
    """The faults that have not happened yet, in the order in which they were added.

    :param known_kinds: the kinds that it accepts.
    """

    def __init__(self, known_kinds: AbstractSet[str]) -> None:
        self._known_kinds = known_kinds
        self._waiting: list[Fault] = []

    def add(self, faults: list[dict[str, Any]]) -> None:
        """Queue all of these, or none if one of them is invalid."""
        self._waiting.extend([Fault.from_json(fault, self._known_kinds) for fault in faults])

    def take(self, method: str, path: str, query: str) -> Fault | None:
        """Return the first fault that is due for this request; every other match skips one request less."""
        due = None
        for fault in [fault for fault in self._waiting if fault.matches(method, path, query)]:
            if fault.skip > 0:
                fault.skip -= 1
            elif due is None:
                due = self._use(fault)
        return due

    def to_json(self) -> list[dict[str, Any]]:
        """List the faults that wait."""
        return [fault.to_json() for fault in self._waiting]

    def clear(self) -> None:
        """Remove them all."""
        self._waiting.clear()

    def _use(self, fault: Fault) -> Fault:
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._waiting.remove(fault)
        return fault
