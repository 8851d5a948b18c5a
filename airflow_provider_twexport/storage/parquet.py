"""Parquet parts: typed columns of JSON documents, and each document as received in the column ``raw``."""

from __future__ import annotations

from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_provider_twexport.exceptions import CorruptPartError
from airflow_provider_twexport.storage.arrow_tables import ArrowTableBuilder
from airflow_provider_twexport.storage.arrow_types import RAW, arrow_schema, leaves, repetitive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_twexport.core.schema import Schema

FRAME_BYTES = 2 * 1024 * 1024
PENDING_FRAMES = 1
# Documents shrink to about a third, and are stored twice: as columns and as received.
USUAL_RATIO = 2
READ_ROWS = 500
READ_BUFFER = 1024 * 1024


class ParquetEncoder:
    """Turns records into one Parquet file; one thread parses them, another compresses.

    Which bytes are ready depends on the records alone and not on the threads, so equal records give equal parts.

    :param schema: the columns to extract from each record.
    :param level: of zstd.
    :param row_group_bytes: a row group ends after about this many bytes of records.
    :param frame_bytes: how many bytes of records are parsed at a time.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        level: int,
        row_group_bytes: int,
        frame_bytes: int = FRAME_BYTES,
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Arrow's own allocator keeps a third more of the freed memory, and is no faster here.
        pa.set_memory_pool(pa.system_memory_pool())
        self._tables = ArrowTableBuilder(schema)
        self._row_group_bytes = row_group_bytes
        self._frame_bytes = frame_bytes
        self._coercion_failures: Counter[str] = Counter()
        self._out = _Out()
        self._file = pq.ParquetWriter(
            self._out,
            arrow_schema(schema),
            compression="zstd",
            compression_level=level,
            use_dictionary=repetitive(schema),
            write_statistics=leaves(schema),
        )
        self._frame: list[bytes] = []
        self._frame_size = 0
        self._group: list[Any] = []
        self._group_size = 0
        self._size = 0
        self._written = 0
        self._parser = ThreadPoolExecutor(1, "parquet-read")
        self._compressor = ThreadPoolExecutor(1, "parquet-write")
        self._frames: deque[tuple[int, Future[tuple[Any, Counter[str]]]]] = deque()
        self._writing_group: tuple[int, Future[bytes]] | None = None

    @property
    def coercion_failures(self) -> dict[str, int]:
        """How many records have a value that does not fit its column, by column; final after ``finish``."""
        return dict(sorted(self._coercion_failures.items()))

    @property
    def pending_bytes(self) -> int:
        """About how many bytes are still to come for the records so far."""
        return (self._size - self._written) // USUAL_RATIO

    def encode(self, records: Sequence[bytes]) -> bytes:
        """Take records and return the bytes of the row groups that are ready; the others come later."""
        self._frame += records
        size = sum(map(len, records))
        self._frame_size += size
        self._size += size
        return self._send(PENDING_FRAMES) if self._frame_size >= self._frame_bytes else b""

    def finish(self) -> bytes:
        """Return the last bytes."""
        data = self._send(0) + self._end_group() + self._collect()
        self._file.close()
        self.close()
        return data + self._out.take()

    def close(self) -> None:
        """Release everything, finished or not; a second call does nothing."""
        for threads in (self._parser, self._compressor):
            threads.shutdown(cancel_futures=True)
        self._frame, self._group = [], []
        self._frames.clear()
        self._writing_group = None

    def _send(self, left: int) -> bytes:
        if self._frame:
            self._frames.append((self._frame_size, self._parser.submit(self._tables.table, self._frame)))
            self._frame, self._frame_size = [], 0
        ready = b""
        while len(self._frames) > left:
            size, frame = self._frames.popleft()
            table, coercion_failures = frame.result()
            self._coercion_failures.update(coercion_failures)
            self._group.append(table)
            self._group_size += size
            if self._group_size >= self._row_group_bytes:
                ready += self._end_group()
        return ready

    def _end_group(self) -> bytes:
        if not self._group:
            return b""
        ready = self._collect()
        self._writing_group = self._group_size, self._compressor.submit(self._write, self._group)
        self._group, self._group_size = [], 0
        return ready

    def _collect(self) -> bytes:
        if self._writing_group is None:
            return b""
        (size, group), self._writing_group = self._writing_group, None
        self._written += size
        return group.result()

    def _write(self, tables: list[Any]) -> bytes:
        import pyarrow as pa

        group = pa.concat_tables(tables)
        tables.clear()
        self._file.write_table(group, row_group_size=group.num_rows)
        # the C library keeps the memory that the compressors freed, more with each part
        pa.system_memory_pool().release_unused()
        return self._out.take()


def decode(file: BinaryIO) -> Iterator[Sequence[bytes]]:
    """Yield a part's records as they were encoded, in constant memory.

    :param file: must be seekable.
    :raises CorruptPartError: the file is not complete Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        part = pq.ParquetFile(file, buffer_size=READ_BUFFER, pre_buffer=False)
        for batch in part.iter_batches(READ_ROWS, columns=[RAW], use_threads=False):
            yield batch.column(0).cast(pa.binary()).to_pylist()
    except (pa.ArrowException, OSError, KeyError) as error:
        msg = f"is not complete Parquet ({error})"
        raise CorruptPartError(msg) from error


class _Out:
    """The file that Parquet is written to: it buffers the bytes until ``take`` returns them."""

    closed = False

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing to flush."""

    def take(self) -> bytes:
        data, self._written = b"".join(self._written), []
        return data
