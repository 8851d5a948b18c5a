"""A file that becomes visible complete or not at all: locally by renaming, elsewhere by completing the upload."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_twexport.exceptions import IncompleteLandingError

UPLOAD_BLOCK = 8 * 1024 * 1024


class AtomicFile(Protocol):
    """A file that is being written: nobody sees it before ``commit``, and never after ``discard``."""

    def write(self, data: bytes | bytearray, /) -> object:
        """Add bytes at the end."""

    def commit(self) -> None:
        """Make the file visible, replacing one of the same name."""

    def discard(self) -> None:
        """Drop what was written; an existing file of that name stays unchanged."""


class LocalFile:
    """A temporary file next to its target, synced to disk and then renamed over it.

    :param path: the target.
    """

    def __init__(self, path: str) -> None:
        self._target = Path(path)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        # The random part keeps two overlapping tries from writing to the same file.
        self._temporary = self._target.with_name(f".{self._target.name}.{secrets.token_hex(4)}.tmp")
        self._file = self._temporary.open("xb", buffering=0)

    def write(self, data: bytes | bytearray, /) -> None:
        """Add bytes at the end."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def commit(self) -> None:
        """Sync the bytes, rename, then sync the name: a power cut leaves the old file or the new one."""
        os.fsync(self._file.fileno())
        self._file.close()
        try:
            os.replace(self._temporary, self._target)
        except FileNotFoundError:
            raise IncompleteLandingError(
                f"{self._target} was removed while it was being written: another try has landed everything and "
                "cleaned up, or somebody else removes files there. A retry finds what has landed."
            ) from None
        _sync_directory(self._target.parent)

    def discard(self) -> None:
        """Remove the temporary file."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)


class UploadedFile:
    """An fsspec upload in blocks, completed only on ``commit``: on S3, Azure Blob and Google Cloud Storage.

    :param fs: the filesystem.
    :param path: the target in that filesystem's own spelling.
    """

    def __init__(self, fs: Any, path: str) -> None:
        # fs.open would keep the file, and up to a block, as long as the filesystem exists.
        self._file = fs._open(path, "wb", block_size=UPLOAD_BLOCK, autocommit=False)
        # Python closes collected files, and adlfs, which has no autocommit, completes the upload on close.
        self._file._unclosable = True

    def write(self, data: bytes | bytearray, /) -> None:
        """Add bytes at the end."""
        self._file.write(data)

    def commit(self) -> None:
        """Send the last block and complete the upload."""
        self._file._unclosable = False
        self._file.close()
        self._file.commit()

    def discard(self) -> None:
        """Abort the upload; Azure Blob drops its blocks by itself."""
        self._file._unclosable = True
        self._file.discard()


def create(fs: Any, path: str) -> AtomicFile:
    """Start a file that becomes visible complete or not at all.

    :param fs: an fsspec filesystem.
    :param path: the target in that filesystem's own spelling.
    """
    return LocalFile(path) if is_local(fs) else UploadedFile(fs, path)


def is_local(fs: Any) -> bool:
    """Return whether the filesystem is this machine's own."""
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(fs, LocalFileSystem)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
