"""Which posts match a query: a function of seed, query, day and place within the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_twexport.simulator.day import DAY, Day
from airflow_provider_twexport.simulator.prng import number

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Matches:
    """What one query finds.

    :param posts_per_day: about how many.
    """

    seed: int
    query: str
    posts_per_day: int

    def count(self, start: int, stop: int) -> int:
        """How many posts `[start, stop)` holds, in epoch milliseconds."""
        return sum(day.before(stop) - day.before(start) for day in self._days(start, stop))

    def backwards(self, start: int, stop: int) -> Iterator[tuple[Day, int]]:
        """Yield day and index of the posts of `[start, stop)`, the newest first."""
        for day in reversed(self._days(start, stop)):
            for index in range(day.before(stop) - 1, day.before(start) - 1, -1):
                yield day, index

    def _days(self, start: int, stop: int) -> list[Day]:
        return [self._day(ordinal) for ordinal in range(start // DAY, -(-stop // DAY))]

    def _day(self, ordinal: int) -> Day:
        seed = number(self.seed, "x", self.query, ordinal)
        swing = 0.5 + (seed >> 32) / 0xFFFF_FFFF
        return Day(ordinal * DAY, seed, round(self.posts_per_day * swing))
