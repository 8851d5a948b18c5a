"""The directory that a landing lives in, on any fsspec filesystem."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, cast

from airflow_provider_twexport.storage import atomic_file, stale_uploads

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from airflow_provider_twexport.storage.atomic_file import AtomicFile


class StoragePath(Protocol):
    """The part of a path object that is used; ``upath.UPath`` and Airflow's ``ObjectStoragePath`` both have it."""

    @property
    def fs(self) -> Any:
        """The fsspec filesystem."""

    @property
    def path(self) -> str:
        """The path in that filesystem's own spelling."""


class Directory:
    """Files by name in one directory; they appear complete or not at all.

    The filesystem is used directly: each call through Airflow's path object is slow.

    :param path: the directory, as a path object or as anything that ``upath.UPath`` understands.
    """

    def __init__(self, path: StoragePath | str | os.PathLike[str]) -> None:
        place = as_storage_path(path)
        self._fs = place.fs
        self._root = os.path.abspath(place.path) if atomic_file.is_local(place.fs) else place.path.rstrip("/")

    def __str__(self) -> str:
        """Return the address, for messages."""
        return str(self._fs.unstrip_protocol(self._root))

    def create(self, name: str) -> AtomicFile:
        """Start a file; it is not visible before its ``commit``."""
        return atomic_file.create(self._fs, self._at(name))

    def write(self, name: str, data: bytes) -> None:
        """Write a small file at once, replacing one of the same name."""
        if not atomic_file.is_local(self._fs):
            self._fs.pipe_file(self._at(name), data)
            return
        file = self.create(name)
        try:
            file.write(data)
            file.commit()
        except BaseException:
            file.discard()
            raise

    def read(self, name: str) -> bytes | None:
        """Return a small file's bytes; ``None`` if it does not exist."""
        self._forget_listing()
        try:
            return bytes(self._fs.cat_file(self._at(name)))
        except FileNotFoundError:
            return None

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading in blocks.

        :raises FileNotFoundError: it does not exist.
        """
        self._forget_listing()
        # gcsfs by default requests as little as its reader does, thousands of times for a part.
        blocks = {"block_size": atomic_file.UPLOAD_BLOCK, "cache_type": "readahead"}
        file: BinaryIO = self._fs.open(self._at(name), "rb", **blocks)
        return file

    def names(self) -> list[str]:
        """Return the names of all files."""
        self._forget_listing()
        try:
            paths = self._fs.ls(self._root, detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def sizes(self) -> dict[str, int]:
        """Return the size of each file, by name, from one listing."""
        if atomic_file.is_local(self._fs):
            return _local_sizes(self._root)
        self._forget_listing()
        try:
            found = self._fs.ls(self._root, detail=True)
        except FileNotFoundError:
            return {}
        return {
            it["name"].rstrip("/").rpartition("/")[2]: it["size"] or 0 for it in found if it["type"] == "file"
        }

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._at(name))

    def abort_uploads(self, is_ours: Callable[[str], object]) -> None:
        """Abort the uploads that were started and not committed, if the store keeps them; a running one then fails.

        :param is_ours: returns for a file's name whether to abort its uploads.
        """
        stale_uploads.abort(self._fs, self._root, is_ours)

    def _forget_listing(self) -> None:
        # s3fs answers even "does it exist" from a cached listing, which other tries have outdated.
        self._fs.invalidate_cache(self._root)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"


def _local_sizes(root: str) -> dict[str, int]:
    # fsspec's listing fails if another try removes a file meanwhile
    found = {}
    with suppress(FileNotFoundError), os.scandir(root) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_file():
                    found[entry.name] = entry.stat().st_size
    return found


def as_storage_path(path: StoragePath | str | os.PathLike[str]) -> StoragePath:
    """Return a path object as it is, anything else as a ``upath.UPath``."""
    if hasattr(path, "fs"):
        return cast("StoragePath", path)
    from upath import UPath

    return UPath(path)
