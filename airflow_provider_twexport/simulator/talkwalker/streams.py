"""Collectors, each a log that exports fill, and the streams that read them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import time
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.prng import number
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from airflow_provider_twexport.simulator.talkwalker.jobs import Export
    from airflow_provider_twexport.simulator.talkwalker.settings import Settings


def encode_offset(position: int) -> str:
    """Write a log position as a token."""
    varint = bytearray()
    while position > 0x7F:
        varint.append(position & 0x7F | 0x80)
        position >>= 7
    varint.append(position)
    return base64.urlsafe_b64encode(bytes((0x12, len(varint))) + varint).decode().rstrip("=")


def decode_offset(token: str) -> int | None:
    """Read a token back; None when it is none of ours."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    position = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(raw[2:]))
    return position if encode_offset(position) == token.rstrip("=") else None


ID = re.compile(r"[a-z][a-z0-9_-]*")
SAME_MOMENT = 60.0


@dataclass(slots=True)
class Stretch:
    """Results of one export that lie next to each other in a log."""

    export: Export
    first: int
    last: int
    at: float


class Collector:
    """A log of results that lie at ever-growing positions."""

    def __init__(self, collector_id: str, query: dict[str, Any], base: int, created: float) -> None:
        self.id = collector_id
        self.query = query
        self.created = created
        self.paused = not query
        self.earliest = self.end = base
        self.deleted = False
        self._base = base
        self._ends: list[int] = []
        self._stretches: list[Stretch] = []

    @property
    def state(self) -> str:
        """PAUSED is normal: a collector without a query only serves as a target."""
        return "DELETED" if self.deleted else "PAUSED" if self.paused else "ACTIVE"

    @property
    def base(self) -> int:
        """Position of the first result it ever had."""
        return self._base

    def append(self, export: Export, first: int, last: int, at: float) -> None:
        """Add the results `[first, last)` of an export at the end of the log."""
        if first == last:
            return
        self.end += last - first
        latest = self._stretches[-1] if self._stretches else None
        if latest and latest.export is export and latest.last == first and at - latest.at < SAME_MOMENT:
            latest.last = last
            self._ends[-1] = self.end
        else:
            self._stretches.append(Stretch(export, first, last, at))
            self._ends.append(self.end)

    def expire(self, before: float) -> None:
        """Forget the results that were exported before this moment."""
        old = 0
        while old < len(self._stretches) and self._stretches[old].at < before:
            old += 1
        if old:
            self.earliest = self._ends[old - 1]
            del self._stretches[:old], self._ends[:old]

    def lines(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the CT_RESULT lines at positions `[first, last)`."""
        place = bisect_right(self._ends, first)
        while first < last:
            stretch, end = self._stretches[place], self._ends[place]
            until = min(end, last)
            shift = stretch.last - end
            yield from stretch.export.lines(first + shift, until + shift)
            first = until
            place += 1


class Collectors:
    """The collectors of the account by id."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._known: dict[str, Collector] = {}
        self._created = 0

    def put(self, collector_id: str, query: dict[str, Any], now: float) -> Collector:
        """Create a collector, or give an existing one another query; what it holds stays."""
        if not ID.fullmatch(collector_id):
            raise TalkwalkerError(5, param="collector_id", details=f"must match {ID.pattern}")
        if collector := self._known.get(collector_id):
            collector.query, collector.paused = query, not query
            return collector
        self._created += 1
        # Real logs do not begin at a round position: the first block is short.
        base = 205_000_000 + number(self._seed, collector_id, self._created) % 1_000_000
        collector = self._known[collector_id] = Collector(collector_id, query, base, now)
        return collector

    def get(self, collector_id: str) -> Collector:
        """Find a collector; error 15 when there is none."""
        if collector := self._known.get(collector_id):
            return collector
        raise TalkwalkerError(15, "Wrong collector id: no such collector.", collector_id=collector_id)

    def find(self, collector_id: str) -> Collector | None:
        """Find a collector, if there is one."""
        return self._known.get(collector_id)

    def delete(self, collector_id: str) -> Collector:
        """Drop a collector with everything it holds."""
        collector = self.get(collector_id)
        collector.deleted = True
        del self._known[collector_id]
        return collector

    def expire(self, before: float) -> None:
        """Forget what was exported before this moment."""
        for collector in self._known.values():
            collector.expire(before)

    def all(self) -> list[Collector]:
        """List them in order of creation."""
        return list(self._known.values())


LINES_AT_ONCE = 100
LOOK_SECONDS = 0.05
KEEPALIVE = b"\n"


def control(connection_id: str, offset: str, collector_id: str) -> bytes:
    """Write a CT_CONTROL line."""
    chunk = {"connection_id": connection_id, "resume_offset": offset, "collector_id": collector_id}
    return msgspec.json.encode({"chunk_type": "CT_CONTROL", "chunk_control": chunk}) + b"\n"


def starting_point(collector: Collector, requested: str, settings: Settings) -> tuple[int, str]:
    """Find the position to read from, and the offset that the first control tells."""
    if requested == "earliest":
        return collector.earliest, requested
    if requested == "latest":
        return collector.end, encode_offset(collector.end)
    position = decode_offset(requested)
    if position is not None and collector.base <= position <= collector.end:
        return max(position, collector.earliest), requested
    if settings.bad_offset == "restart":
        return collector.earliest, "earliest"
    raise TalkwalkerError(5, param="resume_offset", details="unknown offset")


@dataclass
class Reader:
    """One connection that reads one collector from one position on."""

    collector: Collector
    settings: Callable[[], Settings]
    advance: Callable[[], None]
    connection_id: str
    position: int
    echo: str
    blocks: int = 0

    def __post_init__(self) -> None:
        self._told = self.position

    async def until_stop(self) -> AsyncIterator[list[bytes]]:
        """Send at most a few blocks, and a last control in any case."""
        yield [self._control(self.echo)]
        most = self.settings().blocks_per_stop
        while (most is None or self.blocks < most) and (lines := self.next_lines()):
            yield lines
        if self._told != self.position:
            yield [self._control(encode_offset(self.position))]

    async def and_wait(self) -> AsyncIterator[list[bytes]]:
        """Send all there is and all that comes, with blank lines in between, until the client goes."""
        yield [self._control(self.echo)]
        spoke = time.monotonic()
        while not self.collector.deleted:
            if lines := self.next_lines():
                yield lines
                spoke = time.monotonic()
            elif time.monotonic() - spoke >= self.settings().keepalive_seconds:
                yield [KEEPALIVE]
                spoke = time.monotonic()
            else:
                await asyncio.sleep(LOOK_SECONDS)

    def next_lines(self) -> list[bytes]:
        """Take the results up to the end of the block or of the log, and the control if the block is complete."""
        self.advance()
        every = self.settings().control_every
        self.position = max(self.position, self.collector.earliest)
        boundary = (self.position // every + 1) * every
        last = min(boundary, self.collector.end, self.position + LINES_AT_ONCE)
        lines = list(self.collector.lines(self.position, last))
        self.position = last
        if last == boundary:
            lines.append(self._control(encode_offset(last)))
            self.blocks += 1
            self._told = last
        return lines

    def _control(self, offset: str) -> bytes:
        return control(self.connection_id, offset, self.collector.id)
