"""Bounded retries with jitter, as a value; only for calls that may be repeated."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, TypeVar

from airflow_provider_twexport.exceptions import RetriableError, ThrottledError

T = TypeVar("T")
log = logging.getLogger(__name__)


class WireEvent(StrEnum):
    """What happens on the wire; each value is the name of its metric."""

    REQUEST = "requests"
    """A request was sent."""
    READ = "read_requests"
    """The request asks for results."""
    THROTTLE = "throttles"
    """The service refused a request because there are too many."""
    RETRY = "retries"
    """A call is retried after a transient error."""


EventListener: TypeAlias = Callable[[WireEvent], None]


def ignore_event(event: WireEvent) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long a repeatable call is retried, and who counts it.

    :param attempts: how many attempts in all, as long as there is no progress.
    :param first_wait: seconds before the second attempt; each further wait doubles.
    :param throttled_wait: seconds before the second attempt of a throttled call; each further wait doubles.
    :param max_wait: the longest wait between two attempts, in seconds.
    :param throttled_for: how many seconds in all to wait out throttling; the services count by the minute.
    :param on_event: called with each event.
    """

    attempts: int = 8
    first_wait: float = 0.5
    throttled_wait: float = 5.0
    max_wait: float = 60.0
    throttled_for: float = 900.0
    on_event: EventListener = ignore_event

    def call(self, function: Callable[[], T], retry_on: type[RetriableError] = RetriableError) -> T:
        """Return what ``function`` returns; retry after each transient error.

        :param retry_on: which errors to retry.
        :raises RetriableError: the last of them, when the retries are used up; any other, at once.
        """
        retry_state = RetryState(self)
        while True:
            try:
                return function()
            except retry_on as error:
                retry_state.wait(error)


@dataclass(slots=True)
class RetryState:
    """How much of a :class:`Retry` is used up.

    :param retry: the limits.
    :param failures: how many transient errors since the last progress.
    :param throttles: how many refusals because of throttling since then.
    :param throttled_since: when that was, on the monotonic clock.
    """

    retry: Retry
    failures: int = 0
    throttles: int = 0
    throttled_since: float = field(default_factory=time.monotonic)

    def reset(self) -> None:
        """Forget earlier errors, because there was progress."""
        self.failures = self.throttles = 0
        self.throttled_since = time.monotonic()

    def may_retry(self, error: RetriableError) -> bool:
        """Return whether another attempt is allowed after ``error``."""
        if isinstance(error, ThrottledError):
            return time.monotonic() - self.throttled_since < self.retry.throttled_for
        return self.failures + 1 < self.retry.attempts

    def wait(self, error: RetriableError) -> None:
        """Sleep until the next attempt is due.

        :raises RetriableError: ``error`` itself, when the retries are used up.
        """
        if not self.may_retry(error):
            raise error
        self.retry.on_event(WireEvent.RETRY)
        seconds = self._next_wait(error)
        log.warning("%s Retrying in %.1f s.", error, seconds)
        time.sleep(seconds)

    def _next_wait(self, error: RetriableError) -> float:
        if isinstance(error, ThrottledError):
            self.throttles += 1
            first, nth = self.retry.throttled_wait, self.throttles
        else:
            self.failures += 1
            first, nth = self.retry.first_wait, self.failures
        if error.retry_after is not None:
            return min(error.retry_after, self.retry.throttled_for)
        ceiling = min(self.retry.max_wait, first * 2.0 ** (nth - 1))
        return random.uniform(ceiling / 2, ceiling)
