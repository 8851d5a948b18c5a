"""Which records were landed already, in some sixteen bytes each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from xxhash import xxh3_64_intdigest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Room for a million from the start, the most that an export may bring; memory that is not used costs nothing.
SLOTS = 1 << 21
_RECENT_SLOTS = 1 << 18


class SeenRecords:
    """Remembers records by their 64-bit digest: with a million of them, two unlike ones meet once in 37 million.

    An open-addressed table of plain integers, where a set of Python's would take five times the memory.

    :param slots: how many digests there is room for, a power of two; it grows when half full.
    :param identity: what makes two records the same one; ``None`` if all their bytes do.
    """

    def __init__(self, slots: int = SLOTS, identity: Callable[[bytes], bytes] | None = None) -> None:
        self._identity = identity
        self._slots = _empty(slots)
        self._last = slots - 1
        self._held = 0

    def add(self, records: Iterable[bytes]) -> list[bytes]:
        """Remember the records and return those that are new, in order."""
        new, identity = [], self._identity
        for record in records:
            told = identity(record) if identity else record
            if self._put(xxh3_64_intdigest(told) or 1):  # 0 is an empty slot
                new.append(record)
                if 2 * self._held > self._last:
                    self._grow()
        return new

    def __contains__(self, record: bytes) -> bool:
        """Tell whether a record was remembered."""
        digest = xxh3_64_intdigest(record) or 1
        at = digest & self._last
        while held := self._slots[at]:
            if held == digest:
                return True
            at = (at + 1) & self._last
        return False

    def _put(self, digest: int) -> bool:
        slots, last = self._slots, self._last
        at = digest & last
        while held := slots[at]:
            if held == digest:
                return False
            at = (at + 1) & last
        slots[at] = digest
        self._held += 1
        return True

    def _grow(self) -> None:
        old = self._slots
        self._slots = _empty(2 * len(old))
        self._last = 2 * len(old) - 1
        self._held = 0
        for digest in filter(None, old):
            self._put(digest)


class RecentRecords:
    """Remembers the records of the last while only, so that memory stays flat however long a stream is read.

    :param seconds: what came so long ago at most is surely remembered, and nothing for more than twice as long.
    :param identity: what makes two records the same one; ``None`` if all their bytes do.
    """

    def __init__(self, seconds: float, identity: Callable[[bytes], bytes] | None = None) -> None:
        self._identity = identity or bytes
        self._seconds = seconds
        self._earlier, self._latest = SeenRecords(_RECENT_SLOTS), SeenRecords(_RECENT_SLOTS)
        self._turned = time.monotonic()

    def add(self, records: Iterable[bytes]) -> list[bytes]:
        """Remember the records and return those that are new, in order."""
        if time.monotonic() - self._turned >= self._seconds:
            self._earlier, self._latest = self._latest, SeenRecords(_RECENT_SLOTS)
            self._turned = time.monotonic()
        return [record for record in records if self._is_new(self._identity(record))]

    def _is_new(self, told: bytes) -> bool:
        return told not in self._earlier and bool(self._latest.add((told,)))


def _empty(slots: int) -> memoryview:
    return memoryview(bytearray(8 * slots)).cast("Q")
