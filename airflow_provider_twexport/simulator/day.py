"""What was published in a day: as many as it has, spread over it, the same for the same seed."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from airflow_provider_twexport.simulator.prng import mixed

DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Day:
    """All that was published in one day, in order of time.

    :param start: in epoch milliseconds.
    :param seed: where in the day each lies.
    :param size: how many there are.
    """

    start: int
    seed: int
    size: int

    def moment(self, index: int) -> int:
        """When one was published, in epoch milliseconds."""
        jitter = mixed(self.seed, index) & 0xFFFF
        return self.start + ((index << 16) + jitter) * DAY // (self.size << 16)

    def before(self, moment: int) -> int:
        """How many of the day are older."""
        if moment <= self.start:
            return 0
        if moment >= self.start + DAY:
            return self.size
        return bisect_left(range(self.size), moment, key=self.moment)
