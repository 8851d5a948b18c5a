"""Reading a collector: CT_CONTROL and CT_RESULT lines in the order in which the service sends them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_twexport.simulator.talkwalker import offsets
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from airflow_provider_twexport.simulator.talkwalker.collectors import Collector
    from airflow_provider_twexport.simulator.talkwalker.settings import Settings

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
        return collector.end, offsets.encode(collector.end)
    position = offsets.decode(requested)
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
            yield [self._control(offsets.encode(self.position))]

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
            lines.append(self._control(offsets.encode(last)))
            self.blocks += 1
            self._told = last
        return lines

    def _control(self, offset: str) -> bytes:
        return control(self.connection_id, offset, self.collector.id)
