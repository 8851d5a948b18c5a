"""Collectors, each a log that exports fill, and the streams that read them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import time
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from airflow_provider_twexport.simulator.prng import hash64
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from airflow_provider_twexport.simulator.talkwalker.settings import TalkwalkerSettings

COLLECTOR_ID = re.compile(r"[a-z][a-z0-9_-]*")
# results that arrive within so many seconds expire together
EXPIRY_RESOLUTION = 60.0
LINES_AT_ONCE = 100
POLL_SECONDS = 0.05
KEEPALIVE = b"\n"


class ResultSource(Protocol):
    """What fills a collector; it can write its results again at any time."""

    def lines(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the CT_RESULT lines of its results `[first, last)`."""


@dataclass(slots=True)
class Extent:
    """Results `[first, last)` of one source that are next to each other in a log, added at about the same time."""

    source: ResultSource
    first: int
    last: int
    added: float


class Collector:
    """A log of results at growing positions.

    :param base: the position of its first result.
    """

    def __init__(self, collector_id: str, query: dict[str, Any], base: int, created: float) -> None:
        self.id = collector_id
        self.query = query
        self.created = created
        self.paused = not query
        self.base = self.earliest = self.end = base
        self.deleted = False
        self._extents: list[Extent] = []
        self._ends: list[int] = []

    @property
    def state(self) -> str:
        """PAUSED is normal: a collector without a query only serves as a target."""
        return "DELETED" if self.deleted else "PAUSED" if self.paused else "ACTIVE"

    def append(self, source: ResultSource, first: int, last: int, now: float) -> None:
        """Add the results `[first, last)` of a source at the end of the log."""
        if first == last:
            return
        self.end += last - first
        latest = self._extents[-1] if self._extents else None
        if (
            latest
            and latest.source is source
            and latest.last == first
            and now - latest.added < EXPIRY_RESOLUTION
        ):
            latest.last = last
            self._ends[-1] = self.end
        else:
            self._extents.append(Extent(source, first, last, now))
            self._ends.append(self.end)

    def expire(self, before: float) -> None:
        """Drop the results that were added before this time."""
        expired = 0
        while expired < len(self._extents) and self._extents[expired].added < before:
            expired += 1
        if expired:
            self.earliest = self._ends[expired - 1]
            del self._extents[:expired], self._ends[:expired]

    def lines(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the CT_RESULT lines at positions `[first, last)`."""
        number = bisect_right(self._ends, first)
        while first < last:
            extent, end = self._extents[number], self._ends[number]
            stop = min(end, last)
            shift = extent.last - end
            yield from extent.source.lines(first + shift, stop + shift)
            first = stop
            number += 1


class Collectors:
    """The collectors of the account by id."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._collectors: dict[str, Collector] = {}
        self._created = 0

    def put(self, collector_id: str, query: dict[str, Any], now: float) -> Collector:
        """Create a collector, or replace the query of an existing one; its results stay."""
        if not COLLECTOR_ID.fullmatch(collector_id):
            raise TalkwalkerError(5, param="collector_id", details=f"must match {COLLECTOR_ID.pattern}")
        if collector := self._collectors.get(collector_id):
            collector.query, collector.paused = query, not query
            return collector
        self._created += 1
        # Real logs do not begin at a round position: the first block is short.
        base = 205_000_000 + hash64(self._seed, collector_id, self._created) % 1_000_000
        collector = self._collectors[collector_id] = Collector(collector_id, query, base, now)
        return collector

    def get(self, collector_id: str) -> Collector:
        """Return a collector.

        :raises TalkwalkerError: error 15 if there is none.
        """
        if collector := self._collectors.get(collector_id):
            return collector
        raise TalkwalkerError(15, "Wrong collector id: no such collector.", collector_id=collector_id)

    def find(self, collector_id: str) -> Collector | None:
        """Return a collector, if there is one."""
        return self._collectors.get(collector_id)

    def delete(self, collector_id: str) -> Collector:
        """Delete a collector with all its results."""
        collector = self.get(collector_id)
        collector.deleted = True
        del self._collectors[collector_id]
        return collector

    def expire(self, before: float) -> None:
        """Drop the results that were added before this time."""
        for collector in self._collectors.values():
            collector.expire(before)

    def listed(self, now: float, settings: TalkwalkerSettings) -> list[Collector]:
        """List the collectors that the service's list shows, in order of creation."""
        delay = settings.collector_list_delay_seconds
        return [each for each in self._collectors.values() if each.created + delay <= now]


def encode_offset(position: int, beat: int = 0) -> str:
    """Write a log position as an opaque token: url-safe base64 of a protocol buffer.

    :param beat: tells tokens of the same position apart.
    """
    varint = bytearray()
    while position > 0x7F:
        varint.append(position & 0x7F | 0x80)
        position >>= 7
    varint.append(position)
    suffix = bytes((0x18, *beat.to_bytes(4))) if beat else b""
    raw = bytes((0x12, len(varint))) + varint + suffix
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode_offset(token: str) -> int | None:
    """Read the log position of a token; None if `encode_offset` did not write it."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    varint, beat = (raw[2:-5], int.from_bytes(raw[-4:])) if raw[-5:-4] == b"\x18" else (raw[2:], 0)
    position = sum((byte & 0x7F) << (7 * index) for index, byte in enumerate(varint))
    return position if encode_offset(position, beat) == token.rstrip("=") else None


def starting_point(collector: Collector, requested: str, settings: TalkwalkerSettings) -> tuple[int, str]:
    """Return the position where a read starts, and the offset in its first control.

    :param requested: `earliest`, `latest` or a token.
    """
    if requested == "earliest":
        return collector.earliest, requested
    if requested == "latest":
        return collector.end, encode_offset(collector.end)
    position = decode_offset(requested)
    if position is not None and collector.base <= position <= collector.end:
        return max(position - settings.resume_overlap, collector.earliest), requested
    if settings.bad_offset == "restart":
        return collector.earliest, "earliest"
    raise TalkwalkerError(5, param="resume_offset", details="unknown offset")


@dataclass
class Reader:
    """One connection that reads one collector: CT_CONTROL and CT_RESULT lines in the order of the service.

    :param settings: returns the settings in force.
    :param advance: brings the account up to date.
    :param position: where it reads next.
    :param first_offset: the offset in the first control.
    """

    collector: Collector
    settings: Callable[[], TalkwalkerSettings]
    advance: Callable[[], None]
    connection_id: str
    position: int
    first_offset: str

    def __post_init__(self) -> None:
        self._blocks = self._beats = self._results = 0
        self._control_position = self.position
        # blocks before it were delivered by an earlier read, so they do not end this one
        self._resumed_at = decode_offset(self.first_offset) or self.position

    async def until_stop(self) -> AsyncIterator[list[bytes]]:
        """Yield the lines of a few blocks, and then a control if there was a result after the last one."""
        yield [self._control(self.first_offset)]
        most = self.settings().blocks_per_stop
        while (most is None or self._blocks < most) and (lines := self._next_lines()):
            yield lines
        if self._control_position != self.position:
            yield [self._control(encode_offset(self.position))]

    async def and_wait(self) -> AsyncIterator[list[bytes]]:
        """Yield all lines and those of later results, with heartbeats, until the client disconnects."""
        yield [self._control(self.first_offset)]
        last_sent = time.monotonic()
        while not self.collector.deleted:
            most = self.settings().results_per_wait
            if most is not None and self._results >= most:
                return
            if lines := self._next_lines(LINES_AT_ONCE if most is None else most - self._results):
                yield lines
                last_sent = time.monotonic()
            elif time.monotonic() - last_sent >= self.settings().keepalive_seconds:
                yield self._heartbeat()
                last_sent = time.monotonic()
            else:
                await asyncio.sleep(POLL_SECONDS)

    def _next_lines(self, most: int = LINES_AT_ONCE) -> list[bytes]:
        """Read results up to the end of the block or of the log, and the control of a complete block."""
        self.advance()
        block_size = self.settings().control_every
        self.position = max(self.position, self.collector.earliest)
        block_end = (self.position // block_size + 1) * block_size
        last = min(block_end, self.collector.end, self.position + min(most, LINES_AT_ONCE))
        lines = list(self.collector.lines(self.position, last))
        self._results += last - self.position
        self.position = last
        if last == block_end:
            lines.append(self._control(encode_offset(last)))
            self._blocks += last > self._resumed_at
            self._control_position = last
        return lines

    def _heartbeat(self) -> list[bytes]:
        kind = self.settings().heartbeat
        if kind == "moving_control":
            self._beats += 1
            return [self._control(encode_offset(self.position, self._beats))]
        if kind == "circling_control":
            self._beats = self._beats % 2 + 1
            return [self._control(encode_offset(self.position, self._beats))]
        if kind == "control":
            return [self._control(self._last_offset)]
        return [KEEPALIVE] if kind == "blank" else []

    def _control(self, offset: str) -> bytes:
        self._last_offset = offset
        chunk = {
            "connection_id": self.connection_id,
            "resume_offset": offset,
            "collector_id": self.collector.id,
        }
        return msgspec.json.encode({"chunk_type": "CT_CONTROL", "chunk_control": chunk}) + b"\n"
