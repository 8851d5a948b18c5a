"""Which records were landed already, in some ten bytes each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xxhash import xxh3_64_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

BUCKETS = 1 << 16
ENTRY_BYTES = 6


class SeenRecords:
    """Remembers records by their 64-bit digest: with a million of them, two unlike ones meet once in 37 million.

    The first two bytes choose a bucket, the others are its entries, end to end; ``bytearray.find`` searches them
    at the speed of C, where a set of integers would take ten times the memory.
    """

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(BUCKETS)]

    def add(self, records: Iterable[bytes]) -> list[bytes]:
        """Remember the records and return those that are new, in order."""
        new, buckets = [], self._buckets
        for record in records:
            digest = xxh3_64_digest(record)
            bucket, entry = buckets[digest[0] << 8 | digest[1]], digest[2:]
            at = bucket.find(entry)
            while at > 0 and at % ENTRY_BYTES:  # found across two entries
                at = bucket.find(entry, at + 1)
            if at < 0:
                bucket += entry
                new.append(record)
        return new
