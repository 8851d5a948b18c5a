"""A manifest for files that somebody else wrote: each is read once, and none is copied or changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.exceptions import NotReadyError
from airflow_provider_twexport.storage import manifest, part_verification, resume
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.encoding import READ_BLOCK
from airflow_provider_twexport.storage.file_ends import FileEnds
from airflow_provider_twexport.storage.formats import AS_IS
from airflow_provider_twexport.storage.manifest import MANIFEST, Manifest, empty_manifest
from airflow_provider_twexport.storage.part import Part, now

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from airflow_provider_twexport.storage.directory import StoragePath


@dataclass(slots=True)
class Registration:
    """The files of a directory, on their way into its manifest.

    :param path: of the directory.
    :param source: goes into the manifest; :func:`resume.owner` says whose files these are.
    :raises DirectoryInUseError: if the directory has the manifest of another owner.
    """

    path: StoragePath | str | os.PathLike[str]
    source: Mapping[str, Any]
    directory: Directory = field(init=False)
    _parts: dict[tuple[str, int], Part] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.directory = Directory(self.path)
        resume.check_owner(self.directory, self.source)

    @property
    def committed(self) -> Manifest | None:
        """Return the manifest of an earlier try, if all of its files are still here."""
        found = manifest.load(self.directory, MANIFEST)
        if found is None or not found.complete:
            return None
        return None if part_verification.lost(found.parts, self.directory.sizes()) else found

    def look(self) -> tuple[int, int | None]:
        """Read the files that were not read yet; return how many there are, and their rows, if these are known.

        :raises NotReadyError: if one of them is not what its name says, perhaps because it is still being written.
        """
        sizes = self._sizes()
        self._parts = {
            (name, size): self._parts.get((name, size)) or self._read(name) for name, size in sizes.items()
        }
        rows = [part.rows for part in self._parts.values()]
        return len(rows), None if None in rows else sum(count for count in rows if count is not None)

    def commit(self, source: Mapping[str, Any]) -> Manifest:
        """Write the manifest of the files that the last look found.

        :param source: goes into the manifest.
        """
        parts, cursor = [], None
        for part in self._parts.values():
            parts.append(replace(part, first_cursor=cursor))
            cursor = part.last_cursor
        landed = replace(
            empty_manifest(source, AS_IS.name),
            complete=True,
            parts=tuple(parts),
            results=len(parts),
            exported=len(parts),
            bytes=sum(part.bytes for part in parts),
            final_cursor=cursor,
        )
        self.directory.write(MANIFEST, landed.to_json().encode())
        return landed

    def _sizes(self) -> dict[str, int]:
        """Return the size of each file that holds data, by name; the others are marks, such as ``_SUCCESS``."""
        sizes = self.directory.sizes()
        return {name: sizes[name] for name in sorted(sizes) if not name.startswith(("_", "."))}

    def _read(self, name: str) -> Part:
        digest, size = hashlib.sha256(), 0
        ends = FileEnds(is_parquet=name.endswith(".parquet"))
        with self.directory.open(name) as file:
            while block := file.read(READ_BLOCK):
                digest.update(block)
                ends.add(block)
                size += len(block)
        if problem := ends.problem:
            raise NotReadyError(
                f"{self.directory}/{name} {problem}: it may still be written. A retry reads it again."
            )
        return Part(name, 1, size, digest.hexdigest(), None, name, written_at=now(), rows=ends.rows)
