"""Says whether parts are still what was written: by a listing, or by reading a part back."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_provider_twexport.exceptions import CorruptPartError
from airflow_provider_twexport.storage.encoding import READ_BLOCK
from airflow_provider_twexport.storage.file_ends import FileEnds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_twexport.storage.directory import Directory
    from airflow_provider_twexport.storage.formats import FileFormat
    from airflow_provider_twexport.storage.part import Part


# a sentence that names more is not read
NAMED = 3


def lost(parts: Sequence[Part], sizes: Mapping[str, int]) -> str | None:
    """Return which parts are missing or have another size, in one sentence without its full stop.

    :param parts: as a manifest describes them.
    :param sizes: of the files that there are, by name.
    :returns: ``None`` if all parts are there with their size.
    """
    found = [
        f"{part.name} has {sizes[part.name]} bytes instead of {part.bytes}"
        if part.name in sizes
        else f"{part.name} is missing"
        for part in parts
        if sizes.get(part.name) != part.bytes
    ]
    more = [f"and {len(found) - NAMED:,} more"] if len(found) > NAMED else []
    return ", ".join([*found[:NAMED], *more]) or None


def problem(
    directory: Directory,
    part: Part,
    file_format: FileFormat,
    on_records: Callable[[Sequence[bytes]], object] = len,
) -> str | None:
    """Read a part back and return what is wrong with it, in constant memory.

    :param directory: of the landing.
    :param part: its description in the manifest.
    :param file_format: the format it was written in.
    :param on_records: called with all its records, a few at a time.
    :returns: one sentence; ``None`` if nothing is wrong.
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
    while blocks.read(READ_BLOCK):  # a decoder stops early in a damaged part
        pass
    if file.bytes != part.bytes:
        return f"has {file.bytes} bytes instead of {part.bytes}"
    if file.sha256.hexdigest() != part.sha256:
        return f"has sha256 {file.sha256.hexdigest()} instead of {part.sha256}"
    if part.name.endswith(".parquet") and (problem := file.ends.problem):
        return problem
    if damage is None and results != part.results:
        return f"holds {results} results instead of {part.results}"
    return damage


class _MeasuredFile(io.RawIOBase):
    """Counts the bytes of a file and computes their digest while a decoder reads them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.bytes = 0
        self.sha256 = hashlib.sha256()
        self.ends = FileEnds(is_parquet=True)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.bytes += len(data)
        self.sha256.update(data)
        self.ends.add(data)
        return len(data)
