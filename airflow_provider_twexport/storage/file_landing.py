"""Files become parts, byte for byte, and parts a manifest: through crashes at any moment, in constant memory.

A crash loses what came after the last checkpoint, which lists the complete files. A retry resumes with the next file,
under names of its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_twexport import __version__
from airflow_provider_twexport.exceptions import ReadInterruptedError
from airflow_provider_twexport.storage import part_verification, resume
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.formats import AS_IS
from airflow_provider_twexport.storage.manifest import CHECKPOINT, Manifest, empty_manifest
from airflow_provider_twexport.storage.part import now
from airflow_provider_twexport.storage.part_writer import PartWriter
from airflow_provider_twexport.storage.tries import Try

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

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
    """Lands the files of one export in one directory; created by :meth:`open`.

    :param lost: which parts of a complete landing, which this one replaces, are lost.
    """

    def __init__(
        self, directory: Directory, landed: Manifest, lost: str | None = None, *, is_first: bool = False
    ) -> None:
        self._directory = directory
        self._landed = landed
        self._try = Try(directory, is_first, lost)
        self._saved_bytes = landed.bytes

    @classmethod
    def open(cls, directory: StoragePath | str | os.PathLike[str], *, source: Mapping[str, Any]) -> Self:
        """Start a landing, resume an interrupted one, or find that it is complete.

        :param directory: of this landing and no other.
        :param source: goes into the manifest; :func:`resume.owner` says whose results these are.
        :raises DirectoryInUseError: the directory belongs to another owner.
        """
        place = Directory(directory)
        earlier = resume.load(place, source)
        if earlier.committed:
            return cls(place, earlier.committed)
        if earlier.lost:
            log.warning("%s was complete, and now %s: landing again", place, earlier.lost)
        found = next(iter(earlier.unfinished), empty_manifest(source, AS_IS.name))
        return cls(place, found, earlier.lost, is_first=earlier.is_empty)

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
        landed = [(part.last_cursor, part.bytes) for part in self._landed.parts]
        listed = [(file.key, file.size) for file in files]
        problem = part_verification.lost(self._landed.parts, self._directory.sizes())
        if landed != listed[: len(landed)]:
            problem = "the service lists other files now"
        if problem is None:
            return files[len(landed) :]
        log.warning("%s: an earlier try is not resumed, because %s", self._directory, problem)
        self._landed, self._saved_bytes = empty_manifest(self._landed.source, AS_IS.name), 0
        return files

    def copy(self, file: SourceFile, blocks: Iterable[bytes], total: int) -> None:
        """Land the next file; it becomes visible when all of its bytes are there.

        :param blocks: its bytes.
        :param total: bytes of all files together.
        :raises ReadInterruptedError: more or fewer bytes came than the file has.
        """
        name = self._try.part_name(len(self._landed.parts), file.suffix)
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
            self._save_checkpoint()

    def commit(self, files: int, source: Mapping[str, Any]) -> Manifest:
        """Write the manifest, and if it is complete remove the files of other tries.

        :param files: how many files the export has.
        :param source: goes into the manifest.
        :returns: the manifest; that of another try, if that was faster.
        :raises IncompleteLandingError: somebody has removed parts of this landing.
        """
        self._landed = replace(self._landed, exported=files, source=dict(source))
        self._landed = self._try.commit(self._stamped(complete=self._landed.results == files))
        if self._landed.complete:
            resume.cleanup(self._directory)
        return self._landed

    def __enter__(self) -> Self:
        """Return the landing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End this try; an error also says which parts of an earlier landing are lost."""
        self._try.end()
        self._try.explain(error)

    def _save_checkpoint(self) -> None:
        self._try.begin()
        self._landed = self._stamped(complete=False)
        self._directory.write(CHECKPOINT, self._landed.to_json().encode())
        self._saved_bytes = self._landed.bytes

    def _stamped(self, *, complete: bool) -> Manifest:
        return replace(self._landed, complete=complete, created_at=now(), provider_version=__version__)


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
