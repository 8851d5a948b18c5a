"""Files become parts, byte for byte, and parts a manifest: through crashes at any moment, in constant memory.

What survives a crash is the last checkpoint: the files that are whole. A retry goes on with the next one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_twexport import __version__
from airflow_provider_twexport.exceptions import ReadInterruptedError
from airflow_provider_twexport.storage import resume
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.formats import AS_IS
from airflow_provider_twexport.storage.manifest import CHECKPOINT, MANIFEST, Manifest, nothing_yet, now
from airflow_provider_twexport.storage.part_writer import PartWriter

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_twexport.storage.directory import StoragePath

log = logging.getLogger(__name__)

# a checkpoint lists all files, so that one after each of thousands would be most of what is written
CHECKPOINTS = 100


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file where it comes from.

    :param key: tells it from all others there.
    :param suffix: what the name of its part ends in, such as ``snappy.parquet``.
    :param size: bytes.
    """

    key: str
    suffix: str
    size: int


class FileLanding:
    """The files of one export on their way into one directory; made by :meth:`open`."""

    def __init__(self, directory: Directory, landed: Manifest) -> None:
        self._directory = directory
        self._landed = landed
        self._saved_bytes = landed.bytes

    @classmethod
    def open(cls, directory: StoragePath | str | os.PathLike[str], *, source: Mapping[str, Any]) -> Self:
        """Begin a landing, go on with one that broke off, or find that it is done.

        :param directory: holds this landing and no other.
        :param source: goes into the manifest; its ``job_id`` says whose landing this is.
        :raises DirectoryInUseError: something else was landed there.
        """
        place = Directory(directory)
        found = resume.find(place, source)
        if found and found.complete:
            resume.tidy(place, found)
        return cls(place, found or nothing_yet(source, AS_IS.name))

    @property
    def committed(self) -> Manifest | None:
        """The manifest, if everything is here already and there is nothing to read."""
        return self._landed if self._landed.complete else None

    @property
    def landed_bytes(self) -> int:
        """How many bytes are in the files that are whole."""
        return self._landed.bytes

    def missing(self, files: Sequence[SourceFile]) -> Sequence[SourceFile]:
        """Return which of the files are still to come, in order; where earlier tries saw others, all of them."""
        there = set(self._directory.names())
        landed = [(part.last_offset, part.bytes) for part in self._landed.parts]
        listed = [(file.key, file.size) for file in files]
        if landed == listed[: len(landed)] and all(part.name in there for part in self._landed.parts):
            return files[len(landed) :]
        log.warning(
            "%s: landing again from the start, because its files are not those listed", self._directory
        )
        resume.clear(self._directory)
        self._landed, self._saved_bytes = nothing_yet(self._landed.source, AS_IS.name), 0
        return files

    def copy(self, file: SourceFile, blocks: Iterable[bytes], total: int) -> None:
        """Land the next file; it becomes visible when all of its bytes are there.

        :param blocks: its bytes.
        :param total: bytes of all files together.
        :raises ReadInterruptedError: if there are more or fewer bytes than it has.
        """
        name = f"part-{len(self._landed.parts):05}.{file.suffix}"
        part = PartWriter(self._directory, name, _AsIs(), self._landed.final_cursor)
        try:
            for block in blocks:
                part.write([block])
            if part.bytes != file.size:
                raise ReadInterruptedError(f"{file.key} has {file.size} bytes, but {part.bytes} came.")
            whole = replace(part.commit(file.key), results=1)
        except BaseException:
            part.discard()
            raise
        self._landed = replace(
            self._landed,
            parts=(*self._landed.parts, whole),
            results=self._landed.results + 1,
            bytes=self._landed.bytes + whole.bytes,
            final_cursor=file.key,
        )
        if self._landed.bytes - self._saved_bytes >= total / CHECKPOINTS:
            self._save(CHECKPOINT, complete=False)

    def commit(self, files: int, source: Mapping[str, Any]) -> Manifest:
        """Write the manifest, and remove what dead tries left behind.

        :param files: how many there should be.
        :param source: goes into the manifest.
        """
        self._landed = replace(self._landed, exported=files, source=dict(source))
        self._save(MANIFEST, complete=self._landed.results == files)
        resume.tidy(self._directory, self._landed)
        return self._landed

    def _save(self, name: str, *, complete: bool) -> None:
        landed = replace(self._landed, complete=complete, created_at=now(), provider_version=__version__)
        self._directory.write(name, landed.to_json().encode())
        self._landed, self._saved_bytes = landed, landed.bytes


class _AsIs:
    """Writes bytes as they came."""

    under_way = 0
    coercion_failures: Mapping[str, int] = MappingProxyType({})

    def encode(self, records: Sequence[bytes]) -> bytes:
        return b"".join(records)

    def finish(self) -> bytes:
        return b""

    def close(self) -> None:
        pass
