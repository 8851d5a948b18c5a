"""Threads that read a stream; one reader receives what they find."""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_twexport.x.streams.capture_report import StreamEvent

_POLL_SECONDS = 0.1


class Workers:
    """Runs work in threads and hands their events to one reader, in the order in which they occur.

    :param name: of the threads.
    :param max_waiting: how many events may wait for the reader; then the threads wait.
    """

    def __init__(self, name: str, max_waiting: int) -> None:
        self.stopping = threading.Event()
        self._name = name
        self._running = 0
        self._events: Queue[StreamEvent | BaseException | None] = Queue(max_waiting)

    def start(self, work: Callable[[], None]) -> None:
        """Run ``work`` in a thread; it should end soon after ``stopping`` is set."""
        self._running += 1
        threading.Thread(target=self._run, args=(work,), name=self._name, daemon=True).start()

    def put(self, event: StreamEvent | BaseException | None) -> None:
        """Hand an event to the reader, from a thread; ``None`` when its work is done."""
        while not self.stopping.is_set():
            with suppress(Full):
                self._events.put(event, timeout=_POLL_SECONDS)
                return

    def events(self, is_over: Callable[[], bool] = lambda: False) -> Iterator[StreamEvent]:
        """Yield the events until all work is done, or ``is_over``; then stop the threads.

        :raises BaseException: the first error of a thread.
        """
        try:
            while self._running and not is_over():
                try:
                    event = self._events.get(timeout=_POLL_SECONDS)
                except Empty:
                    continue
                yield from self._received(event)
            self.stopping.set()
            for _ in range(self._events.qsize()):
                yield from self._received(self._events.get_nowait())
        finally:
            self.stopping.set()

    def _received(self, event: StreamEvent | BaseException | None) -> Iterator[StreamEvent]:
        if isinstance(event, BaseException):
            raise event
        if event is None:
            self._running -= 1
        else:
            yield event

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
            self.put(None)
        except BaseException as error:
            self.put(error)
