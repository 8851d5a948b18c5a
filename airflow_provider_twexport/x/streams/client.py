"""X volume streams: the Decahose and the Likes stream, live for a bounded time, or a lost time again.

Vendor pages "Decahose stream", "recovery and redundancy", and for Replay, which few accounts still have, "PowerTrack".
Every partition is read by a thread of its own. What came is handed out in the order it came; messages are delivered
at least once. Out of scope: filtered streams (PowerTrack), whose rules are part of what is read.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow_provider_twexport.core import timing as core_timing
from airflow_provider_twexport.core.rate_limit import RateLimiter
from airflow_provider_twexport.core.retry import WireEvent
from airflow_provider_twexport.exceptions import (
    InvalidRequestError,
    ReadInterruptedError,
    StreamInUseError,
    ThrottledError,
    TransientError,
)
from airflow_provider_twexport.x.session import x_session
from airflow_provider_twexport.x.streams.capture_report import Gap, StreamEvent, iso
from airflow_provider_twexport.x.streams.lines import lines
from airflow_provider_twexport.x.streams.messages import FULL_BUFFER, TOO_MANY, moment_ms, notice_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_twexport.x.streams.messages import Notice

log = logging.getLogger(__name__)

LIVE_HOST = "https://gnip-stream.x.com"
STREAMS = {"decahose": "sample10", "likes": "sample10-likes"}
PARTITIONS = (1, 2)
BACKFILL_MINUTES = 5
BACKFILL_OVERLAP_SECONDS = 30.0
REFUSED_AS_TOO_MANY = 3
ARRIVALS_WAITING = 32
_LOOK_SECONDS = 0.1


def reconnect_after(timing: core_timing.Timing, error: Exception | None, failures: int) -> float:
    """Return the seconds to wait before the next try to connect, as the vendor asks for.

    :param timing: the waits of the client.
    :param error: why there is no connection; ``None`` if one had been there and ended.
    :param failures: how many times in a row nothing came; the first try after a connection is at once.
    """
    failures = max(1, failures)
    if isinstance(error, ThrottledError):
        return timing.reconnect_throttled * min(2.0 ** (failures - 1), 16)
    if isinstance(error, TransientError) and error.evidence and error.evidence.status not in (None, 200):
        return timing.reconnect_refused * min(2.0 ** (failures - 1), 64)
    return timing.reconnect_network * min(failures - 1, 64)


class XStreamClient:
    """Reads one volume stream of one account.

    :param login: e-mail address of the console.
    :param password: its password.
    :param account: name of the account, case-sensitive.
    :param label: label of the stream, such as ``prod``, case-sensitive.
    :param stream: ``decahose`` or ``likes``.
    :param base_url: ``https://`` address of the service; ``http://`` for loopback hosts only.
    :param backfill: the account has Backfill: up to 5 minutes are asked for again on each connection.
    :param timing: how long everything waits; ``None`` for the usual waits.
    :raises ConnectionConfigError: if something of this is missing or cannot be meant.
    """

    def __init__(
        self,
        login: str,
        password: str,
        *,
        account: str,
        label: str,
        stream: str = "decahose",
        base_url: str = LIVE_HOST,
        backfill: bool = True,
        timing: core_timing.Timing | None = None,
    ) -> None:
        self.timing = timing or core_timing.DEFAULT
        self.session = x_session(login, password, account, label, base_url, self.timing.retry)
        if stream not in STREAMS:
            raise InvalidRequestError(f"stream={stream!r} is none of {', '.join(STREAMS)}.")
        self.stream = stream
        self.now = self.timing.clock
        self.backfill = backfill
        self.place = f"accounts/{quote(account, safe='')}/publishers/twitter/{quote(label, safe='')}.json"
        self.path = f"/stream/{STREAMS[stream]}/{self.place}"
        self.pace = RateLimiter(f"{base_url} {account} {stream}", self.timing.connects_per_minute)

    def capture(
        self,
        until: float,
        *,
        reached: dict[int, float | None],
        connections: int = 1,
    ) -> Iterator[StreamEvent]:
        """Yield what happens on some partitions, all read at the same time, until a moment.

        Connects again whenever a connection ends or falls silent, and asks for what was missed meanwhile. What
        Backfill cannot bring is told as a gap.

        :param until: when to stop, in epoch seconds.
        :param reached: the partitions to read, and up to when each was read already, in epoch seconds.
        :param connections: how many connections read each partition; each gets all of it.
        :raises StreamInUseError: if the service keeps refusing because of too many connections.
        :raises ConnectionConfigError: if it refuses the login, account or label.
        :raises InvalidRequestError: if it refuses something else.
        """
        arrivals: Queue[StreamEvent | BaseException] = Queue(ARRIVALS_WAITING)
        stopping = threading.Event()
        places = [_Partition(number, moment) for number, moment in reached.items()]
        for place in places if self.now() < until else ():
            for _ in range(connections):
                reader = _Reader(self, place, arrivals, stopping)
                threading.Thread(target=reader.run, name=f"x-stream-{place.number}", daemon=True).start()
        try:
            while self.now() < until:
                with suppress(Empty):
                    yield _raised(arrivals.get(timeout=_LOOK_SECONDS))
            stopping.set()
            for _ in range(arrivals.qsize()):
                yield _raised(arrivals.get_nowait())
            yield from (place.ended(until) for place in places)
        finally:
            stopping.set()


@dataclass(slots=True)
class _Partition:
    """One partition, as all its connections together have read it.

    :param number: of the partition.
    :param reached: everything up to here came, in epoch seconds.
    :param alive: how many connections there are.
    :param ended_because: why the last one ended.
    :param refused_because: why none was made since then.
    """

    number: int
    reached: float | None
    alive: int = 0
    ended_because: str = "it began later"
    refused_because: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def missed(self, now: float, *, backfill: bool) -> tuple[int, Gap | None]:
        """Return how many minutes of backfill to ask for, and what they do not bring."""
        with self.lock:
            if self.reached is None:
                self.reached = now
                return 0, None
            away = now - self.reached
            minutes = math.ceil((away + BACKFILL_OVERLAP_SECONDS) / 60) if backfill else 0
            minutes = max(0, min(minutes, BACKFILL_MINUTES))
            # what a full buffer held is lost, and the service has no backfill after it
            brought = 0 if self.ended_because == FULL_BUFFER else 60 * minutes
            if self.alive or away <= brought:
                return minutes, None
            return minutes, self._gap(self.reached, now - brought)

    def began(self) -> None:
        """Note that a connection is there."""
        with self.lock:
            self.alive += 1
            self.refused_because = ""

    def refused(self, error: TransientError) -> None:
        """Note that a connection could not be made."""
        status = error.evidence and error.evidence.status
        with self.lock:
            self.refused_because = f"HTTP {status}" if status else "no answer"

    def lost(self, why: str) -> None:
        """Note that a connection has ended."""
        with self.lock:
            self.alive -= 1
            self.ended_because = why

    def reach(self, moment: float) -> float:
        """Note, and return, how far the partition was read."""
        with self.lock:
            self.reached = max(self.reached or moment, moment)
            return self.reached

    def ended(self, until: float) -> StreamEvent:
        """Return what there is to say when the capture is over."""
        with self.lock:
            if self.alive or self.reached is None or self.reached >= until:
                return StreamEvent(self.number, reached=until)
            return StreamEvent(self.number, reached=until, gap=self._gap(self.reached, until))

    def _gap(self, start: float, stop: float) -> Gap:
        because = ", then ".join(filter(None, (self.ended_because, self.refused_because)))
        return Gap(self.number, iso(start), iso(stop), because)


class _Reader:
    """Keeps one connection to one partition."""

    def __init__(
        self,
        client: XStreamClient,
        partition: _Partition,
        arrivals: Queue[StreamEvent | BaseException],
        stopping: threading.Event,
    ) -> None:
        self._client = client
        self._partition = partition
        self._arrivals = arrivals
        self._stopping = stopping
        self._failures = 0
        self._too_many = 0
        self._idle = False

    def run(self) -> None:
        """Read, and connect again, until it is time to stop."""
        try:
            while not self._stopping.is_set():
                error = self._connection()
                if error and not self._stopping.is_set():
                    self._client.timing.retry.on_event(WireEvent.RETRY)
                self._stopping.wait(reconnect_after(self._client.timing, error, self._failures))
        except BaseException as error:
            self._put(error)

    def _connection(self) -> TransientError | None:
        """Read one connection to its end, and return the error that it ended with."""
        self._client.pace.acquire()
        minutes, gap = self._partition.missed(self._client.now(), backfill=self._client.backfill)
        params = {"partition": self._partition.number} | ({"backfillMinutes": minutes} if minutes else {})
        self._failures += 1
        try:
            with self._client.session.stream(
                self._client.path, params=params, timeout=self._client.timing.stream_silence, compressed=True
            ) as response:
                self._put(StreamEvent(self._partition.number, connected=True, gap=gap))
                return self._read(response.blocks)
        except TransientError as error:
            self._partition.refused(error)
            log.warning("Partition %d: %s", self._partition.number, error)
            return error

    def _read(self, blocks: Iterator[bytes]) -> TransientError | None:
        self._partition.began()
        last_byte, why, error = time.monotonic(), "closed", None
        try:
            for some in lines(blocks):
                last_byte = time.monotonic()
                why = self._take(some) or why
                if self._stopping.is_set():
                    break
        except ReadInterruptedError:
            silent = time.monotonic() - last_byte >= self._client.timing.stream_silence
            why = "silence" if silent else "broken connection"
        if self._stopping.is_set():
            return None
        self._partition.lost(why)
        self._put(StreamEvent(self._partition.number, disconnected=why))
        log.info("Partition %d: connection ended (%s).", self._partition.number, why)
        return self._sent_away() if why == TOO_MANY else error

    def _take(self, some: Sequence[bytes]) -> str | None:
        """Hand on the messages of some lines; return why the connection will end, if they say it."""
        why, records = None, []
        for line in some:
            if not line:
                continue
            if notice := notice_of(line):
                why = self._heard(notice)
            else:
                records.append(line)
        if why is None:
            self._failures, self._too_many = 0, 0
        self._put(StreamEvent(self._partition.number, records, self._reached(records)))
        return why

    def _heard(self, notice: Notice) -> str:
        log.warning("Partition %d: X says: %s", self._partition.number, notice.text)
        return notice.kind

    def _reached(self, records: Sequence[bytes]) -> float | None:
        """Return how far this brings the partition.

        What a slow reader gets was made a while ago, and what the service still holds back is lost when it
        disconnects: so the messages' own time counts, and the clock's only where nothing comes but heartbeats.
        """
        now = self._client.now()
        newest = max(filter(None, map(moment_ms, records[-100:])), default=None)
        if newest is not None:
            self._idle = False
            return self._partition.reach(min(now, newest / 1000))
        if self._idle:
            return self._partition.reach(now)
        self._idle = True
        return None

    def _sent_away(self) -> ThrottledError:
        self._too_many += 1
        if self._too_many >= REFUSED_AS_TOO_MANY:
            raise StreamInUseError(
                f"X keeps closing partition {self._partition.number} because of too many connections: stop the other "
                "reader of this stream, or ask for fewer connections."
            )
        return ThrottledError("Too many connections.")

    def _put(self, arrival: StreamEvent | BaseException) -> None:
        while not self._stopping.is_set():
            with suppress(Full):
                self._arrivals.put(arrival, timeout=_LOOK_SECONDS)
                return


def _raised(arrival: StreamEvent | BaseException) -> StreamEvent:
    if isinstance(arrival, BaseException):
        raise arrival
    return arrival
