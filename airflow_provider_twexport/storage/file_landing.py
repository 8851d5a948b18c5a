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
from airflow_provider_twexport.storage import resume
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.file_ends import FileEnds
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
    from airflow_provider_twexport.storage.part import Part

log = logging.getLogger(__name__)

# a crash loses at most this part of the files that have landed, and always less than two of twenty
CHECKPOINT_SHARE = 20


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
        self._number = self._saved_files = len(landed.parts)
        self._parts: dict[SourceFile, Part] = {}

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
        sizes = place.sizes() if found.parts else {}
        landing = cls(place, found, earlier.lost, is_first=earlier.is_empty)
        landing._resume([part for part in found.parts if sizes.get(part.name) == part.bytes])
        return landing

    @property
    def committed(self) -> Manifest | None:
        """The manifest, if the landing is complete already and there is nothing to read."""
        return self._landed if self._landed.complete else None

    @property
    def landed_files(self) -> int:
        """How many files are complete."""
        return len(self._landed.parts)

    @property
    def landed_bytes(self) -> int:
        """How many bytes the complete files hold."""
        return self._landed.bytes

    def has(self, file: SourceFile) -> bool:
        """Return whether a file is complete; an earlier try may have copied it."""
        return file in self._parts

    def rows(self, files: Iterable[SourceFile]) -> int | None:
        """Return how many rows files have that are here; ``None`` if that is unknown of one of them."""
        found = [self._parts[file].rows for file in files]
        return None if None in found else sum(rows for rows in found if rows is not None)

    def copy(self, file: SourceFile, blocks: Iterable[bytes]) -> None:
        """Land a file; it becomes visible when all of its bytes are there.

        :param blocks: its bytes.
        :raises ReadInterruptedError: more or fewer bytes came than the file has, or other ones than its name promises.
        """
        name = self._try.part_name(self._number, file.suffix)
        part = PartWriter(self._directory, name, _AsIs(), self._landed.final_cursor)
        ends = FileEnds(is_parquet=file.suffix.endswith("parquet"))
        try:
            for block in blocks:
                part.write([block])
                ends.add(block)
            if part.bytes != file.size:
                raise ReadInterruptedError(f"{file.key} has {file.size} bytes, but {part.bytes} came.")
            if problem := ends.problem:
                raise ReadInterruptedError(f"{file.key} {problem}. A retry reads it again.")
            copied = replace(part.commit(file.key), results=1, rows=ends.rows)
        except BaseException:
            part.discard()
            raise
        self._number += 1
        self._parts[file] = copied
        self._take([*self._landed.parts, copied])
        # each lists all files, so one after each of thousands of files would be most of what is written
        if self.landed_files - self._saved_files >= max(1, self.landed_files // CHECKPOINT_SHARE):
            self._save_checkpoint()

    def commit(self, files: Sequence[SourceFile], source: Mapping[str, Any]) -> Manifest:
        """Write the manifest of these files, in their order, and remove the files of other tries.

        :param files: all that the export has; each is here.
        :param source: goes into the manifest.
        :returns: the manifest; that of another try, if that was faster.
        :raises IncompleteLandingError: somebody has removed parts of this landing.
        """
        self._take([self._parts[file] for file in files])
        self._landed = replace(self._landed, exported=len(files), source=dict(source))
        self._landed = self._try.commit(self._stamped(complete=True))
        resume.cleanup(self._directory)
        return self._landed

    def _resume(self, parts: Sequence[Part]) -> None:
        self._take(parts)
        for part in parts:
            suffix = part.name.partition(".")[2]
            self._parts[SourceFile(str(part.last_cursor), suffix, part.bytes)] = part

    def _take(self, parts: Sequence[Part]) -> None:
        """Let these be the parts of the landing, in this order."""
        cursors = [None, *(part.last_cursor for part in parts)]
        chained = (replace(part, first_cursor=cursor) for part, cursor in zip(parts, cursors, strict=False))
        self._landed = replace(
            self._landed,
            parts=tuple(chained),
            results=len(parts),
            bytes=sum(part.bytes for part in parts),
            final_cursor=cursors[-1],
        )

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
        self._saved_files = self.landed_files

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
