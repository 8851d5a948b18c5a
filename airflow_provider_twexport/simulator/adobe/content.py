"""The bytes of made-up files: any range of them at once, the same each time."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from airflow_provider_twexport.simulator.mixing import mixed, number

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIT = 64 * 1024
POOL = 2**20


@dataclass(frozen=True)
class File:
    """One file of a dataset; named as Parquet is, but its bytes mean nothing."""

    seed: int
    id: str
    size: int

    @property
    def name(self) -> str:
        """The name that the service gives it."""
        return f"part-00000-{number(self.seed, self.id):016x}-c0000.snappy.parquet"

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` in pieces."""
        while start < stop:
            unit, offset = divmod(start, UNIT)
            piece = self._unit(unit)[offset : offset + stop - start]
            yield piece
            start += len(piece)

    def _unit(self, index: int) -> bytes:
        stamp = blake2b(repr((self.seed, self.id, index)).encode(), digest_size=32).digest()
        begin = mixed(number(self.seed, self.id), index) % POOL
        return stamp + _pool(self.seed)[begin : begin + UNIT - len(stamp)]


@cache
def _pool(seed: int) -> bytes:
    return random.Random(seed).randbytes(POOL + UNIT)
