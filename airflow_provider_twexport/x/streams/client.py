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
from typing import TYPE_CHECKING
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
from airflow_provider_twexport.x.streams.messages import FULL_BUFFER, TOO_MANY, created_ms, split_notices
from airflow_provider_twexport.x.streams.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_twexport.x.session import XCredential

log = logging.getLogger(__name__)

LIVE_HOST = "https://gnip-stream.x.com"
STREAMS = {"decahose": "sample10", "likes": "sample10-likes"}
PARTITIONS = (1, 2)
MAX_BACKFILL_MINUTES = 5
BACKFILL_OVERLAP_SECONDS = 30.0
MAX_REFUSALS_IN_A_ROW = 3
MAX_WAITING_EVENTS = 32


def reconnect_after(timing: core_timing.Timing, error: Exception | None, failures: int) -> float:
    """Return how many seconds to wait before the next attempt to connect, as the vendor advises.

    :param timing: the waits of the client.
    :param error: why there is no connection; ``None`` if one existed and ended.
    :param failures: how many attempts in a row brought nothing; the first attempt after a connection is immediate.
    """
    failures = max(1, failures)
    if isinstance(error, ThrottledError):
        return timing.reconnect_throttled * min(2.0 ** (failures - 1), 16)
    if isinstance(error, RetriableError) and error.evidence and error.evidence.status not in (None, 200):
        return timing.reconnect_refused * min(2.0 ** (failures - 1), 64)
    return timing.reconnect_network * min(failures - 1, 64)


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
        What Backfill cannot bring is reported as a gap.

        :param until: when to stop, in epoch seconds.
        :param reached: the partitions to read, and up to when each was read already, in epoch seconds.
        :param connections: how many connections read each partition; each receives all of it.
        :raises StreamInUseError: if X keeps refusing because of too many connections.
        :raises ConnectionConfigError: if X refuses the login, account or label.
        :raises InvalidRequestError: if X refuses anything else.
        """
        workers = Workers("x-stream", MAX_WAITING_EVENTS)
        partitions = [_Partition(number, moment) for number, moment in reached.items()]
        for partition in partitions if self.now() < until else ():
            for _ in range(connections):
                workers.start(_Reader(self, partition, workers).run)
        yield from workers.events(is_over=lambda: self.now() >= until)
        yield from (partition.finish(until) for partition in partitions)


@dataclass(slots=True)
class _Partition:
    """One partition, as all its connections together have read it.

    :param number: of the partition.
    :param reached: everything up to here was received, in epoch seconds.
    :param connections: how many there are.
    :param ended_because: why the last one ended.
    :param refused_because: why there has been no other since then.
    """

    number: int
    reached: float | None
    connections: int = 0
    ended_because: str = "started later"
    refused_because: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def backfill(self, now: float, *, is_available: bool) -> tuple[int, Gap | None]:
        """Return how many minutes of Backfill to request, and the gap that remains."""
        with self.lock:
            if self.reached is None:
                self.reached = now
                return 0, None
            missed = now - self.reached
            minutes = math.ceil((missed + BACKFILL_OVERLAP_SECONDS) / 60) if is_available else 0
            minutes = max(0, min(minutes, MAX_BACKFILL_MINUTES))
            # what a full buffer held is lost, and X has no Backfill after it
            recovered = 0 if self.ended_because == FULL_BUFFER else 60 * minutes
            if self.connections or missed <= recovered:
                return minutes, None
            return minutes, self._gap(self.reached, now - recovered)

    def connected(self) -> None:
        """Record a new connection."""
        with self.lock:
            self.connections += 1
            self.refused_because = ""

    def refused(self, error: RetriableError) -> None:
        """Record that an attempt to connect failed."""
        status = error.evidence and error.evidence.status
        with self.lock:
            self.refused_because = f"HTTP {status}" if status else "no response"

    def disconnected(self, reason: str) -> None:
        """Record that a connection ended."""
        with self.lock:
            self.connections -= 1
            self.ended_because = reason

    def reach(self, moment: float) -> float:
        """Record, and return, how far the partition was read."""
        with self.lock:
            self.reached = max(self.reached or moment, moment)
            return self.reached

    def finish(self, until: float) -> StreamEvent:
        """Return the last event of the partition, when the capture is over."""
        with self.lock:
            if self.connections or self.reached is None or self.reached >= until:
                return StreamEvent(self.number, reached=until)
            return StreamEvent(self.number, reached=until, gap=self._gap(self.reached, until))

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
        self._is_idle = False

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
        minutes, gap = self._partition.backfill(self._client.now(), is_available=self._client.backfill)
        params = {"partition": self._partition.number} | ({"backfillMinutes": minutes} if minutes else {})
        self._failures += 1
        try:
            with self._client.session.stream(
                self._client.path,
                params=params,
                timeout=self._client.timing.stream_silence,
                compressed=True,
            ) as response:
                self._workers.put(StreamEvent(self._partition.number, connected=True, gap=gap))
                return self._read(response.blocks)
        except RetriableError as error:
            self._partition.refused(error)
            log.warning("Partition %d: %s", self._partition.number, error)
            return error

    def _read(self, blocks: Iterator[bytes]) -> RetriableError | None:
        self._partition.connected()
        last_byte, reason = time.monotonic(), "closed"
        try:
            for some_lines in lines(blocks):
                last_byte = time.monotonic()
                reason = self._receive(some_lines) or reason
                if self._workers.stopping.is_set():
                    break
        except ReadInterruptedError:
            is_silent = time.monotonic() - last_byte >= self._client.timing.stream_silence
            reason = "silence" if is_silent else "broken connection"
        if self._workers.stopping.is_set():
            return None
        self._partition.disconnected(reason)
        self._workers.put(StreamEvent(self._partition.number, disconnected=reason))
        log.info("Partition %d: connection ended (%s).", self._partition.number, reason)
        return self._too_many_connections() if reason == TOO_MANY else None

    def _receive(self, some_lines: Sequence[bytes]) -> str | None:
        """Hand on the messages among some lines; return why the connection will end, if a notice says it."""
        records, notices = split_notices(some_lines)
        for notice in notices:
            log.warning("Partition %d: X says: %s", self._partition.number, notice.text)
        if not notices:
            self._failures, self._refusals = 0, 0
        self._workers.put(StreamEvent(self._partition.number, records, self._reached(records)))
        return notices[-1].kind if notices else None

    def _reached(self, records: Sequence[bytes]) -> float | None:
        """Return how far these messages bring the partition.

        A slow reader receives messages that are not recent, and X drops those that it still holds when it disconnects.
        So the time in the messages counts, and the clock only while nothing but heartbeats comes.
        """
        now = self._client.now()
        newest = max(filter(None, map(created_ms, records[-100:])), default=None)
        if newest is not None:
            self._is_idle = False
            return self._partition.reach(min(now, newest / 1000))
        if self._is_idle:
            return self._partition.reach(now)
        self._is_idle = True
        return None

    def _too_many_connections(self) -> ThrottledError:
        self._refusals += 1
        if self._refusals >= MAX_REFUSALS_IN_A_ROW:
            raise StreamInUseError(
                f"X keeps closing partition {self._partition.number} because of too many connections. Stop the other "
                "reader of this stream, or use fewer connections."
            )
        return ThrottledError("X closed the connection because of too many connections.")
