"""Reading the results of a Talkwalker collector: a log of chunks whose offsets appear only now and then.

``GET /api/v3/stream/c/{collector}/results`` delivers at least once and may end at any byte. Results carry no
offset; each ``CT_CONTROL`` chunk carries one, and it means "everything before this chunk has been delivered".
(Vendor pages "collectors" and "error handling"; framing as observed in captured traffic.)
"""

from __future__ import annotations

import json
import logging
import math
import re
import time
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import simdjson

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.core.retry import RetryState
from airflow_provider_twexport.core.timing import Timing
from airflow_provider_twexport.exceptions import (
    ReadInterruptedError,
    TransientError,
    TwexportError,
    UnexpectedResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from contextlib import AbstractContextManager

log = logging.getLogger(__name__)

EARLIEST = "earliest"
LATEST = "latest"
EndBehaviour = Literal["stop", "wait"]
MAX_CHUNK_BYTES = 16 * 1024 * 1024
MAX_BATCH_RECORDS = 2_000
# a `stop` read was seen to end after 334 results with more behind them; a remainder this small fits into one
ONE_STOP_READ = 300


class _Control(msgspec.Struct, gc=False):
    resume_offset: str | None = None


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
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_LINE_BREAK = re.compile(rb"\r?\n[ \t\r\n]*")


def whole_chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Cut a body into pieces of whole chunks, whatever the sizes of its blocks.

    Lines end at ``\n`` and nowhere else: U+2028 and its like are data. A pretty-printed body, told by its first
    line, is cut behind each ``}`` in the first column. Keep-alive lines come as empty pieces.

    :raises ReadInterruptedError: if a chunk is longer than 16 MiB.
    """
    blocks = iter(blocks)
    begun = b""
    for block in blocks:
        begun = (begun + block).lstrip()
        first, newline, _ = begun.partition(b"\n")
        if newline:
            cut = _cut_lines if _is_whole(first) else _cut_pretty
            yield from cut(chain((begun,), blocks))
            return
        _check_length(len(begun))
        yield b""
    yield begun


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def _cut_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    begun: list[bytes] = []
    for block in blocks:
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((*begun, block[:end]))
            begun = []
        begun.append(block[end:])
        _check_length(sum(map(len, begun)))
    yield b"".join(begun)


def _cut_pretty(blocks: Iterable[bytes]) -> Iterator[bytes]:
    begun = bytearray()
    for block in blocks:
        begun += block
        end = begun.rfind(b"\n}") + 2
        if end > 1:
            yield bytes(begun[:end])
            del begun[:end]
        else:
            yield b""
        _check_length(len(begun))
    yield bytes(begun)


def _check_length(length: int) -> None:
    if length > MAX_CHUNK_BYTES:
        raise ReadInterruptedError(f"A chunk is longer than {MAX_CHUNK_BYTES:,} bytes; refused.")


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


def without_surrogates(text: bytes) -> bytes:
    """Return JSON of the same shape and length without what is valid but refused by msgspec: half a pair."""
    return _SURROGATE.sub(rb"\\u0020", text)


@dataclass(slots=True)
class ResultsRead:
    """One connection to a collector's results, turned into batches that end where it can be gone on from.

    :param asked: the offset that the connection was opened with.
    :param export_id: the export whose results are wanted; ``None`` for all that the collector holds.
    :param explain: turns a ``CT_ERROR`` chunk into the error that it means.
    """

    asked: str
    export_id: str | None
    explain: Callable[[Any], TwexportError]
    offset: str | None = field(default=None, init=False)
    arrived: int = field(default=0, init=False)
    pending: list[bytes] = field(default_factory=list, init=False)
    foreign: int = field(default=0, init=False)
    is_idle: bool = field(default=False, init=False)
    _mark: bytes = field(default=b"", init=False)
    _parser: simdjson.Parser = field(default_factory=simdjson.Parser, init=False)
    # what stands before and behind the result in its line; where it is the same, only the result has to be parsed
    _envelope: tuple[bytes, bytes] = field(default=(b"", b""), init=False)

    def __post_init__(self) -> None:
        # how nearly each result of ours names its export; the few others are looked at closely
        self._mark = b'"task_id":"%b"' % (self.export_id or "").encode()

    @property
    def unconfirmed(self) -> int:
        """Count the results since the last control: the next connection brings them again."""
        return len(self.pending)

    def batches(
        self, blocks: Iterable[bytes], *, missing: Callable[[], float], idle_seconds: float
    ) -> Iterator[Batch]:
        """Yield a batch for each control chunk.

        :param missing: tells how many results are wanted behind those yielded; with so many the read ends, though
            the connection stays open.
        :param idle_seconds: end when no result has come for so long, though keep-alive lines do.
        :raises ReadInterruptedError: if the body ends without its last control, or holds what is no chunk.
        :raises TwexportError: what a ``CT_ERROR`` chunk means.
        """
        last_arrival = time.monotonic()
        for text in whole_chunks(blocks):
            yield from self._taken(text)
            if not text.isspace() and text:
                last_arrival = time.monotonic()
            self.is_idle = time.monotonic() - last_arrival > idle_seconds
            if self.is_idle or self.unconfirmed >= missing():
                return
        if self.offset is None or self.pending or self.foreign:
            raise ReadInterruptedError("The read broke off without its last control chunk.")

    def _taken(self, text: bytes) -> Iterator[Batch]:
        """Yield the batches that a piece of whole chunks completes."""
        start = 0
        while start < len(text):
            stop = text.find(b"\n", start)
            stop = len(text) if stop < 0 else stop
            record = self._enveloped(text, start, stop)
            if record is not None:
                batch = self._result(record)
            elif (line := text[start:stop]) and not line.isspace():
                chunk = self._decoded(line)
                if chunk is None:
                    yield from filter(None, map(self._take, self._decoded_singly(text[start:])))
                    return
                batch = self._take(chunk)
            else:
                batch = None
            if batch is not None:
                yield batch
            start = stop + 1

    def _enveloped(self, text: bytes, start: int, stop: int) -> bytes | None:
        """Return the result of a line that is wrapped like the last one, byte for byte, and sound JSON in UTF-8."""
        head, tail = self._envelope
        if not head or not text.startswith(head, start) or not text.endswith(tail, start, stop):
            return None
        record = text[start + len(head) : stop - len(tail)]
        try:
            self._parser.parse(record)
        except (ValueError, RuntimeError):
            return None
        return record

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
            f"What follows {self.arrived:,} results and offset {self.offset} is no chunk ({error})."
        )

    def _take(self, chunk: _Chunk) -> Batch | None:
        if chunk.chunk_type == "CT_CONTROL" and chunk.chunk_control:
            return self._control(chunk.chunk_control.resume_offset)
        if chunk.chunk_type == "CT_RESULT" and chunk.chunk_result:
            record = bytes(chunk.chunk_result.data)
            self._check_encoding(record)
            return self._result(_LINE_BREAK.sub(b"", record))
        return None

    def _control(self, offset: str | None) -> Batch | None:
        if self.offset is None and self.asked not in (offset, LATEST):
            # never trust a read that starts elsewhere: rows would be missing or come twice
            raise ReadInterruptedError(f"The read was to go on from {self.asked} but started at {offset}.")
        moved = offset != self.offset
        self.offset = offset
        return self._batch(offset) if moved or self.pending or self.foreign else None

    def _result(self, record: bytes) -> Batch | None:
        if self.offset is None:
            raise ReadInterruptedError("Results came before the first control chunk.")
        if self._is_foreign(record):
            self.foreign += 1
            return None
        self.arrived += 1
        self.pending.append(record)
        return self._batch(None) if len(self.pending) >= MAX_BATCH_RECORDS else None

    def _check_encoding(self, record: bytes) -> None:
        # msgspec.Raw takes the bytes of strings on trust
        try:
            record.decode()
        except UnicodeDecodeError as error:
            raise self._no_chunk(error) from None

    def _is_foreign(self, record: bytes) -> bool:
        # in most documents it stands near the end
        if self.export_id is None or record.rfind(self._mark) >= 0:
            return False
        try:
            document = _EXPORT.decode(without_surrogates(record)).data
        except msgspec.ValidationError:
            return False
        task_id = document.matched.task_id if document and document.matched else None
        return task_id not in (None, self.export_id)

    def _batch(self, cursor: str | None) -> Batch:
        batch = Batch(self.pending, cursor, self.foreign)
        self.pending, self.foreign = [], 0
        return batch


@dataclass(slots=True)
class ResultsReader:
    """Reads a collector until nothing new comes, through cuts, faults and throttling.

    One long ``wait`` connection brings what is there: the endpoint allows 5 calls a minute and a ``stop`` read
    may end after a few hundred results. ``stop`` reads then confirm that nothing is left, and take over where
    ``wait`` misbehaves.

    :param open_read: opens a connection at an offset with an end behaviour and hands out its blocks.
    :param explain: turns a ``CT_ERROR`` chunk into the error that it means.
    :param offset: where to go on; ``earliest`` for the beginning.
    :param export_id: the export whose results are wanted; ``None`` for all.
    :param missing: tells how many results are still to come behind the batches yielded; infinity if nobody knows.
    :param timing: how many faults are retried while no new offset comes, and how long a read may be idle.
    """

    open_read: Callable[[str, EndBehaviour], AbstractContextManager[Iterator[bytes]]]
    explain: Callable[[Any], TwexportError]
    offset: str = EARLIEST
    export_id: str | None = None
    missing: Callable[[], float] = lambda: math.inf
    timing: Timing = field(default_factory=Timing)
    _ahead: int = field(default=0, init=False)
    _is_idle: bool = field(default=False, init=False)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches that go on from each other.

        :raises TwexportError: what the service says when it is no passing fault, or when faults do not end.
        """
        try:
            if self.missing() > ONE_STOP_READ:
                yield from self._wait()
            yield from self._stop()
        except TwexportError as error:
            error.add(f"The read came to offset {self.offset}.")
            raise

    def _wait(self) -> Iterator[Batch]:
        """Read long connections until all has been seen, or one brings nothing."""
        retry_state = RetryState(self.timing.retry)
        while self.missing() > self._ahead:
            before = self.offset
            try:
                yield from self._read("wait", self.missing)
                if self._is_idle or self.offset == before:
                    return
            except TransientError as error:
                if self.offset != before:
                    retry_state.reset()
                if not retry_state.may_retry(error):
                    log.warning("%s Going on with short reads.", error)
                    return
                retry_state.wait(error)

    def _stop(self) -> Iterator[Batch]:
        """Read short connections until one brings nothing that was not seen before."""
        retry_state = RetryState(self.timing.retry)
        seen_before = self._ahead
        while True:
            before = self.offset
            try:
                brought = yield from self._read("stop", lambda: math.inf)
                if self._is_idle:
                    raise ReadInterruptedError("A short read stays open, though nothing comes any more.")
            except TransientError as error:
                if self.offset != before:
                    retry_state.reset()
                retry_state.wait(error)
                continue
            retry_state.reset()
            if brought and self.offset == before:
                raise UnexpectedResponseError(f"Results come, but the offset stays at {before}.")
            if not brought or (brought <= seen_before and self.missing() <= 0):
                return
            seen_before = 0

    def _read(self, end_behaviour: EndBehaviour, missing: Callable[[], float]) -> Generator[Batch, None, int]:
        """Yield the batches of one connection; return how many results, foreign ones too, it brought."""
        read = ResultsRead(self.offset, self.export_id, self.explain)
        brought = self._ahead = 0
        with self.open_read(self.offset, end_behaviour) as blocks:
            for batch in read.batches(blocks, missing=missing, idle_seconds=self.timing.idle_read):
                brought += len(batch.records) + batch.foreign
                self.offset = batch.cursor or self.offset
                yield batch
        # the next read brings these again, because no control has come behind them
        self._ahead = read.unconfirmed
        self._is_idle = read.is_idle
        return brought
