"""Reading in advance and in order, with responses that break off."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport.adobe.models import DataFile
from airflow_provider_twexport.adobe.ranged_download import READERS, RangedDownload
from airflow_provider_twexport.core.retry import Retry
from airflow_provider_twexport.exceptions import NotFoundError, ReadInterruptedError
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.adobe.files import FileVersion

RETRY = Retry(attempts=3, first_wait=0.001)
FILES = [DataFile(str(n), f"file-{n}", size) for n, size in enumerate((1_000, 0, 1, 999, 2_500))]


def content(file: DataFile) -> bytes:
    """Return the bytes of a file."""
    return bytes((int(file.id) * 7 + at) % 251 for at in range(file.size))


def read_all(download: RangedDownload) -> list[bytes]:
    """Return the bytes of all files."""
    with download:
        return [b"".join(download.bytes_of(file)) for file in FILES]


@pytest.mark.slow
@pytest.mark.parametrize("range_bytes", [1, 7, 1_000, 10_000])
def test_every_byte_comes_once_and_in_order(range_bytes: int) -> None:
    """Every byte comes once, wherever responses break off."""
    asked: list[int] = []

    def read(file: DataFile, start: int, stop: int, version: FileVersion) -> Iterator[bytes]:
        asked.append(start)
        answer = content(file)[start:stop]
        yield answer[: len(answer) // 2 + 1]
        if len(asked) % 3 == 0:
            raise ReadInterruptedError("broken off")
        if len(asked) % 3 == 1:
            yield answer[len(answer) // 2 + 1 :]

    assert read_all(RangedDownload(read, FILES, RETRY, range_bytes)) == [content(file) for file in FILES]


def test_reading_in_advance_is_limited() -> None:
    """Until the caller reads, no more ranges are requested."""
    asked: list[int] = []

    def read(file: DataFile, start: int, stop: int, version: FileVersion) -> Iterator[bytes]:
        asked.append(start)
        yield content(file)[start:stop]

    with RangedDownload(read, FILES, RETRY, 10) as download:
        next(download.bytes_of(FILES[0]))
    assert len(asked) <= READERS


def test_what_never_comes_is_an_error() -> None:
    """A response without bytes counts as broken; three in a row are an error."""
    with pytest.raises(ReadInterruptedError, match="brought nothing"):
        read_all(RangedDownload(lambda *_: iter(()), FILES, RETRY))


def test_a_download_that_has_failed_retries_nothing_more() -> None:
    """When one range has failed, the others are not retried."""
    tries, failed = [0], threading.Event()

    def read(file: DataFile, start: int, stop: int, version: FileVersion) -> Iterator[bytes]:
        if start == 0:
            raise NotFoundError("gone")
        tries[0] += 1
        failed.wait(PATIENCE)
        raise ReadInterruptedError("broken off")

    download = RangedDownload(read, FILES[:1], Retry(attempts=10**9, first_wait=0.001), 500)
    with pytest.raises(NotFoundError), download:
        list(download.bytes_of(FILES[0]))
    failed.set()
    download._readers.shutdown(wait=True)
    assert tries[0] <= 1
