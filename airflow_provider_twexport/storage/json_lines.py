"""JSON Lines, compressed by threads of their own, so that Python only hands blocks on."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

# Each block handed to a thread waits for the GIL; zstd makes less of larger ones, too.
BLOCK_BYTES = 2 * 1024 * 1024
THREADS = 2
BLOCKS_UNDER_WAY = 2 * THREADS


class PlainLines:
    """Each record as it came and a line feed."""

    coercion_failures: Mapping[str, int] = MappingProxyType({})  # a line fits anything

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self.under_way = 0

    def encode(self, records: Sequence[bytes]) -> bytes:
        """Take records and return a block of lines once it is large enough to be worth writing."""
        self._lines += records
        self.under_way += sum(map(len, records)) + len(records)
        return self.finish() if self.under_way >= BLOCK_BYTES else b""

    def finish(self) -> bytes:
        """Return the last lines."""
        block = _join(self._lines)
        self._lines, self.under_way = [], 0
        return block

    def close(self) -> None:
        """There is nothing to let go of."""


class CompressedLines:
    """The same, compressed by two threads in blocks, which keep their order.

    What is ready depends on the records alone and not on the threads, so equal records give equal parts.

    :param compress: makes a piece of file of a block, such as a gzip member, which may be followed by others; it has
        to release the GIL.
    """

    coercion_failures: Mapping[str, int] = MappingProxyType({})

    def __init__(self, compress: Callable[[bytes], bytes]) -> None:
        self._compress = compress
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="compress")
        self._lines: list[bytes] = []
        self._size = 0
        self._under_way: deque[tuple[int, Future[bytes]]] = deque()
        self._bytes_in = 0
        self._bytes_compressed = 0
        self._bytes_out = 0

    @property
    def under_way(self) -> int:
        """About how many bytes are still to come, if they compress as well as those before."""
        waiting = self._bytes_in + self._size - self._bytes_compressed
        return waiting * self._bytes_out // self._bytes_compressed if self._bytes_compressed else waiting

    def encode(self, records: Sequence[bytes]) -> bytes:
        """Take records and return the bytes that are ready; the rest comes later."""
        self._lines += records
        self._size += sum(map(len, records)) + len(records)
        if self._size < BLOCK_BYTES:
            return b""
        self._send()
        # The first block is waited for, since it tells how well the others will compress.
        return b"".join(self._collect(BLOCKS_UNDER_WAY if self._bytes_compressed else 0))

    def finish(self) -> bytes:
        """Return the last bytes."""
        if self._lines:
            self._send()
        return b"".join(self._collect(0))

    def close(self) -> None:
        """End the threads; what they have not begun is dropped."""
        self._pool.shutdown(cancel_futures=True)

    def _send(self) -> None:
        block = self._pool.submit(self._compress, _join(self._lines))
        self._under_way.append((self._size, block))
        self._bytes_in += self._size
        self._lines, self._size = [], 0

    def _collect(self, left: int) -> list[bytes]:
        ready = []
        while len(self._under_way) > left:
            size, block = self._under_way.popleft()
            ready.append(block.result())
            self._bytes_compressed += size
            self._bytes_out += len(ready[-1])
        return ready


def _join(lines: list[bytes]) -> bytes:
    return b"\n".join([*lines, b""])
