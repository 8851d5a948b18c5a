"""Reads files in ranges, several at a time, because the service ends long responses."""

from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from airflow_provider_twexport.adobe.files import FileVersion
from airflow_provider_twexport.core.retry import RetryState
from airflow_provider_twexport.exceptions import NotReadyError, ReadInterruptedError, RetriableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from airflow_provider_twexport.adobe.models import DataFile
    from airflow_provider_twexport.core.retry import Retry

log = logging.getLogger(__name__)

# a killed worker loses the ranges that it is reading, so they are small
RANGE_BYTES = 4 * 1024 * 1024
READERS = 4


@dataclass(frozen=True, slots=True)
class _Range:
    file: DataFile
    start: int
    stop: int
    version: FileVersion


class RangedDownload:
    """Reads files one after the other, in advance, and resumes where a response breaks off.

    :param read: yields the bytes ``[start, stop)`` of a version of a file, as far as one response brings them.
    :param files: in the order in which the caller reads them; taken one by one, when they are read.
    :param retry: how to retry while responses bring nothing.
    :param range_bytes: bytes per request; about eight times as many are in memory.
    """

    def __init__(
        self,
        read: Callable[[DataFile, int, int, FileVersion], Iterator[bytes]],
        files: Iterable[DataFile],
        retry: Retry,
        range_bytes: int = RANGE_BYTES,
    ) -> None:
        self._read = read
        self._retry = retry
        self._ranges = (
            _Range(file, start, min(start + range_bytes, file.size), version)
            for file, version in ((file, FileVersion()) for file in files)
            for start in range(0, file.size, range_bytes)
        )
        self._pending: deque[Future[bytes]] = deque()
        self._is_open = True
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="range")

    def __enter__(self) -> Self:
        """Return the download."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop reading and retrying."""
        self._is_open = False
        self._readers.shutdown(wait=False, cancel_futures=True)

    def bytes_of(self, file: DataFile) -> Iterator[bytes]:
        """Yield the bytes of the next file."""
        remaining = file.size
        while remaining > 0:
            self._read_ahead()
            content = self._pending.popleft().result()
            remaining -= len(content)
            yield content

    def _read_ahead(self) -> None:
        while len(self._pending) < READERS and (byte_range := next(self._ranges, None)):
            self._pending.append(self._readers.submit(self._read_range, byte_range))

    def _read_range(self, byte_range: _Range) -> bytes:
        """Return a range, from as many responses as it takes."""
        blocks: list[bytes] = []
        position, retry_state = byte_range.start, RetryState(self._retry)
        while position < byte_range.stop and self._is_open:
            before = position
            try:
                for block in self._read(byte_range.file, position, byte_range.stop, byte_range.version):
                    blocks.append(block)
                    position += len(block)
                if position == before:
                    raise ReadInterruptedError(f"A response brought nothing of {byte_range.file.name}.")
            except NotReadyError:  # another version of the file
                raise
            except RetriableError as error:
                if position > before:
                    retry_state.reset()
                retry_state.wait(error)
        return b"".join(blocks)
