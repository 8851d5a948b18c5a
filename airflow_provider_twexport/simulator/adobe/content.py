"""The files of a dataset, and bytes of any amount for them: any range at once, the same each time."""

from __future__ import annotations

import random
from abc import abstractmethod
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from airflow_provider_twexport.simulator.prng import mixed, number

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIT = 64 * 1024
POOL = 2**20


@dataclass(frozen=True)
class File:
    """One file of a dataset, or a directory of two."""

    seed: int
    id: str

    @property
    def name(self) -> str:
        """The name that the service gives it."""
        return f"part-00000-{number(self.seed, self.id):016x}-c0000.snappy.parquet"

    @property
    @abstractmethod
    def size(self) -> int:
        """How many bytes it has."""

    @abstractmethod
    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` in pieces."""

    @abstractmethod
    def halves(self) -> list[File]:
        """List the files in it where it is a directory."""


@dataclass(frozen=True)
class Noise(File):
    """A file of any size, named as Parquet is, but its bytes mean nothing."""

    amount: int

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.amount

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` in pieces."""
        while start < stop:
            unit, offset = divmod(start, UNIT)
            piece = self._unit(unit)[offset : offset + stop - start]
            yield piece
            start += len(piece)

    def halves(self) -> list[File]:
        """List the files in it where it is a directory."""
        half = self.amount // 2
        return [
            Noise(self.seed, f"{self.id}-0", half),
            Noise(self.seed, f"{self.id}-1", self.amount - half),
        ]

    def _unit(self, index: int) -> bytes:
        stamp = blake2b(repr((self.seed, self.id, index)).encode(), digest_size=32).digest()
        begin = mixed(number(self.seed, self.id), index) % POOL
        return stamp + _pool(self.seed)[begin : begin + UNIT - len(stamp)]


@cache
def _pool(seed: int) -> bytes:
    return random.Random(seed).randbytes(POOL + UNIT)
