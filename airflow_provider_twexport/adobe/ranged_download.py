"""Reading files in ranges, several at a time: a service that ends long answers is read no slower for it."""

from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from airflow_provider_twexport.core.retry import RetryState
from airflow_provider_twexport.exceptions import ReadInterruptedError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from airflow_provider_twexport.adobe.models import DataFile
    from airflow_provider_twexport.core.retry import Retry

log = logging.getLogger(__name__)

# what is under way is lost with a killed worker: little enough, of any file worth a thought
RANGE_BYTES = 4 * 1024 * 1024
READERS = 4


@dataclass(frozen=True, slots=True)
class _Range:
    file: DataFile
    start: int
    stop: int


class RangedDownload:
    """Reads files one after the other, ahead of whoever wants them, and goes on where an answer breaks off.

    :param read: yields the bytes ``[start, stop)`` of a file, as far as one answer brings them.
    :param files: in the order in which they will be wanted.
    :param retry: how an answer that breaks off is tried again while it brings nothing.
    :param range_bytes: bytes to ask for at a time; about eight times as many are in memory.
    """

    def __init__(
        self,
        read: Callable[[DataFile, int, int], Iterator[bytes]],
        files: Sequence[DataFile],
        retry: Retry,
        range_bytes: int = RANGE_BYTES,
    ) -> None:
        self._read = read
        self._retry = retry
        self._ranges = (
            _Range(file, start, min(start + range_bytes, file.size))
            for file in files
            for start in range(0, file.size, range_bytes)
        )
        self._under_way: deque[Future[bytes]] = deque()
        self._is_wanted = True
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="range")

    def __enter__(self) -> Self:
        """Return the download."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop reading ahead, and trying again."""
        self._is_wanted = False
        self._readers.shutdown(wait=False, cancel_futures=True)

    def bytes_of(self, file: DataFile) -> Iterator[bytes]:
        """Yield the bytes of the next file."""
        left = file.size
        while left > 0:
            self._read_ahead()
            piece = self._under_way.popleft().result()
            left -= len(piece)
            yield piece

    def _read_ahead(self) -> None:
        while len(self._under_way) < READERS and (wanted := next(self._ranges, None)):
            self._under_way.append(self._readers.submit(self._whole, wanted))

    def _whole(self, wanted: _Range) -> bytes:
        """Return a range, over as many answers as it takes."""
        pieces: list[bytes] = []
        position, retry_state = wanted.start, RetryState(self._retry)
        while position < wanted.stop and self._is_wanted:
            before = position
            try:
                for block in self._read(wanted.file, position, wanted.stop):
                    pieces.append(block)
                    position += len(block)
                if position == before:
                    raise ReadInterruptedError(f"An answer brought nothing of {wanted.file.name}.")
            except TransientError as error:
                if position > before:
                    retry_state.reset()
                retry_state.wait(error)
        return b"".join(pieces)
