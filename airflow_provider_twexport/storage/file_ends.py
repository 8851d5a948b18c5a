"""The first and the last bytes of a file that is copied: whether it is whole Parquet, and how many rows it has.

Format: the pages "File format" and "Metadata" of Apache Parquet, and the compact protocol of Apache Thrift.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGICS = (b"PAR1", b"PARE")  # the other one has an encrypted footer
MAGIC_BYTES = 4
LENGTH_BYTES = 4
# a footer that is longer is not kept, so its rows stay unknown
MAX_FOOTER_BYTES = 16 * 1024 * 1024
NUM_ROWS_FIELD = 3


@dataclass(slots=True)
class FileEnds:
    """Takes the bytes of a file as they pass, and keeps its ends.

    :param is_parquet: whether the name of the file says that it is Parquet.
    """

    is_parquet: bool
    _head: bytes = b""
    _tail: deque[bytes] = field(default_factory=deque)
    _tail_bytes: int = 0

    def add(self, block: bytes) -> None:
        """Take the next bytes."""
        if not self.is_parquet or not block:
            return
        if len(self._head) < MAGIC_BYTES:
            self._head = (self._head + block)[:MAGIC_BYTES]
        self._tail.append(block)
        self._tail_bytes += len(block)
        while self._tail_bytes - len(self._tail[0]) >= MAX_FOOTER_BYTES:
            self._tail_bytes -= len(self._tail.popleft())

    @property
    def problem(self) -> str | None:
        """Return why the file cannot be what its name says, in a few words; ``None`` if it can, or is empty."""
        if not self._head or (self._head in MAGICS and self._end(MAGIC_BYTES) in MAGICS):
            return None
        return "does not begin and end as Parquet does"

    @property
    def rows(self) -> int | None:
        """Return how many rows the footer counts; ``None`` if the file is not Parquet, or its footer cannot be read."""
        end = self._end(MAGIC_BYTES + LENGTH_BYTES)
        if end[LENGTH_BYTES:] != MAGICS[0] or len(end) < MAGIC_BYTES + LENGTH_BYTES:
            return None
        length = int.from_bytes(end[:LENGTH_BYTES], "little")
        if length + len(end) > self._tail_bytes:
            return None
        try:
            return _num_rows(self._end(length + len(end))[:length])
        except (IndexError, ValueError):
            return None

    def _end(self, size: int) -> bytes:
        """Return the last bytes; fewer if there are fewer."""
        blocks: list[bytes] = []
        missing = size
        for block in reversed(self._tail):
            if missing <= 0:
                break
            blocks.append(block[-missing:])
            missing -= len(block)
        return b"".join(reversed(blocks))


def _num_rows(footer: bytes) -> int:
    """Return the rows in a ``FileMetaData``: its third field, after the version and the schema."""
    reader = _ThriftReader(footer)
    for number, kind in reader.fields():
        if number == NUM_ROWS_FIELD:
            return reader.integer()
        reader.skip(kind)
    raise ValueError("no rows")


@dataclass(slots=True)
class _ThriftReader:
    """Reads integers in the compact protocol, and skips the rest.

    :param content: one struct.
    """

    content: bytes
    _at: int = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield number and type of each field of a struct; the caller reads or skips its value."""
        number = 0
        while header := self._byte():
            delta, kind = header >> 4, header & 0x0F
            number = number + delta if delta else self.integer()
            yield number, kind

    def integer(self) -> int:
        """Read a zigzag integer."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def skip(self, kind: int) -> None:
        """Skip a value of a type that schemas have: booleans, integers, texts, lists, structs."""
        if kind in (1, 2):  # a boolean is its own type
            return
        if kind == 3:
            self._byte()
        elif kind in (4, 5, 6):
            self._varint()
        elif kind == 8:
            size = self._varint()
            self._at += size
        elif kind in (9, 10):
            header = self._byte()
            size = header >> 4 if header >> 4 < 15 else self._varint()
            for _ in range(size):
                self.skip(header & 0x0F)
        elif kind == 12:
            for _, inner in self.fields():
                self.skip(inner)
        else:
            raise ValueError(f"type {kind}")

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
            shift += 7

    def _byte(self) -> int:
        byte = self.content[self._at]
        self._at += 1
        return byte
