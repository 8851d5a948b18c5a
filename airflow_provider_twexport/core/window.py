"""A half-open window of time, as every service is asked for one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from airflow_provider_twexport.exceptions import InvalidRequestError

if TYPE_CHECKING:
    import pendulum

CalendarUnit = Literal["hour", "day", "week", "month"]


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

    def cut(self, unit: CalendarUnit) -> list[Window]:
        """Return the calendar's hours, days, weeks or months in UTC, in order; the first and last may be shorter.

        :param unit: what to cut into; weeks begin on Monday.
        """
        start, stop = self.start.in_timezone("UTC"), self.stop.in_timezone("UTC")
        edges, edge = [start], start.start_of(unit)
        while (edge := edge.add(**{f"{unit}s": 1})) < stop:
            edges.append(edge)
        return [Window(begin, end) for begin, end in pairwise([*edges, stop])]
