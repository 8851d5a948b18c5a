"""Files become parts, byte for byte, and parts a manifest: through crashes at any moment, in constant memory.

A crash loses what came after the last checkpoint, which lists the complete files. A retry resumes with the next file.
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
from airflow_provider_twexport.storage.manifest import CHECKPOINT, MANIFEST, Manifest, empty_manifest
from airflow_provider_twexport.storage.part import now
from airflow_provider_twexport.storage.part_writer import PartWriter

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_twexport.storage.directory import StoragePath

log = logging.getLogger(__name__)

# a checkpoint lists all files, so one after each of thousands of files would be most of what is written
CHECKPOINTS = 100


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the service.

    :param key: unique among the files of the export.
    :param suffix: the suffix of its part, such as ``snappy.parquet``.
    :param size: bytes.
    """

    key: str
    suffix: str
    size: int


class FileLanding:
    """Lands the files of one export in one directory; created by :meth:`open`."""

    def __init__(self, directory: Directory, landed: Manifest) -> None:
        self._directory = directory
        self._landed = landed
        self._saved_bytes = landed.bytes

    @classmethod
    def open(cls, directory: StoragePath | str | os.PathLike[str], *, source: Mapping[str, Any]) -> Self:
        """Start a landing, resume an interrupted one, or find that it is complete.

        :param directory: of this landing and no other.
        :param source: goes into the manifest; :func:`resume.owner` says whose results these are.
        :raises DirectoryInUseError: the directory belongs to another owner.
        """
        place = Directory(directory)
        found = resume.load(place, source)
        if found and found.complete:
            resume.cleanup(place, found)
        return cls(place, found or empty_manifest(source, AS_IS.name))

    @property
    def committed(self) -> Manifest | None:
        """The manifest, if the landing is complete already and there is nothing to read."""
        return self._landed if self._landed.complete else None

    @property
    def landed_bytes(self) -> int:
        """How many bytes the complete files hold."""
        return self._landed.bytes

    def missing(self, files: Sequence[SourceFile]) -> Sequence[SourceFile]:
        """Return the files that are still to be copied, in order; all of them if earlier tries saw other files."""
        there = set(self._directory.names())
        landed = [(part.last_cursor, part.bytes) for part in self._landed.parts]
        listed = [(file.key, file.size) for file in files]
        if landed == listed[: len(landed)] and all(part.name in there for part in self._landed.parts):
            return files[len(landed) :]
        log.warning(
            "%s: landing restarts from the beginning, because the service lists other files now",
            self._directory,
        )
        resume.remove_all(self._directory)
        self._landed, self._saved_bytes = empty_manifest(self._landed.source, AS_IS.name), 0
        return files

    def copy(self, file: SourceFile, blocks: Iterable[bytes], total: int) -> None:
        """Land the next file; it becomes visible when all of its bytes are there.

        :param blocks: its bytes.
        :param total: bytes of all files together.
        :raises ReadInterruptedError: more or fewer bytes came than the file has.
        """
        name = f"part-{len(self._landed.parts):05}.{file.suffix}"
        part = PartWriter(self._directory, name, _AsIs(), self._landed.final_cursor)
        try:
            for block in blocks:
                part.write([block])
            if part.bytes != file.size:
                raise ReadInterruptedError(f"{file.key} has {file.size} bytes, but {part.bytes} came.")
            copied = replace(part.commit(file.key), results=1)
        except BaseException:
            part.discard()
            raise
        self._landed = replace(
            self._landed,
            parts=(*self._landed.parts, copied),
            results=self._landed.results + 1,
            bytes=self._landed.bytes + copied.bytes,
            final_cursor=file.key,
        )
        if self._landed.bytes - self._saved_bytes >= total / CHECKPOINTS:
            self._save(CHECKPOINT, complete=False)

    def commit(self, files: int, source: Mapping[str, Any]) -> Manifest:
        """Write the manifest, and remove the files of earlier tries.

        :param files: how many files the export has.
        :param source: goes into the manifest.
        """
        self._landed = replace(self._landed, exported=files, source=dict(source))
        self._save(MANIFEST, complete=self._landed.results == files)
        resume.cleanup(self._directory, self._landed)
        return self._landed

    def _save(self, name: str, *, complete: bool) -> None:
        landed = replace(self._landed, complete=complete, created_at=now(), provider_version=__version__)
        self._directory.write(name, landed.to_json().encode())
        self._landed, self._saved_bytes = landed, landed.bytes


class _AsIs:
    """Writes bytes as received."""

    pending_bytes = 0
    coercion_failures: Mapping[str, int] = MappingProxyType({})

    def encode(self, records: Sequence[bytes]) -> bytes:
        return b"".join(records)

    def finish(self) -> bytes:
        return b""

    def close(self) -> None:
        pass
