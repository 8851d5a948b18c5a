"""One connection to a Talkwalker collector: a log of chunks whose offsets appear only now and then.

``GET /api/v3/stream/c/{collector}/results`` delivers at least once and may end at any byte. Results carry no
offset; each ``CT_CONTROL`` chunk carries one, and it means "everything before this chunk has been delivered". So only
results after the last control can be delivered again by the next connection: these are replays. Any other repeat
is a row of the log, exported and paid for. (Vendor pages "collectors" and "error handling"; captured traffic.)
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import simdjson
from xxhash import xxh3_64_intdigest

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.core.json_documents import without_surrogates
from airflow_provider_twexport.exceptions import (
    ReadIdleError,
    ReadInterruptedError,
    TwexportError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.chunks import whole_chunks
from airflow_provider_twexport.talkwalker.seen_offsets import SeenOffsets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

EARLIEST = "earliest"
LATEST = "latest"
EndBehaviour = Literal["stop", "wait"]
MAX_BATCH_RECORDS = 2_000


class _Control(msgspec.Struct, gc=False):
    resume_offset: str | int | None = None


class _Result(msgspec.Struct, gc=False):
    data: msgspec.Raw


class _Chunk(msgspec.Struct, gc=False):
    chunk_type: str
    chunk_control: _Control | None = None
    chunk_result: _Result | None = None


class _Matched(msgspec.Struct):
    task_id: str | None = None


class _Document(msgspec.Struct):
    matched: _Matched | None = None


class _ResultData(msgspec.Struct):
    data: _Document | None = None


_JSON = json.JSONDecoder()
_NOT_SPACE = re.compile(r"[^ \t\r\n]")
_CHUNKS = msgspec.json.Decoder(_Chunk)
_EXPORT = msgspec.json.Decoder(_ResultData)
_UNREADABLE = (ValueError, msgspec.DecodeError, RecursionError)
_INDEXED = re.compile(rb'"search_indexed":\s*(\d+)')
_LINE_BREAK = re.compile(rb"\r?\n[ \t\r\n]*")


def _chunk(text: bytes) -> _Chunk:
    """Return a chunk as it came, halves of surrogate pairs included."""
    readable = without_surrogates(text)
    chunk = _CHUNKS.decode(readable)
    if chunk.chunk_result is None:
        return _CHUNKS.decode(text)
    data = bytes(chunk.chunk_result.data)
    start = readable.index(data)
    chunk.chunk_result.data = msgspec.Raw(text[start : start + len(data)])
    return chunk


@dataclass(slots=True)
class ReadState:
    """What one connection must know of those before it.

    :param unconfirmed: how often each result, by its digest, was yielded since the last control.
    :param offsets: the cursors that were seen.
    :param until: epoch milliseconds of the service's clock when the first connection was opened; a collector that
        also receives live results is read up to there.
    """

    unconfirmed: Counter[int] = field(default_factory=Counter)
    offsets: SeenOffsets = field(default_factory=SeenOffsets)
    until: float = math.inf


@dataclass(slots=True)
class ResultsRead:
    """One connection to a collector's results, as batches that end at a cursor.

    :param asked: the cursor that the connection was opened with.
    :param export_id: the export whose results are wanted; ``None`` for all that the collector holds.
    :param explain: returns the error that a ``CT_ERROR`` chunk means.
    :param redact: takes the credential out of a text of the service.
    :param state: what earlier connections of the same read saw.
    """

    asked: str
    export_id: str | None
    explain: Callable[[Any], TwexportError]
    redact: Callable[[str], str] = str
    state: ReadState = field(default_factory=ReadState)
    cursor: str | None = field(default=None, init=False)
    arrived: int = field(default=0, init=False)
    pending: list[bytes] = field(default_factory=list, init=False)
    foreign: int = field(default=0, init=False)
    replays: int = field(default=0, init=False)
    is_idle: bool = field(default=False, init=False)
    is_past_end: bool = field(default=False, init=False)
    _replays_to_come: Counter[int] = field(default_factory=Counter, init=False)
    _began: str | None = field(default=None, init=False)
    _is_ahead: bool = field(default=False, init=False)
    _old_offsets: int = field(default=0, init=False)
    _progress: int = field(default=0, init=False)
    _mark: bytes = field(default=b"", init=False)
    _parser: simdjson.Parser = field(default_factory=simdjson.Parser, init=False)
    # what stands before and behind the result in its line; where it is the same, only the result has to be parsed
    _envelope: tuple[bytes, bytes] = field(default=(b"", b""), init=False)

    def __post_init__(self) -> None:
        self._replays_to_come = self.state.unconfirmed.copy()
        if self.export_id is not None:
            # how nearly each result of ours names its export; the few others are looked at closely
            self._mark = b'"task_id":"%b"' % self.export_id.encode()

    @property
    def unconfirmed(self) -> int:
        """Count the results since the last control that were not yielded: the next connection brings them again."""
        return len(self.pending)

    def batches(
        self, blocks: Iterable[bytes], *, missing: Callable[[], float], idle_seconds: float
    ) -> Iterator[Batch]:
        """Yield a batch for each control chunk.

        :param missing: returns how many results are wanted behind those yielded; with so many the read ends, though
            the connection stays open.
        :param idle_seconds: end when there was no progress for so long: no result, and no cursor not seen before.
            Keep-alive lines, single bytes and repeated controls are no progress.
        :raises ReadInterruptedError: if the body ends without its last control, or holds what is no chunk.
        :raises UnexpectedResponseError: if the cursors go round in a circle.
        :raises TwexportError: what a ``CT_ERROR`` chunk means.
        """
        progress, since = self._progress, time.monotonic()
        try:
            for text in whole_chunks(blocks):
                yield from self._taken(text)
                if self._progress > progress:
                    progress, since = self._progress, time.monotonic()
                self.is_idle = time.monotonic() - since > idle_seconds
                if self.is_idle or self.is_past_end or self.unconfirmed >= missing():
                    return
        except ReadIdleError:
            self.is_idle = True
            return
        if self.cursor is None or self.pending or self.foreign:
            raise ReadInterruptedError("The read broke off without its last control chunk.")

    def _taken(self, text: bytes) -> Iterator[Batch]:
        """Yield the batches that a piece of whole chunks completes."""
        start = 0
        while start < len(text):
            records, start = self._enveloped(text, start)
            if records and (batch := self._results(records)):
                yield batch
            stop = text.find(b"\n", start)
            stop = len(text) if stop < 0 else stop
            if (line := text[start:stop]) and not line.isspace():
                chunk = self._decoded(line)
                if chunk is None:
                    yield from filter(None, map(self._take, self._decoded_singly(text[start:])))
                    return
                if batch := self._take(chunk):
                    yield batch
            start = stop + 1

    def _enveloped(self, text: bytes, start: int) -> tuple[list[bytes], int]:
        """Return the results of the next lines, as many as a batch has room for, and where the line after them starts.

        These lines are wrapped like the last one, byte for byte, and their results are sound JSON in UTF-8.
        """
        records: list[bytes] = []
        (head, tail), parse = self._envelope, self._parser.parse
        for _ in range(MAX_BATCH_RECORDS - len(self.pending)):
            stop = text.find(b"\n", start)
            stop = len(text) if stop < 0 else stop
            if not head or not text.startswith(head, start) or not text.endswith(tail, start, stop):
                break
            record = text[start + len(head) : stop - len(tail)]
            try:
                parse(record)
            except (ValueError, RuntimeError):
                break
            records.append(record)
            start = stop + 1
        return records, start

    def _decoded(self, line: bytes) -> _Chunk | None:
        """Return the chunk of a line; ``None`` if it is an error, or not all of a chunk."""
        try:
            chunk = _CHUNKS.decode(line)
        except _UNREADABLE:
            return None
        if chunk.chunk_result:
            data = bytes(chunk.chunk_result.data)
            if data.startswith(b"{") and line.count(data) == 1:
                head, _, tail = line.partition(data)
                self._envelope = head, tail
        return None if chunk.chunk_type == "CT_ERROR" else chunk

    def _decoded_singly(self, text: bytes) -> Iterator[_Chunk]:
        """Yield what comes before a broken chunk or an error chunk, then raise what that means."""
        content = text.decode("utf-8", "surrogateescape")
        position = 0
        while start := _NOT_SPACE.search(content, position):
            try:
                value, position = _JSON.raw_decode(content, start.start())
                chunk = _chunk(content[start.start() : position].encode("utf-8", "surrogateescape"))
            except _UNREADABLE as error:
                raise self._no_chunk(error) from None
            if chunk.chunk_type == "CT_ERROR":
                raise self.explain(value)
            yield chunk

    def _no_chunk(self, error: Exception) -> ReadInterruptedError:
        return ReadInterruptedError(
            f"What follows {self.arrived:,} results and offset {self.cursor} is no chunk ({error})."
        )

    def _take(self, chunk: _Chunk) -> Batch | None:
        if chunk.chunk_type == "CT_CONTROL" and chunk.chunk_control:
            return self._control(chunk.chunk_control.resume_offset)
        if chunk.chunk_type == "CT_RESULT" and chunk.chunk_result:
            record = bytes(chunk.chunk_result.data)
            self._check_encoding(record)
            return self._results([_LINE_BREAK.sub(b"", record)])
        return None

    def _control(self, offset: str | int | None) -> Batch | None:
        if self.cursor is None:
            self._check_start(offset)
        if offset is None or str(offset) == self.cursor:
            # a heartbeat, or a log that is no further: from here the next connection brings the same results again
            return self.unconfirmed_batch() if self.pending or self.foreign else None
        is_first, cursor = self.cursor is None, self._checked(str(offset))
        if is_first:
            self._began = cursor
        if self.state.offsets.add(cursor):
            self._progress += 1
            self._is_ahead = not is_first
        elif not is_first:
            self._check_circle(cursor)
            # this connection begins before its offset: it confirms nothing until it is where the earlier ones ended
            return self.unconfirmed_batch() if self.pending or self.foreign else None
        self.cursor = cursor
        if not is_first:
            return self._batch(self.cursor)
        # it is where this connection starts, so it confirms nothing that an earlier one brought
        return None if self.state.unconfirmed else self._next_batch(self.cursor)

    def _check_start(self, offset: str | int | None) -> None:
        if offset is None or self.asked not in (str(offset), EARLIEST, LATEST):
            # never trust a read that starts elsewhere: rows would be missing or come twice
            raise ReadInterruptedError(
                f"The read was to start at offset {self.asked} and started at {self.redact(str(offset))}."
            )

    def _check_circle(self, offset: str) -> None:
        """Refuse an old offset after a new one, and more old offsets than there were."""
        if offset == self._began:
            return  # a connection that begins before its offset comes to it again
        self._old_offsets += 1
        if self._is_ahead or self._old_offsets > len(self.state.offsets):
            raise UnexpectedResponseError(
                f"The read is at offset {offset} for the second time, so it would never end. "
                "What came so far is kept. Report this to Talkwalker."
            )

    def _checked(self, offset: str) -> str:
        if self.redact(offset) != offset:
            raise UnexpectedResponseError(
                "The offset of a control chunk quotes the access token, so it must not be kept. "
                "Report this to Talkwalker."
            )
        return offset

    def _results(self, records: list[bytes]) -> Batch | None:
        """Take results; return a batch when there are enough for one."""
        if self.cursor is None:
            raise ReadInterruptedError("Results came before the first control chunk.")
        self._progress += len(records)
        # in most documents it stands near the end
        ours = [record for record in records if record.rfind(self._mark) >= 0 or not self._is_foreign(record)]
        self.foreign += len(records) - len(ours)
        if self._replays_to_come:
            came = len(ours)
            ours = [record for record in ours if not self._is_replay(record)]
            self.replays += came - len(ours)
        self.arrived += len(ours)
        self.pending += ours
        return self.unconfirmed_batch() if len(self.pending) >= MAX_BATCH_RECORDS else None

    def _is_replay(self, record: bytes) -> bool:
        digest = xxh3_64_intdigest(record)
        if not self._replays_to_come[digest]:
            return False
        self._replays_to_come[digest] -= 1
        return True

    def _check_encoding(self, record: bytes) -> None:
        # msgspec.Raw takes the bytes of strings on trust
        try:
            record.decode()
        except UnicodeDecodeError as error:
            raise self._no_chunk(error) from None

    def _is_foreign(self, record: bytes) -> bool:
        try:
            document = _EXPORT.decode(without_surrogates(record)).data
        except msgspec.ValidationError:
            return False
        task_id = document.matched.task_id if document and document.matched else None
        return task_id not in (None, self.export_id)

    def unconfirmed_batch(self) -> Batch:
        """Return the results behind the last control, as a batch without a cursor."""
        self.state.unconfirmed.update(map(xxh3_64_intdigest, self.pending))
        return self._next_batch(None)

    def _batch(self, cursor: str | None) -> Batch:
        self.is_past_end = bool(self.pending) and _indexed_at(self.pending[-1]) > self.state.until
        self.state.unconfirmed.clear()
        self._replays_to_come.clear()
        return self._next_batch(cursor)

    def _next_batch(self, cursor: str | None) -> Batch:
        batch = Batch(self.pending, cursor, self.foreign, self.replays)
        self.pending, self.foreign, self.replays = [], 0, 0
        return batch


def _indexed_at(record: bytes) -> float:
    """Return when a live result was indexed, in epoch milliseconds; exported ones are older than their read."""
    found = None if b'"task_id"' in record else _INDEXED.search(record)
    return int(found[1]) if found else 0
