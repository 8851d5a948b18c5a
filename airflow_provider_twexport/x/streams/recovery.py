"""A past time of a volume stream again: by Recovery, or by Replay where an account still has it.

Vendor pages "recovery and redundancy" and "PowerTrack" (Replay API). A request is complete when X says "Completed", and
not before: failed minutes, ranges that were not processed, and what follows a broken connection are requested again.
Out of scope: the primary collection of data, for which neither is meant.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.core.rate_limit import RateLimiter
from airflow_provider_twexport.core.retry import RetryState, WireEvent
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import (
    IncompleteLandingError,
    InvalidRequestError,
    NotReadyError,
    ReadInterruptedError,
    RetriableError,
    ThrottledError,
)
from airflow_provider_twexport.x.streams.capture_report import StreamEvent
from airflow_provider_twexport.x.streams.client import reconnect_after
from airflow_provider_twexport.x.streams.lines import lines
from airflow_provider_twexport.x.streams.messages import (
    COMPLETED,
    COMPLETIONS,
    TOO_MANY,
    WITH_ERRORS,
    created_ms,
    is_document,
    received,
)
from airflow_provider_twexport.x.streams.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow_provider_twexport.x.streams.capture_report import Gap, SliceKey
    from airflow_provider_twexport.x.streams.client import XStreamClient
    from airflow_provider_twexport.x.streams.messages import Notice

log = logging.getLogger(__name__)

HOSTS = {"recovery": "https://stream-data-api.x.com", "replay": "https://gnip-stream.gnip.com"}
# X's pages also have start_time and end_time
WINDOW_NAMES = ("startTime", "endTime")
CONCURRENT_REQUESTS = 2
MAX_WAITING_EVENTS = 4
MAX_SLICE = pendulum.duration(hours=2)
MAX_AGE = pendulum.duration(days=5)
# some accounts reach no further
SURE_AGE = pendulum.duration(hours=24)
REPLAYABLE_AFTER = pendulum.duration(minutes=31)
MAX_ATTEMPTS = 6
ALL_PARTITIONS = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """A time to request again.

    :param partition: of the stream; 0 for all of them, which Replay brings together.
    :param window: at most two hours.
    """

    partition: int
    window: Window

    @property
    def key(self) -> SliceKey:
        """Return it as a capture report contains it."""
        return self.partition, self.window.start.to_iso8601_string(), self.window.stop.to_iso8601_string()


def slices(gaps: Iterable[Gap], service: str, now: float) -> list[Slice]:
    """Return what to request to fill some gaps, each moment once.

    :param service: ``recovery`` or ``replay``.
    :param now: in epoch seconds.
    :raises InvalidRequestError: if there is no such service, or a gap is older than it reaches.
    :raises NotReadyError: if a gap is too recent for it.
    """
    if service not in HOSTS:
        raise InvalidRequestError(f"service={service!r} is unknown. Choose one of {', '.join(HOSTS)}.")
    now_utc, windows = pendulum.from_timestamp(now), dict[int, list[Window]]()
    for gap in sorted(gaps, key=lambda gap: gap.start):
        window = _whole_minutes(gap, service, now_utc)
        merged = windows.setdefault(ALL_PARTITIONS if service == "replay" else gap.partition, [])
        if merged and window.start <= merged[-1].stop:
            merged[-1] = Window(merged[-1].start, max(merged[-1].stop, window.stop))
        else:
            merged.append(window)
    return [
        Slice(partition, part)
        for partition, merged in sorted(windows.items())
        for window in merged
        for part in _split(window)
    ]


def recover(
    client: XStreamClient, wanted: Sequence[Slice], service: str, names: tuple[str, str] = WINDOW_NAMES
) -> Iterator[StreamEvent]:
    """Yield what some slices bring, two at a time; an event reports each slice that is complete.

    :param client: of the stream, with the URL of the service.
    :param service: ``recovery`` or ``replay``.
    :param names: how Recovery calls start and end of a window.
    :raises InvalidRequestError: if the stream has no such service.
    :raises RetriableError: if a slice does not become complete; those that are were reported before.
    """
    if service == "replay" and client.stream == "likes":
        raise InvalidRequestError("The Likes stream has no Replay: use Recovery.")
    limiter = client.limiter
    if service == "replay":
        limiter = RateLimiter(f"{client.path} {service}", client.timing.replays_per_minute)
    workers, todo = Workers(f"x-{service}", MAX_WAITING_EVENTS), deque(wanted)
    for _ in range(min(CONCURRENT_REQUESTS, len(todo))):
        workers.start(_Recovery(client, service, names, limiter, todo, workers).run)
    yield from workers.events()


class _Recovery:
    """Requests one slice after the other."""

    def __init__(
        self,
        client: XStreamClient,
        service: str,
        names: tuple[str, str],
        limiter: RateLimiter,
        todo: deque[Slice],
        workers: Workers,
    ) -> None:
        self._client = client
        self._service = service
        self._names = names
        self._limiter = limiter
        self._todo = todo
        self._workers = workers

    def run(self) -> None:
        """Work until no slice is left."""
        with suppress(IndexError):
            while not self._workers.stopping.is_set():
                self._complete(self._todo.popleft())

    def _complete(self, wanted: Slice) -> None:
        """Request a slice, and again what is missing of it, until it is complete."""
        missing, attempts, throttles = [wanted.window], 0, RetryState(self._client.timing.retry)
        while missing:
            window = missing.pop(0)
            remaining, error = self._request(wanted.partition, window)
            if window not in remaining:
                attempts = 0
                throttles.reset()
            elif not isinstance(error, ThrottledError):
                attempts += 1
            else:
                throttles.throttles += 1
            if attempts >= MAX_ATTEMPTS or (
                isinstance(error, ThrottledError) and not throttles.may_retry(error)
            ):
                raise error or IncompleteLandingError(
                    f"{self._service.capitalize()} of {window} does not become complete. Retry later."
                )
            missing = [*remaining, *missing]
            if remaining:
                self._client.timing.retry.on_event(WireEvent.RETRY)
                log.warning("%s: requesting again: %s", self._service, ", ".join(map(str, remaining)))
                failures = attempts + throttles.throttles
                self._workers.stopping.wait(reconnect_after(self._client.timing, error, failures))
        self._workers.put(StreamEvent(wanted.partition, slice=wanted.key))

    def _request(self, partition: int, window: Window) -> tuple[list[Window], RetriableError | None]:
        """Return what is still missing of a window, and why."""
        self._limiter.acquire()
        path, params = self._target(partition, window)
        newest, count, completion, last_words = None, 0, None, None
        try:
            with self._client.session.stream(
                path, params=params, timeout=self._client.timing.stream_silence, compressed=True
            ) as response:
                for some_lines in lines(response.blocks, is_document):
                    found = received(some_lines)
                    for notice in found.notices:
                        log.info("X says: %s", notice.text)
                        last_words = notice
                        completion = notice if notice.kind in COMPLETIONS else completion
                    count += len(found.records) + len(found.unreadable)
                    newest = max(filter(None, (newest, *map(created_ms, found.records))), default=None)
                    event = StreamEvent(partition, found.records, found.unreadable, found.others)
                    self._workers.put(event)
        except RetriableError as error:
            # some of its last words may have come before it broke
            if completion is None:
                return [_remaining(newest, window)], error
        if completion is None:
            return [_remaining(newest, window)], _no_completion(last_words)
        if completion.kind != COMPLETED and not completion.missing:
            # which minutes failed is not known
            return [window if completion.kind == WITH_ERRORS else _remaining(newest, window)], None
        if completion.count is not None and count < completion.count:
            return [window], ReadInterruptedError(f"Only {count:,} of {completion.count:,} messages came.")
        return list(completion.missing), None

    def _target(self, partition: int, window: Window) -> tuple[str, dict[str, str | int]]:
        """Return the path and the query of a request."""
        if self._service == "replay":
            date_format = "YYYYMMDDHHmm"
            dates = {"fromDate": window.start.format(date_format), "toDate": window.stop.format(date_format)}
            return self._client.path.replace("/stream/", "/replay/", 1), {**dates}
        date_format = "YYYY-MM-DDTHH:mm:ss[Z]"
        edges = (edge.format(date_format) for edge in (window.start, window.stop))
        return self._client.path, {"partition": partition, **dict(zip(self._names, edges, strict=True))}


def _no_completion(last_words: Notice | None) -> RetriableError:
    """Return why a request ended before X said that it is complete."""
    if last_words is None:
        return ReadInterruptedError("X closed before it said Completed.")
    message = f"X closed before it said Completed, and said: {last_words.text}"
    return ThrottledError(message) if last_words.kind == TOO_MANY else ReadInterruptedError(message)


def _whole_minutes(gap: Gap, service: str, now: pendulum.DateTime) -> Window:
    """Return the whole minutes around a gap, up to now."""
    start, stop = (pendulum.instance(datetime.fromisoformat(edge)) for edge in (gap.start, gap.stop))
    start, stop = start.start_of("minute"), stop.add(minutes=1, microseconds=-1).start_of("minute")
    if start < now - MAX_AGE:
        raise InvalidRequestError(
            f"The gap from {gap.start} is more than 5 days old: X cannot bring it any more."
        )
    if start < now - SURE_AGE:
        log.warning("The gap from %s is more than a day old: the account may not reach that far.", gap.start)
    if service == "replay" and stop > now - REPLAYABLE_AFTER:
        raise NotReadyError(
            f"The gap until {gap.stop} is too recent for Replay. Retry when it is 31 minutes old."
        )
    return Window(start, stop if service == "replay" else min(stop, now.start_of("second")))


def _split(window: Window) -> Iterator[Window]:
    start = window.start
    while start < window.stop:
        stop = min(start + MAX_SLICE, window.stop)
        yield Window(start, stop)
        start = stop


def _remaining(newest: int | None, window: Window) -> Window:
    """Return what is left of a window, with the minute of the newest message, which may not be complete."""
    if newest is None:
        return window
    start = pendulum.from_timestamp(newest / 1000).start_of("minute")
    return Window(min(max(window.start, start), window.stop.subtract(seconds=1)), window.stop)
