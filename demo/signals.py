"""Signals leave with-blocks, and so stop what these started."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

Handler = Callable[[int, FrameType | None], object] | signal.Handlers

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_raised() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit and SIGINT into KeyboardInterrupt."""
    # A shell that starts a job with & makes it ignore SIGINT, so SIGINT is set here as well.
    with _handling({signal.SIGINT: signal.default_int_handler, signal.SIGTERM: _exit, signal.SIGHUP: _exit}):
        yield


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Ignore the ending signals: an impatient second Ctrl-C must not leave processes behind."""
    with _handling(dict.fromkeys(ENDING, signal.SIG_IGN)):
        yield


@contextmanager
def _handling(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets only the main thread set handlers
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
