"""Which records have landed already, in about sixteen bytes each."""

from __future__ import annotations

import time
from collections import deque
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import TYPE_CHECKING

from xxhash import xxh3_64_intdigest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Room for a million records, the largest export; memory that is not touched costs nothing.
SLOTS = 1 << 21
# 8 MiB: at 1,200 records a second one table lasts about seven minutes.
_RECENT_SLOTS = 1 << 20


def digests(records: Iterable[bytes]) -> Iterator[int]:
    """Yield the 64-bit digest of each record."""
    return map(xxh3_64_intdigest, records)


class SeenRecords:
    """Remembers records by their 64-bit digest: two different ones of a million collide once in 37 million times.

    An open-addressed table of plain integers; a Python set would take five times the memory.

    :param slots: how many digests the table has room for, a power of two; it grows when half full.
    :param identity: returns the bytes that identify a record; ``None``: all its bytes.
    """

    def __init__(self, slots: int = SLOTS, identity: Callable[[bytes], bytes] | None = None) -> None:
        self._identity = identity
        self._slots = _empty(slots)
        self._last = slots - 1
        self._count = 0

    def add(self, records: Iterable[bytes]) -> list[bytes]:
        """Remember the records and return those that are new, in order."""
        new, identity = [], self._identity
        for record in records:
            identifying = identity(record) if identity else record
            if self.put(xxh3_64_intdigest(identifying) or 1):  # 0 is an empty slot
                new.append(record)
                if 2 * self._count > self._last:
                    self._grow()
        return new

    def __contains__(self, record: bytes) -> bool:
        """Return whether a record is remembered."""
        return self.holds(xxh3_64_intdigest(record) or 1)

    @property
    def is_half_full(self) -> bool:
        """Return whether the next record makes the table grow; beyond that, look-ups take ever longer."""
        return 2 * self._count > self._last

    def holds(self, digest: int) -> bool:
        """Return whether a digest other than 0 is remembered."""
        slots, last = self._slots, self._last
        at = digest & last
        while held := slots[at]:
            if held == digest:
                return True
            at = (at + 1) & last
        return False

    def put(self, digest: int) -> bool:
        """Remember a digest other than 0, without growing, and return whether it is new."""
        slots, last = self._slots, self._last
        at = digest & last
        while held := slots[at]:
            if held == digest:
                return False
            at = (at + 1) & last
        slots[at] = digest
        self._count += 1
        return True

    def _grow(self) -> None:
        old = self._slots
        self._slots = _empty(2 * len(old))
        self._last = 2 * len(old) - 1
        self._count = 0
        for digest in filter(None, old):
            self.put(digest)


class RecentRecords:
    """Remembers recent records only, so that memory stays flat however long a stream is read.

    Digests fill tables of one fixed size, one after the other; a table is dropped when all its digests are old. That
    takes 16 bytes for each recent record, and two tables more at most.

    :param seconds: a record that first came at most this long ago is remembered for certain.
    :param identity: returns the bytes that identify a record; ``None``: all its bytes.
    :param slots: of each table, a power of two; half of them are used.
    :param clock: returns seconds.
    """

    def __init__(
        self,
        seconds: float,
        identity: Callable[[bytes], bytes] | None = None,
        slots: int = _RECENT_SLOTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._identity = identity or bytes
        self._slots = slots
        self._clock = clock
        self._latest = SeenRecords(slots)
        self._full: deque[tuple[float, SeenRecords]] = deque()

    def add(self, records: Iterable[bytes]) -> list[bytes]:
        """Remember the records and return those that are new, in order."""
        now = self._clock()
        while self._full and now - self._full[0][0] > self._seconds:
            self._full.popleft()
        return [record for record in records if self._is_new(xxh3_64_intdigest(self._identity(record)) or 1)]

    def _is_new(self, digest: int) -> bool:
        for _, table in self._full:
            if table.holds(digest):
                return False
        if not self._latest.put(digest):
            return False
        if self._latest.is_half_full:
            self._full.append((self._clock(), self._latest))
            self._latest = SeenRecords(self._slots)
        return True


def _empty(slots: int) -> memoryview:
    # Unlike heap memory, a mapping goes back to the system as soon as its table is dropped.
    return memoryview(mmap(-1, 8 * slots, MAP_PRIVATE | MAP_ANONYMOUS)).cast("Q")
