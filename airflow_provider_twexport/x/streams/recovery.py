"""A lost time of a volume stream again: by Recovery, or by Replay where an account still has it.

Vendor pages "recovery and redundancy" and "PowerTrack" (Replay API). What is asked for has come when the service
says "Completed", and not before: failed minutes, ranges that were not processed, and what followed a connection that
broke off are asked for again. Out of scope: the primary collection of data, for which neither is meant.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.core.rate_limit import RateLimiter
from airflow_provider_twexport.core.retry import WireEvent
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import InvalidRequestError, ReadInterruptedError, TransientError
from airflow_provider_twexport.x.streams.capture_report import StreamEvent
from airflow_provider_twexport.x.streams.client import reconnect_after
from airflow_provider_twexport.x.streams.lines import lines
from airflow_provider_twexport.x.streams.messages import COMPLETED, moment_ms, notice_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow_provider_twexport.x.streams.capture_report import Gap
    from airflow_provider_twexport.x.streams.client import XStreamClient
    from airflow_provider_twexport.x.streams.messages import Notice

log = logging.getLogger(__name__)

HOSTS = {"recovery": "https://stream-data-api.x.com", "replay": "https://gnip-stream.gnip.com"}
AT_ONCE = 2
LONGEST = pendulum.duration(hours=2)
REACH = pendulum.duration(days=5)
SURE_REACH = pendulum.duration(hours=24)
REPLAYABLE_AFTER = pendulum.duration(minutes=31)
TRIES = 6
ALL_PARTITIONS = 0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Slice:
    """A time to ask for again.

    :param partition: of the stream; 0 for all of them, which Replay brings in one.
    :param window: two hours at most.
    """

    partition: int
    window: Window

    @property
    def told(self) -> tuple[int, str, str]:
        """Return it as a log keeps it."""
        return self.partition, self.window.start.to_iso8601_string(), self.window.stop.to_iso8601_string()


def slices(gaps: Iterable[Gap], service: str, now: float) -> list[Slice]:
    """Return what has to be asked for to fill some gaps, each moment once.

    :param service: ``recovery`` or ``replay``.
    :param now: in epoch seconds.
    :raises InvalidRequestError: if there is no such service, or a gap lies further back than it reaches.
    :raises TransientError: if a gap is too young for it.
    """
    if service not in HOSTS:
        raise InvalidRequestError(f"service={service!r} is none of {', '.join(HOSTS)}.")
    latest, windows = pendulum.from_timestamp(now), dict[int, list[Window]]()
    for gap in sorted(gaps, key=lambda gap: gap.start):
        window = _asked(gap, service, latest)
        place = windows.setdefault(ALL_PARTITIONS if service == "replay" else gap.partition, [])
        if place and window.start <= place[-1].stop:
            place[-1] = Window(place[-1].start, max(place[-1].stop, window.stop))
        else:
            place.append(window)
    return [
        Slice(partition, piece)
        for partition, whole in sorted(windows.items())
        for window in whole
        for piece in _cut(window)
    ]


def recover(client: XStreamClient, wanted: Sequence[Slice], service: str) -> Iterator[StreamEvent]:
    """Yield what some slices bring, two at a time; each is told as done when it is complete.

    :param client: of the stream, with the address of the service.
    :param service: ``recovery`` or ``replay``.
    :raises InvalidRequestError: if the stream has no such service.
    :raises TransientError: if a slice does not become complete; those that are done are told before.
    """
    if service == "replay" and client.stream == "likes":
        raise InvalidRequestError("The Likes stream has no Replay: use Recovery.")
    arrivals: Queue[StreamEvent | BaseException | None] = Queue(4)
    todo, stopping = deque(wanted), threading.Event()
    pace = client.pace
    if service == "replay":
        pace = RateLimiter(f"{client.path} {service}", client.timing.replays_per_minute)
    running = min(AT_ONCE, len(todo))
    for _ in range(running):
        worker = _Worker(client, service, pace, todo, arrivals, stopping)
        threading.Thread(target=worker.run, name=f"x-{service}", daemon=True).start()
    try:
        while running:
            with suppress(Empty):
                arrival = arrivals.get(timeout=_LOOK_SECONDS)
                if isinstance(arrival, BaseException):
                    raise arrival
                if arrival is None:
                    running -= 1
                else:
                    yield arrival
    finally:
        stopping.set()


class _Worker:
    """Takes one slice after the other."""

    def __init__(
        self,
        client: XStreamClient,
        service: str,
        pace: RateLimiter,
        todo: deque[Slice],
        arrivals: Queue[StreamEvent | BaseException | None],
        stopping: threading.Event,
    ) -> None:
        self._client = client
        self._service = service
        self._pace = pace
        self._todo = todo
        self._arrivals = arrivals
        self._stopping = stopping

    def run(self) -> None:
        """Work until nothing is left to do."""
        try:
            with suppress(IndexError):
                while not self._stopping.is_set():
                    self._complete(self._todo.popleft())
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _complete(self, wanted: Slice) -> None:
        """Ask for a slice, and again for what did not come of it, until all of it is there."""
        missing, tries = [wanted.window], 0
        while missing:
            window = missing.pop(0)
            rest, error = self._request(wanted.partition, window)
            tries = tries + 1 if window in rest else 0
            if tries >= TRIES:
                raise error or TransientError(
                    f"{self._service.capitalize()} of {window} does not become complete: try again later."
                )
            missing = [*rest, *missing]
            if rest:
                self._client.timing.retry.on_event(WireEvent.RETRY)
                log.warning("%s: to be asked for again: %s", self._service, ", ".join(map(str, rest)))
                self._stopping.wait(reconnect_after(self._client.timing, error, tries))
        self._put(StreamEvent(wanted.partition, done=wanted.told))

    def _request(self, partition: int, window: Window) -> tuple[list[Window], TransientError | None]:
        """Return what of a window did not come, and why."""
        self._pace.acquire()
        path, params = self._asked(partition, window)
        newest, received, notice = None, 0, None
        try:
            with self._client.session.stream(
                path, params=params, timeout=self._client.timing.stream_silence, compressed=True
            ) as response:
                for some in lines(response.blocks):
                    records, notice = _apart(some, notice)
                    received += len(records)
                    newest = max(filter(None, (newest, *map(moment_ms, records))), default=None)
                    self._put(StreamEvent(partition, records))
        except TransientError as error:
            return [_from(newest, window)], error
        if notice is None:
            return [_from(newest, window)], ReadInterruptedError(
                "The service closed before it said Completed."
            )
        if notice.kind != COMPLETED and not notice.missing:
            return [window], None
        if notice.count is not None and received < notice.count:
            return [window], ReadInterruptedError(f"{received:,} of {notice.count:,} messages came.")
        return list(notice.missing), None

    def _asked(self, partition: int, window: Window) -> tuple[str, dict[str, str | int]]:
        if self._service == "replay":
            form = "YYYYMMDDHHmm"
            dates = {"fromDate": window.start.format(form), "toDate": window.stop.format(form)}
            return self._client.path.replace("/stream/", "/replay/", 1), {**dates}
        form = "YYYY-MM-DDTHH:mm:ss[Z]"
        dates = {"startTime": window.start.format(form), "endTime": window.stop.format(form)}
        return self._client.path, {"partition": partition, **dates}

    def _put(self, arrival: StreamEvent | BaseException | None) -> None:
        while not self._stopping.is_set():
            with suppress(Full):
                self._arrivals.put(arrival, timeout=_LOOK_SECONDS)
                return


def _apart(some: Sequence[bytes], notice: Notice | None) -> tuple[list[bytes], Notice | None]:
    """Return the messages among some lines, and the last word of the service on its request."""
    records = []
    for line in filter(None, some):
        if said := notice_of(line):
            log.info("X says: %s", said.text)
            notice = said if said.kind != "notice" else notice
        else:
            records.append(line)
    return records, notice


def _asked(gap: Gap, service: str, now: pendulum.DateTime) -> Window:
    """Return the whole minutes around a gap, up to now."""
    start, stop = (pendulum.instance(datetime.fromisoformat(edge)) for edge in (gap.start, gap.stop))
    start, stop = start.start_of("minute"), stop.add(minutes=1, microseconds=-1).start_of("minute")
    if start < now - REACH:
        raise InvalidRequestError(
            f"The gap from {gap.start} lies more than 5 days back: nothing brings it any more."
        )
    if start < now - SURE_REACH:
        log.warning("The gap from %s lies more than a day back: the account may not reach so far.", gap.start)
    if service == "replay" and stop > now - REPLAYABLE_AFTER:
        raise TransientError(
            f"The gap until {gap.stop} is too young for Replay, which begins 31 minutes ago."
        )
    return Window(start, stop if service == "replay" else min(stop, now.start_of("second")))


def _cut(window: Window) -> Iterator[Window]:
    start = window.start
    while start < window.stop:
        stop = min(start + LONGEST, window.stop)
        yield Window(start, stop)
        start = stop


def _from(newest: int | None, window: Window) -> Window:
    """Return what is left of a window, the minute of the newest message included: it may not be whole."""
    if newest is None:
        return window
    begin = pendulum.from_timestamp(newest / 1000).start_of("minute")
    return Window(min(max(window.start, begin), window.stop.subtract(seconds=1)), window.stop)
