"""What was published in a day: a fixed number of items, spread over it, the same for the same seed."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from airflow_provider_twexport.simulator.prng import splitmix64

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Day:
    """Everything that was published in one day, in order of time.

    :param start: in epoch milliseconds.
    :param seed: decides when each item was published.
    :param size: the number of items.
    """

    start: int
    seed: int
    size: int

    def published_ms(self, index: int) -> int:
        """Return when an item was published, in epoch milliseconds."""
        jitter = splitmix64(self.seed, index) & 0xFFFF
        return self.start + ((index << 16) + jitter) * DAY_MS // (self.size << 16)

    def count_before(self, time_ms: int) -> int:
        """Count the items of the day that are older."""
        if time_ms <= self.start:
            return 0
        if time_ms >= self.start + DAY_MS:
            return self.size
        return bisect_left(range(self.size), time_ms, key=self.published_ms)
