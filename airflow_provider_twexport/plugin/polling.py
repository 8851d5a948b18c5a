"""One question for all who want to know: asked at most so often, in a thread, and only while somebody looks."""

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
# what takes long is asked less often, so that a server spends no more than a tenth of its time on it; but not the
# first answer, which loads modules, reads every manifest and waits for the first answers of others
_REST = 10
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """What is known.

    :param value: the last answer; ``None`` if there was none yet.
    :param age: seconds since then; ``None`` if there was none yet.
    :param problem: why there is no newer answer, in a sentence that holds no secret; ``None`` if there is none.
    """

    value: T | None = None
    age: float | None = None
    problem: str | None = None


class Poll(Generic[T]):
    """Asks one question for many.

    :param ask: asks it; may take its time, and may raise.
    :param every: seconds from one question to the next at least; more where an answer takes long.
    """

    def __init__(self, ask: Callable[[], T], every: float) -> None:
        self._ask = ask
        self._every = every
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._took = 0.0
        self._answered = threading.Event()
        self._answered.set()
        self._known: tuple[T, float] | None = None
        self._problem: str | None = None

    def look(self, first: float = 0.0, fresh: float = 0.0) -> Look[T]:
        """Return what is known, after asking anew where that is due.

        :param first: seconds to wait for the first answer of all.
        :param fresh: seconds to wait for a newer answer than the one that is known.
        """
        with self._lock:
            rest = max(self._every, _REST * self._took)
            if self._answered.is_set() and time.monotonic() - self._asked_at >= rest:
                self._begin()
            patience = first if self._known is None else fresh
        self._answered.wait(patience)
        with self._lock:
            if self._known is None:
                return Look(problem=self._problem)
            value, at = self._known
            return Look(value, time.monotonic() - at, self._problem)

    def forget(self) -> None:
        """Ask anew at the next look, because the answer has changed."""
        with self._lock:
            self._asked_at = float("-inf")

    def renew(self) -> T:
        """Ask now, wait for the answer however long it takes, and return it.

        :raises Exception: what asking raised.
        """
        with self._asking:
            value = self._ask()
        with self._lock:
            self._known, self._problem, self._asked_at = (value, time.monotonic()), None, time.monotonic()
        return value

    def _begin(self) -> None:
        self._asked_at = time.monotonic()
        self._answered.clear()
        threading.Thread(target=self._run, name="twexport-poll", daemon=True).start()

    def _run(self) -> None:
        began, is_first = time.monotonic(), self._known is None
        try:
            with self._asking:
                value = self._ask()
        except Exception as error:
            with self._lock:
                self._problem, self._took = _told(error), time.monotonic() - began
        else:
            with self._lock:
                self._known, self._problem = (value, time.monotonic()), None
                self._took = 0.0 if is_first else time.monotonic() - began
        finally:
            self._answered.set()


def look_at_all(polls: Iterable[Poll[T]], first: float = 0.0, fresh: float = 0.0) -> list[Look[T]]:
    """Return what is known of each; all are asked at once, and waited for no longer than one.

    :param polls: which.
    :param first: seconds to wait for first answers.
    :param fresh: seconds to wait for newer answers.
    """
    listed, began = list(polls), time.monotonic()
    for poll in listed:
        poll.look()
    return [poll.look(first - (waited := time.monotonic() - began), fresh - waited) for poll in listed]


def _told(error: Exception) -> str:
    if isinstance(error, TwexportError):
        return str(error)
    # the text goes to browsers; what an unforeseen error says may hold anything
    log.error("A look for the Exports page failed.", exc_info=error)
    return f"An unexpected {type(error).__name__}; see the API server's log."
