"""The order in which an export delivers its matches: blocks of a day, out of order, different each time."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.simulator.day import Day
    from airflow_provider_twexport.simulator.talkwalker.corpus import Matches


@dataclass(frozen=True, slots=True)
class Block:
    """The matches of one day, visited in strides that reach each of them once."""

    matches: Matches
    stride: int
    shift: int

    def index(self, place: int) -> int:
        """Index within the day of the result that comes at `place`."""
        return self.matches.index((place * self.stride + self.shift) % self.matches.size)


class Delivery:
    """A shuffled walk over matches that remembers nothing but its days."""

    def __init__(self, matches: list[Matches], seed: int) -> None:
        chance = random.Random(seed)
        self._blocks = [Block(each, *_stride(each.size, chance)) for each in matches]
        chance.shuffle(self._blocks)
        self._ends = list(accumulate(block.matches.size for block in self._blocks))
        self.total = self._ends[-1] if self._ends else 0

    def results(self, first: int, last: int) -> Iterator[tuple[Day, int]]:
        """Yield day and index of the results at places `[first, last)`."""
        number = bisect_right(self._ends, first)
        while first < last:
            block, end = self._blocks[number], self._ends[number]
            begin = end - block.matches.size
            for place in range(first - begin, min(last, end) - begin):
                yield block.matches.day, block.index(place)
            first = min(last, end)
            number += 1


def _stride(size: int, chance: random.Random) -> tuple[int, int]:
    stride = chance.randrange(1, size + 1)
    while math.gcd(stride, size) != 1:
        stride += 1
    return stride, chance.randrange(size)
