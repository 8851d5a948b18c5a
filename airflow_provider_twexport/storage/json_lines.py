"""JSON Lines, compressed in separate threads, so that the Python thread only hands over blocks."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

# Each block that a thread takes waits for the GIL once; zstd also compresses larger blocks better.
BLOCK_BYTES = 1024 * 1024
THREADS = 2
PENDING_BLOCKS = THREADS + 1


class PlainLines:
    """Each record as received, and a line feed."""

    coercion_failures: Mapping[str, int] = MappingProxyType({})  # a line holds any record

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self.pending_bytes = 0

    def encode(self, records: Sequence[bytes]) -> bytes:
        """Take records and return a block of lines as soon as it is large enough to write."""
        self._lines += records
        self.pending_bytes += sum(map(len, records)) + len(records)
        return self.finish() if self.pending_bytes >= BLOCK_BYTES else b""

    def finish(self) -> bytes:
        """Return the last lines."""
        block = _join(self._lines)
        self._lines, self.pending_bytes = [], 0
        return block

    def close(self) -> None:
        """Nothing to release."""


class CompressedLines:
    """JSON Lines that two threads compress in blocks, in order.

    Which bytes are ready depends on the records alone and not on the threads, so equal records give equal parts.

    :param compress: compresses a block to bytes that can be concatenated, such as a gzip member; must release the GIL.
    """

    coercion_failures: Mapping[str, int] = MappingProxyType({})

    def __init__(self, compress: Callable[[bytes], bytes]) -> None:
        self._compress = compress
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="compress")
        self._lines: list[bytes] = []
        self._size = 0
        self._pending: deque[tuple[int, Future[bytes]]] = deque()
        self._bytes_in = 0
        self._bytes_compressed = 0
        self._bytes_out = 0

    @property
    def pending_bytes(self) -> int:
        """About how many bytes are still to come, if they compress as well as the previous ones."""
        waiting = self._bytes_in + self._size - self._bytes_compressed
        return waiting * self._bytes_out // self._bytes_compressed if self._bytes_compressed else waiting

    def encode(self, records: Sequence[bytes]) -> bytes:
        """Take records and return the bytes that are ready; the others come later."""
        self._lines += records
        self._size += sum(map(len, records)) + len(records)
        if self._size < BLOCK_BYTES:
            return b""
        self._send()
        # Wait for the first block: it shows how well the others will compress.
        return b"".join(self._collect(PENDING_BLOCKS if self._bytes_compressed else 0))

    def finish(self) -> bytes:
        """Return the last bytes."""
        if self._lines:
            self._send()
        return b"".join(self._collect(0))

    def close(self) -> None:
        """End the threads; blocks that they have not started are dropped."""
        self._pool.shutdown(cancel_futures=True)

    def _send(self) -> None:
        block = self._pool.submit(self._compress, _join(self._lines))
        self._pending.append((self._size, block))
        self._bytes_in += self._size
        self._lines, self._size = [], 0

    def _collect(self, left: int) -> list[bytes]:
        ready = []
        while len(self._pending) > left:
            size, block = self._pending.popleft()
            ready.append(block.result())
            self._bytes_compressed += size
            self._bytes_out += len(ready[-1])
        return ready


def _join(lines: list[bytes]) -> bytes:
    return b"\n".join([*lines, b""])
