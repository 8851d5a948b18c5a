"""Writing one part to storage."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from airflow_provider_twexport.storage.part import Part, now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from airflow_provider_twexport.storage.directory import Directory
    from airflow_provider_twexport.storage.encoding import Encoder

PENDING_WRITES = 2


class PartWriter:
    """Writes records to a part that becomes visible on ``commit``, with its size and sha256.

    A thread computes the digest and stores; its errors surface in a later ``write`` or in ``commit``.

    :param directory: of the landing.
    :param name: the part's file name.
    :param encoder: of the file format.
    :param first_cursor: the cursor before its first record.
    """

    def __init__(self, directory: Directory, name: str, encoder: Encoder, first_cursor: str | None) -> None:
        self.results = 0
        self.bytes = 0
        self._name = name
        self._first_cursor = first_cursor
        self._sha256 = hashlib.sha256()
        self._encoder = encoder
        self._storing = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._pending: deque[Future[None]] = deque()
        self._file = directory.create(name)

    @property
    def expected_bytes(self) -> int:
        """About how large the part is with everything that was written so far."""
        return self.bytes + self._encoder.pending_bytes

    def write(self, records: Sequence[bytes]) -> None:
        """Add records at the end."""
        self._add(self._encoder.encode(records))
        self.results += len(records)

    def commit(self, last_cursor: str | None) -> Part:
        """Make the part visible and return its description.

        :param last_cursor: the cursor after its last record.
        """
        self._add(self._encoder.finish())
        self._wait(0)
        self._end_threads()
        self._file.commit()
        return Part(
            name=self._name,
            results=self.results,
            bytes=self.bytes,
            sha256=self._sha256.hexdigest(),
            first_cursor=self._first_cursor,
            last_cursor=last_cursor,
            coercion_failures=dict(self._encoder.coercion_failures),
            written_at=now(),
        )

    def discard(self) -> None:
        """Remove everything that was written of the part."""
        try:
            self._end_threads()
        finally:
            self._file.discard()

    def _add(self, data: bytes) -> None:
        if data:
            self._pending.append(self._storing.submit(self._store, data))
            self.bytes += len(data)
            self._wait(PENDING_WRITES)

    def _store(self, data: bytes) -> None:
        self._sha256.update(data)
        self._file.write(data)

    def _wait(self, left: int) -> None:
        while len(self._pending) > left:
            self._pending.popleft().result()

    def _end_threads(self) -> None:
        self._storing.shutdown(cancel_futures=True)
        self._encoder.close()
