"""Which offsets a read has come to, in memory that does not grow with the log."""

from __future__ import annotations

from dataclasses import dataclass, field

from xxhash import xxh3_64_intdigest

# a control comes about every hundred results, so a connection may begin this many hundreds before its offset
RECENT = 4_096


@dataclass(slots=True)
class SeenOffsets:
    """Remembers the last offsets, and one landmark, by 64-bit digests.

    The landmark is the offset whose number is the last power of two, as in Brent's algorithm: a read that goes round
    in a circle comes to a landmark again, however long the circle is.

    :param recent: at least this many of the last offsets are remembered, at most twice as many.
    """

    recent: int = RECENT
    _latest: set[int] = field(default_factory=set, init=False)
    _older: set[int] = field(default_factory=set, init=False)
    _landmark: int | None = field(default=None, init=False)
    _count: int = field(default=0, init=False)

    def __len__(self) -> int:
        """Return how many offsets are remembered."""
        return len(self._latest) + len(self._older) + (self._landmark is not None)

    def add(self, offset: str) -> bool:
        """Remember an offset and return whether it is new."""
        digest = xxh3_64_intdigest(offset.encode())
        if digest == self._landmark or digest in self._latest or digest in self._older:
            return False
        self._count += 1
        if self._count.bit_count() == 1:
            self._landmark = digest
        if len(self._latest) == self.recent:
            self._latest, self._older = set(), self._latest
        self._latest.add(digest)
        return True
