"""Reads a part back, to say whether it is still what was written."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_provider_twexport.exceptions import CorruptPartError
from airflow_provider_twexport.storage.formats import READ_BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_twexport.storage.directory import Directory
    from airflow_provider_twexport.storage.formats import FileFormat
    from airflow_provider_twexport.storage.manifest import Part


def problem(
    directory: Directory,
    part: Part,
    file_format: FileFormat,
    on_records: Callable[[Sequence[bytes]], object] = len,
) -> str | None:
    """Read a part back and say what is wrong with it, in constant memory.

    :param directory: where the part is.
    :param part: what it should be.
    :param file_format: how it was written.
    :param on_records: is given all its records on the way.
    :returns: one sentence; ``None`` where all is well.
    """
    try:
        with directory.open(part.name) as file:
            found = _difference(_MeasuredFile(file), part, file_format, on_records)
    except FileNotFoundError:
        found = "is missing"
    return f"{part.name} {found}" if found else None


def _difference(
    file: _MeasuredFile, part: Part, file_format: FileFormat, on_records: Callable[[Sequence[bytes]], object]
) -> str | None:
    blocks = io.BufferedReader(file, READ_BLOCK)
    results, damage = 0, None
    try:
        for records in file_format.decode(blocks):
            results += len(records)
            on_records(records)
    except CorruptPartError as error:
        damage = str(error)
    while blocks.read(READ_BLOCK):  # what a decoder left unread, as it does with a damaged part
        pass
    if file.bytes != part.bytes:
        return f"has {file.bytes} bytes instead of {part.bytes}"
    if file.sha256.hexdigest() != part.sha256:
        return f"has sha256 {file.sha256.hexdigest()} instead of {part.sha256}"
    if damage is None and results != part.results:
        return f"holds {results} results instead of {part.results}"
    return damage


class _MeasuredFile(io.RawIOBase):
    """Counts and digests the bytes of a file while somebody else reads them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.bytes = 0
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.bytes += len(data)
        self.sha256.update(data)
        return len(data)
