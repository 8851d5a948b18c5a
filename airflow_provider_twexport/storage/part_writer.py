"""One part on its way to storage."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from airflow_provider_twexport.storage.manifest import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_twexport.storage.directory import Directory
    from airflow_provider_twexport.storage.formats import FileFormat

# Small writes are slow on every object store's file object.
WRITE_BLOCK = 1024 * 1024


class PartWriter:
    """Writes records to a part that becomes visible on ``commit``; its size and sha256 are known by then.

    :param directory: where to.
    :param name: the part's file name.
    :param file_format: how.
    :param first_offset: the cursor before its first record.
    """

    def __init__(
        self, directory: Directory, name: str, file_format: FileFormat, first_offset: str | None
    ) -> None:
        self.results = 0
        self.bytes = 0
        self._name = name
        self._first_offset = first_offset
        self._sha256 = hashlib.sha256()
        self._encoder = file_format.encoder()
        self._pending = bytearray()
        self._file = directory.create(name)

    def write(self, records: Sequence[bytes]) -> None:
        """Add records at the end."""
        self._add(self._encoder.encode(records))
        self.results += len(records)
        if len(self._pending) >= WRITE_BLOCK:
            self._flush()

    def commit(self, last_offset: str | None) -> Part:
        """Make the part visible and return what it is.

        :param last_offset: the cursor after its last record.
        """
        self._add(self._encoder.finish())
        self._flush()
        self._file.commit()
        return Part(
            self._name, self.results, self.bytes, self._sha256.hexdigest(), self._first_offset, last_offset
        )

    def discard(self) -> None:
        """Leave nothing of the part."""
        self._file.discard()

    def _add(self, data: bytes) -> None:
        self._pending += data
        self.bytes += len(data)

    def _flush(self) -> None:
        data, self._pending = self._pending, bytearray()
        self._sha256.update(data)
        self._file.write(data)
