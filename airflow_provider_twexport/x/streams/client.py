"""X volume streams: the Decahose and the Likes stream, live for a bounded time, or past times again.

Vendor pages "Decahose stream", "recovery and redundancy", and for Replay, which few accounts still have, "PowerTrack".
One thread reads each partition. Messages come at least once, in the order in which X delivers them. Out of scope:
filtered streams (PowerTrack), whose rules are part of what is read.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_twexport.core import timing as core_timing
from airflow_provider_twexport.core.rate_limit import RateLimiter
from airflow_provider_twexport.core.retry import WireEvent
from airflow_provider_twexport.exceptions import (
    InvalidRequestError,
    ReadInterruptedError,
    RetriableError,
    StreamInUseError,
    ThrottledError,
)
from airflow_provider_twexport.x.streams.capture_report import Gap, StreamEvent, iso
from airflow_provider_twexport.x.streams.lines import lines
from airflow_provider_twexport.x.streams.messages import (
    ENDINGS,
    FULL_BUFFER,
    NOTICE,
    TOO_MANY,
    created_ms,
    is_document,
    kind_of,
    received,
)
from airflow_provider_twexport.x.streams.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_twexport.x.session import XCredential
    from airflow_provider_twexport.x.streams.messages import Received

log = logging.getLogger(__name__)

LIVE_HOST = "https://gnip-stream.x.com"
STREAMS = {"decahose": "sample10", "likes": "sample10-likes"}
PARTITIONS = (1, 2)
MAX_BACKFILL_MINUTES = 5
BACKFILL_OVERLAP_SECONDS = 30.0
# by so much X's clock, which counts Backfill, may be ahead of ours
CLOCK_MARGIN_SECONDS = 5.0
# 60, 120, 240 and 480 s apart: X may count a dead connection for minutes
MAX_REFUSALS_IN_A_ROW = 5
MAX_WAITING_EVENTS = 32


def reconnect_after(timing: core_timing.Timing, error: Exception | None, failures: int) -> float:
    """Return how many seconds to wait before the next attempt to connect, as the vendor advises.

    :param timing: the waits of the client.
    :param error: why there is no connection; ``None`` if one existed and ended.
    :param failures: how many attempts in a row brought nothing; the first attempt after a connection is immediate.
    """
    failures = max(1, failures)
    requested = error.retry_after or 0.0 if isinstance(error, RetriableError) else 0.0
    if isinstance(error, ThrottledError):
        wait = timing.reconnect_throttled * min(2.0 ** (failures - 1), 16)
    elif isinstance(error, RetriableError) and error.evidence and error.evidence.status not in (None, 200):
        wait = timing.reconnect_refused * min(2.0 ** (failures - 1), 64)
    else:
        wait = timing.reconnect_network * min(failures - 1, 64)
    return max(wait, min(requested, timing.retry.throttled_for))


class XStreamClient:
    """Reads one volume stream of one account.

    :param credential: of the account.
    :param stream: ``decahose`` or ``likes``.
    :param base_url: ``https://`` URL of the service; ``http://`` for loopback hosts only.
    :param backfill: whether the account has Backfill: each connection can request up to 5 minutes again.
    :param timing: how long everything waits; ``None`` for the default.
    :raises ConnectionConfigError: if the URL is not safe to send a password to.
    :raises InvalidRequestError: if there is no such stream.
    """

    def __init__(
        self,
        credential: XCredential,
        *,
        stream: str = "decahose",
        base_url: str = LIVE_HOST,
        backfill: bool = True,
        timing: core_timing.Timing | None = None,
    ) -> None:
        self.timing = timing or core_timing.DEFAULT
        self.session = credential.session(base_url, self.timing.retry)
        if stream not in STREAMS:
            raise InvalidRequestError(f"stream={stream!r} is unknown. Choose one of {', '.join(STREAMS)}.")
        self.stream = stream
        self.now = self.timing.clock
        self.backfill = backfill
        account, label = quote(credential.account, safe=""), quote(credential.label, safe="")
        self.path = f"/stream/{STREAMS[stream]}/accounts/{account}/publishers/twitter/{label}.json"
        self.limiter = RateLimiter(
            f"{base_url} {credential.account} {stream}", self.timing.connects_per_minute
        )

    def capture(
        self,
        until: float,
        *,
        reached: dict[int, float | None],
        connections: int = 1,
    ) -> Iterator[StreamEvent]:
        """Yield what happens on some partitions, all read at the same time, until a moment.

        The client reconnects whenever a connection ends or falls silent, and requests what was missed by Backfill.
        What Backfill cannot bring is reported as a gap. A partition is read as far as the last message reaches, or the
        last heartbeat after one: a connection that brings only a notice brings nothing.

        :param until: when to stop, in epoch seconds.
        :param reached: the partitions to read, and up to when each was read already, in epoch seconds; ``None``: from
            now on.
        :param connections: how many connections read each partition; each receives all of it.
        :raises StreamInUseError: if X refuses five times in a row because of too many connections, or until the end.
        :raises ConnectionConfigError: if X refuses the login, account or label.
        :raises InvalidRequestError: if X refuses anything else.
        """
        workers, now = Workers("x-stream", MAX_WAITING_EVENTS), self.now()
        partitions = [_Partition(number, moment) for number, moment in reached.items()]
        # what a thread has read and not handed on when the time is over was not received
        handed_on = {number: now if moment is None else moment for number, moment in reached.items()}
        for partition in partitions if now < until else ():
            for _ in range(connections):
                workers.start(_Reader(self, partition, workers).run)
        for event in workers.events(is_over=lambda: self.now() >= until):
            if event.reached is not None:
                handed_on[event.partition] = max(event.reached, handed_on[event.partition])
            yield event
        yield from (partition.finish(handed_on[partition.number], until) for partition in partitions)


@dataclass(slots=True)
class _Partition:
    """One partition, as all its connections together have read it.

    :param number: of the partition.
    :param reached: everything up to here was received, or is in a gap, in epoch seconds; ``None``: nobody tried yet.
    :param started: when somebody first tried, if it is read from now on.
    :param delivering: how many connections have brought a message and are still open.
    :param has_delivered: whether one ever has.
    :param ended_because: why the last one that brought a message ended.
    :param refused_because: why there has been no other since then.
    :param buffer_is_lost: whether what X held for it is lost, since there has been no other.
    :param refusal: the last refusal because of too many connections, if none delivers since then.
    """

    number: int
    reached: float | None
    started: float | None = None
    delivering: int = 0
    has_delivered: bool = False
    ended_because: str = "started later"
    refused_because: str = ""
    buffer_is_lost: bool = False
    refusal: ThrottledError | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def backfill(self, now: float, *, is_available: bool) -> int:
        """Return how many minutes of Backfill to request now."""
        with self.lock:
            if self.reached is None:
                self.started = self.started or now
                return 0
            missed = now - self.reached
            minutes = math.ceil((missed + BACKFILL_OVERLAP_SECONDS) / 60) if is_available else 0
            return max(0, min(minutes, MAX_BACKFILL_MINUTES))

    def delivers(self, connected: float, minutes: int, oldest: float) -> Gap | None:
        """Record that a connection brings its first message, and return what it cannot bring any more.

        :param connected: when X opened it; what it brings is counted from then.
        :param minutes: of Backfill that were requested.
        :param oldest: when the oldest of its first messages was created; these streams are so dense that with Backfill
            it is from the first half of the time requested.
        """
        with self.lock:
            # after a full buffer, of which X may not say a word, there is no Backfill, and what the buffer held is lost
            is_backfilled = oldest < connected - 30 * minutes and not self.buffer_is_lost
            since = connected - (60 * minutes if is_backfilled else 0) + CLOCK_MARGIN_SECONDS
            start = since if self.reached is None else self.reached
            # another connection may be about to bring what is this recent
            tolerance = BACKFILL_OVERLAP_SECONDS if self.delivering else 0.0
            gap = self._gap(start, since) if since - start > tolerance else None
            self.reached = since if gap else start
            self.delivering += 1
            self.has_delivered, self.buffer_is_lost = True, False
            self.refused_because, self.refusal = "", None
            return gap

    def refused(self, reason: str, refusal: ThrottledError | None = None) -> None:
        """Record that an attempt to connect brought no message."""
        with self.lock:
            self.reached = self.started if self.reached is None else self.reached
            self.refused_because = reason
            self.refusal = refusal
            self.buffer_is_lost |= reason == FULL_BUFFER

    def disconnected(self, reason: str) -> None:
        """Record that a connection ended that has brought messages."""
        with self.lock:
            self.delivering -= 1
            self.ended_because = reason
            self.buffer_is_lost = reason == FULL_BUFFER and not self.delivering

    def reach(self, moment: float) -> None:
        """Record how far a connection has read the partition."""
        with self.lock:
            self.reached = max(self.reached or moment, moment)

    def finish(self, handed_on: float, until: float) -> StreamEvent:
        """Return the last event of the partition, when the capture is over.

        :param handed_on: up to when its messages were handed on.
        :raises StreamInUseError: X let nobody read it because of too many connections.
        """
        with self.lock:
            if self.refusal and not self.has_delivered:
                raise _in_use(self.number, self.refusal)
            # the next capture requests so much again
            is_read = self.delivering and until - handed_on <= BACKFILL_OVERLAP_SECONDS
            if is_read or handed_on >= until:
                return StreamEvent(self.number, reached=until)
            return StreamEvent(self.number, reached=until, gap=self._gap(handed_on, until))

    def _gap(self, start: float, stop: float) -> Gap:
        reason = ", then ".join(filter(None, (self.ended_because, self.refused_because)))
        return Gap(self.number, iso(start), iso(stop), reason)


class _Reader:
    """Keeps one connection to one partition."""

    def __init__(self, client: XStreamClient, partition: _Partition, workers: Workers) -> None:
        self._client = client
        self._partition = partition
        self._workers = workers
        self._failures = 0
        self._refusals = 0
        self._connected = 0.0
        self._minutes = 0
        self._delivers = False
        self._idle_since: float | None = None
        self._said = ""

    def run(self) -> None:
        """Read, and reconnect, until it is time to stop."""
        stopping = self._workers.stopping
        while not stopping.is_set():
            error = self._read_connection()
            if error and not stopping.is_set():
                self._client.timing.retry.on_event(WireEvent.RETRY)
            stopping.wait(reconnect_after(self._client.timing, error, self._failures))

    def _read_connection(self) -> RetriableError | None:
        """Read one connection to its end, and return the error with which it ended."""
        self._client.limiter.acquire()
        minutes = self._partition.backfill(self._client.now(), is_available=self._client.backfill)
        params = {"partition": self._partition.number} | ({"backfillMinutes": minutes} if minutes else {})
        self._failures += 1
        self._minutes, self._delivers, self._idle_since = minutes, False, None
        try:
            with self._client.session.stream(
                self._client.path,
                params=params,
                timeout=self._client.timing.stream_silence,
                compressed=True,
            ) as response:
                self._connected = self._client.now()
                self._put(connected=True)
                return self._read(response.blocks)
        except RetriableError as error:
            log.warning("Partition %d: %s", self._partition.number, error)
            evidence = error.evidence
            if isinstance(error, ThrottledError) and evidence and kind_of(evidence.details or "") == TOO_MANY:
                return self._too_many_connections(error)
            status = evidence and evidence.status
            self._partition.refused(f"HTTP {status}" if status else "no response")
            return error

    def _read(self, blocks: Iterator[bytes]) -> RetriableError | None:
        last_byte, reason = time.monotonic(), "closed"
        try:
            for some_lines in lines(blocks, is_document):
                last_byte = time.monotonic()
                reason = self._receive(some_lines) or reason
                if self._workers.stopping.is_set():
                    break
        except ReadInterruptedError:
            is_silent = time.monotonic() - last_byte >= self._client.timing.stream_silence
            reason = "silence" if is_silent else "broken connection"
        if self._workers.stopping.is_set():
            return None
        self._put(disconnected=reason)
        log.info("Partition %d: connection ended (%s).", self._partition.number, reason)
        if self._delivers:
            self._partition.disconnected(reason)
        elif reason != TOO_MANY:
            self._partition.refused(reason)
        return self._too_many_connections(ThrottledError(self._said)) if reason == TOO_MANY else None

    def _receive(self, some_lines: Sequence[bytes]) -> str | None:
        """Hand on the messages among some lines; return why the connection will end, if a notice says it."""
        found = received(some_lines)
        for notice in found.notices:
            log.warning("Partition %d: X says: %s", self._partition.number, notice.text)
        if found.records and not self._delivers:
            self._delivers = True
            created = min(filter(None, map(created_ms, found.records)), default=0)
            if gap := self._partition.delivers(self._connected, self._minutes, created / 1000):
                self._put(gap=gap, reached=datetime.fromisoformat(gap.stop).timestamp())
        if found.records:
            self._failures = self._refusals = 0
        self._put(
            records=found.records,
            unreadable=found.unreadable,
            others=found.others,
            reached=self._reached(found),
        )
        ending = next((one for one in reversed(found.notices) if one.kind in {*ENDINGS, NOTICE}), None)
        if ending is None:
            return None
        self._said = ending.text
        return ending.kind

    def _put(self, **event: Any) -> None:
        self._workers.put(StreamEvent(self._partition.number, **event))

    def _reached(self, found: Received) -> float | None:
        """Return how far these messages bring the partition.

        A slow reader receives messages that are not recent, and X drops those that it still holds when it disconnects.
        So the time in the messages counts, and the clock only while nothing but heartbeats comes after them.
        """
        now, moment = self._client.now(), None
        newest = max(filter(None, map(created_ms, found.records[-100:])), default=None)
        if newest is not None:
            moment, self._idle_since = min(now, newest / 1000), None
        elif self._delivers and found.is_heartbeat:
            # what was on its way at the heartbeat before has arrived
            moment, self._idle_since = self._idle_since, now
        if moment is not None:
            self._partition.reach(moment)
        return moment

    def _too_many_connections(self, error: ThrottledError) -> ThrottledError:
        self._refusals += 1
        if not self._delivers:
            self._partition.refused(TOO_MANY, error)
        if self._refusals >= MAX_REFUSALS_IN_A_ROW:
            raise _in_use(self._partition.number, error)
        return error


def _in_use(partition: int, error: ThrottledError) -> StreamInUseError:
    words = (error.evidence and error.evidence.details) or error.message
    return StreamInUseError(
        f"X refuses partition {partition} because of too many connections: {words!r} Stop the other reader of this "
        "stream, or use fewer connections.",
        error.evidence,
    )
