"""The half-open window of time that every request is for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import pendulum

from airflow_provider_twexport.core.arguments import check_moment, parse_moment
from airflow_provider_twexport.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

CalendarUnit = Literal["hour", "day", "week", "month"]

_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
# how much the clocks of a service and of a worker may differ
CLOCK_TOLERANCE = pendulum.duration(minutes=15)


@dataclass(frozen=True, slots=True)
class Window:
    """The time from ``start``, inclusive, to ``stop``, exclusive, in UTC.

    :raises InvalidRequestError: if nothing lies between them.
    """

    start: pendulum.DateTime
    stop: pendulum.DateTime

    def __post_init__(self) -> None:
        if self.start >= self.stop:
            raise InvalidRequestError(f"The window {self} is empty: stop must come after start.")

    def __str__(self) -> str:
        return f"[{self.start.to_iso8601_string()}, {self.stop.to_iso8601_string()})"

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return self.stop.timestamp() - self.start.timestamp()

    def contains(self, other: Window) -> bool:
        """Return whether all of another window lies in this one."""
        return self.start <= other.start and other.stop <= self.stop

    def overlaps(self, other: Window) -> bool:
        """Return whether some time lies in both windows."""
        return self.start < other.stop and other.start < self.stop

    def within(self, other: Window) -> Window:
        """Return the time that lies in both windows.

        :raises InvalidRequestError: if there is none.
        """
        return Window(max(self.start, other.start), min(self.stop, other.stop))

    def passed_at(self, moment: pendulum.DateTime) -> Window | None:
        """Return the part that had passed at a moment, in whole minutes: all that an export of that moment can hold.

        :param moment: by a clock that may be slow by as much as ``CLOCK_TOLERANCE``.
        :returns: ``None`` if nothing had.
        """
        if self.stop <= moment + CLOCK_TOLERANCE:
            return self
        minute = moment.start_of("minute")
        return Window(self.start, minute) if self.start < minute else None

    def to_json(self) -> dict[str, str]:
        """Return ``{"start", "stop"}`` as ISO 8601 texts in UTC."""
        edges = {"start": self.start, "stop": self.stop}
        return {name: edge.in_timezone("UTC").to_iso8601_string() for name, edge in edges.items()}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Window:
        """Read what :meth:`to_json` returned."""
        return cls(parse_moment(body["start"]), parse_moment(body["stop"]))

    def cut(self, unit: CalendarUnit) -> list[Window]:
        """Return the calendar's hours, days, weeks or months in UTC, in order; the first and last may be shorter.

        :param unit: what to cut into; weeks begin on Monday.
        """
        start, stop = self.start.in_timezone("UTC"), self.stop.in_timezone("UTC")
        edges, edge = [start], start.start_of(unit)
        while (edge := _next(edge, unit)) < stop:
            edges.append(edge)
        return [Window(begin, end) for begin, end in pairwise([*edges, stop])]


def _next(edge: pendulum.DateTime, unit: CalendarUnit) -> pendulum.DateTime:
    """Return the next edge of a calendar unit, in UTC."""
    if unit == "month":
        return edge.add(months=1)
    # without time zones there is nothing to convert, and pendulum's own addition takes ten times as long
    return datetime.__add__(edge, _LENGTHS[unit])


def check_window(body: Mapping[str, Any]) -> None:
    """Check what :meth:`Window.to_json` returned, without the cost of reading it.

    :raises InvalidRequestError: if it is not a window.
    """
    if "start" not in body or "stop" not in body:
        raise InvalidRequestError(f"The window {body} has no start or no stop.")
    if check_moment(body["start"]) >= check_moment(body["stop"]):
        raise InvalidRequestError(f"The window {body} is empty: stop must come after start.")
