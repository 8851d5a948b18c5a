"""Bounded retries with jitter, as a value; for calls that may be repeated only."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, TypeVar

from airflow_provider_twexport.exceptions import ThrottledError, TransientError

T = TypeVar("T")
log = logging.getLogger(__name__)


class WireEvent(StrEnum):
    """What there is to count, and what its metric is called."""

    REQUEST = "requests"
    """A request was sent."""
    READ = "read_requests"
    """It asks for results."""
    THROTTLE = "throttles"
    """The service answered that there are too many."""
    RETRY = "retries"
    """What failed in passing is tried again."""


EventListener: TypeAlias = Callable[[WireEvent], None]


def ignore_event(happening: WireEvent) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long a repeatable call is tried again, and who is told of it.

    :param attempts: tries in all while nothing gets on.
    :param first_wait: seconds before the second try; doubled from try to try.
    :param throttled_wait: seconds before the second try of a throttled call; doubled likewise.
    :param max_wait: seconds at most between two tries.
    :param throttled_for: seconds in all that throttling is waited out; the limits count by the minute.
    :param watch: is told of each call and each further try.
    """

    attempts: int = 8
    first_wait: float = 0.5
    throttled_wait: float = 5.0
    max_wait: float = 60.0
    throttled_for: float = 900.0
    watch: EventListener = ignore_event

    def call(self, function: Callable[[], T], faults: type[TransientError] = TransientError) -> T:
        """Return what ``function`` returns, trying again after each passing fault.

        :param faults: which faults pass.
        :raises TransientError: the last fault, when there were too many; any other, at once.
        """
        retry_state = RetryState(self)
        while True:
            try:
                return function()
            except faults as error:
                retry_state.wait(error)


DEFAULT = Retry()


@dataclass(slots=True)
class RetryState:
    """How much of a :class:`Retry` is used up."""

    retry: Retry
    faults: int = 0
    throttles: int = 0
    throttled_since: float = field(default_factory=time.monotonic)

    def reset(self) -> None:
        """Forget earlier faults, because something got on."""
        self.faults = self.throttles = 0
        self.throttled_since = time.monotonic()

    def may_retry(self, error: TransientError) -> bool:
        """Tell whether another try is due after ``error``."""
        if isinstance(error, ThrottledError):
            return time.monotonic() - self.throttled_since < self.retry.throttled_for
        return self.faults + 1 < self.retry.attempts

    def wait(self, error: TransientError) -> None:
        """Sleep until the next try is due.

        :raises TransientError: ``error`` itself, when patience has run out.
        """
        if not self.may_retry(error):
            raise error
        self.retry.watch(WireEvent.RETRY)
        wait = self._wait(error)
        log.warning("%s Trying again in %.1f s.", error, wait)
        time.sleep(wait)

    def _wait(self, error: TransientError) -> float:
        if isinstance(error, ThrottledError):
            self.throttles += 1
            first, nth = self.retry.throttled_wait, self.throttles
        else:
            self.faults += 1
            first, nth = self.retry.first_wait, self.faults
        if error.retry_after is not None:
            return min(error.retry_after, self.retry.throttled_for)
        ceiling = min(self.retry.max_wait, first * 2.0 ** (nth - 1))
        return random.uniform(ceiling / 2, ceiling)
