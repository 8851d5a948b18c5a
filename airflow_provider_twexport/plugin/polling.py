"""One request for many visitors: sent in a background thread, not too often, and only while somebody visits."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from airflow_provider_twexport.exceptions import TwexportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
# a slow request is repeated less often, so that a server spends no more than a tenth of its time on it; but the
# first one does not count, which loads modules, reads every manifest and waits for the first results of others
_MIN_PAUSE = 10
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """The last result.

    :param value: ``None`` if there was none yet.
    :param age: seconds since then; ``None`` if there was none yet.
    :param problem: why there is no newer result, in a sentence that holds no secret; ``None`` if nothing is wrong.
    """

    value: T | None = None
    age: float | None = None
    problem: str | None = None


class Poll(Generic[T]):
    """Sends one request for many.

    :param request: sends it and returns the result; may be slow, and may raise.
    :param every: seconds from one request to the next, at least; more if it is slow.
    """

    def __init__(self, request: Callable[[], T], every: float) -> None:
        self._request = request
        self._every = every
        self._lock = threading.Lock()
        self._requesting = threading.Lock()
        self._started_at = float("-inf")
        self._took = 0.0
        self._finished = threading.Event()
        self._finished.set()
        self._result: tuple[T, float] | None = None
        self._problem: str | None = None

    def latest(self, first: float = 0.0, newer: float = 0.0) -> Snapshot[T]:
        """Return the last result, and start a new request if one is due.

        :param first: seconds to wait for the very first result.
        :param newer: seconds to wait for a newer result than the one that is known.
        """
        with self._lock:
            pause = max(self._every, _MIN_PAUSE * self._took)
            if self._finished.is_set() and time.monotonic() - self._started_at >= pause:
                self._start()
            timeout = first if self._result is None else newer
        self._finished.wait(timeout)
        with self._lock:
            if self._result is None:
                return Snapshot(problem=self._problem)
            value, at = self._result
            return Snapshot(value, time.monotonic() - at, self._problem)

    def expire(self) -> None:
        """Make a new request due, because the last result is not true any more."""
        with self._lock:
            self._started_at = float("-inf")

    def refresh(self) -> T:
        """Send a request now, wait for the result however long it takes, and return it.

        :raises Exception: what the request raised.
        """
        with self._requesting:
            value = self._request()
        with self._lock:
            self._result, self._problem, self._started_at = (value, time.monotonic()), None, time.monotonic()
        return value

    def _start(self) -> None:
        self._started_at = time.monotonic()
        self._finished.clear()
        threading.Thread(target=self._run, name="twexport-poll", daemon=True).start()

    def _run(self) -> None:
        began, is_first = time.monotonic(), self._result is None
        try:
            with self._requesting:
                value = self._request()
        except Exception as error:
            with self._lock:
                self._problem, self._took = _describe(error), time.monotonic() - began
        else:
            with self._lock:
                self._result, self._problem = (value, time.monotonic()), None
                self._took = 0.0 if is_first else time.monotonic() - began
        finally:
            self._finished.set()


def latest_of_all(polls: Iterable[Poll[T]], first: float = 0.0, newer: float = 0.0) -> list[Snapshot[T]]:
    """Return the last result of each poll; all requests start at once, so that this waits no longer than for one.

    :param polls: which.
    :param first: seconds to wait for first results.
    :param newer: seconds to wait for newer results.
    """
    listed, began = list(polls), time.monotonic()
    for poll in listed:
        poll.latest()
    return [poll.latest(first - (waited := time.monotonic() - began), newer - waited) for poll in listed]


def _describe(error: Exception) -> str:
    if isinstance(error, TwexportError):
        return str(error)
    # the text is shown in browsers, and an unexpected error may quote anything
    log.error("A request for the Exports page failed.", exc_info=error)
    return f"An unexpected {type(error).__name__}. See the API server's log."
