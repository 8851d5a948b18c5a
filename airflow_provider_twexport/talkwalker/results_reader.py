"""Reading a Talkwalker collector to its end, through cuts, silence, heartbeats and throttling."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.retry import RetryState
from airflow_provider_twexport.core.timing import Timing
from airflow_provider_twexport.exceptions import (
    ReadIdleError,
    ReadStalledError,
    RetriableError,
    TwexportError,
)
from airflow_provider_twexport.talkwalker.results import EARLIEST, EndBehaviour, ReadState, ResultsRead

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from airflow_provider_twexport.core.batch import Batch
    from airflow_provider_twexport.core.http import StreamedResponse

log = logging.getLogger(__name__)

# a `stop` read was seen to end after 334 results with more behind them; a remainder this small fits into one
ONE_STOP_READ = 300


@dataclass(slots=True)
class ResultsReader:
    """Reads a collector until nothing new comes.

    One long ``wait`` connection brings what is there: the endpoint allows 5 calls a minute and a ``stop`` read
    may end after a few hundred results. ``stop`` reads then confirm that nothing is left, and take over where
    ``wait`` misbehaves. A ``stop`` read that brings nothing means that the log is drained.

    :param open_read: opens a connection at a cursor with an end behaviour.
    :param explain: returns the error that a ``CT_ERROR`` chunk means.
    :param redact: takes the credential out of a text of the service.
    :param cursor: where to start; ``earliest`` for the beginning.
    :param export_id: the export whose results are wanted; ``None`` for all that the collector holds.
    :param missing: returns how many results are still to come behind the batches yielded; infinity if nobody knows.
    :param state: what earlier reads of the same log saw.
    :param timing: how often a read is retried without progress, how long it may be idle, and when it is stalled.
    """

    open_read: Callable[[str, EndBehaviour], AbstractContextManager[StreamedResponse]]
    explain: Callable[[Any], TwexportError]
    redact: Callable[[str], str] = str
    cursor: str = EARLIEST
    export_id: str | None = None
    missing: Callable[[], float] = lambda: math.inf
    state: ReadState = field(default_factory=ReadState)
    timing: Timing = field(default_factory=Timing)
    _unconfirmed: int = field(default=0, init=False)
    _is_past_end: bool = field(default=False, init=False)
    _was_resumed: bool = field(default=False, init=False)
    _last_result: float = field(default_factory=time.monotonic, init=False)

    def __iter__(self) -> Generator[Batch]:
        """Yield batches that follow each other without a gap.

        :raises ReadStalledError: if no result has come for ``timing.read_stalled`` seconds, though the log moves.
        :raises TwexportError: the service's own error, or the last transient one when the retries are used up.
        """
        try:
            if self.missing() > ONE_STOP_READ:
                yield from self._wait()
            if not self._is_past_end:
                yield from self._stop()
        except TwexportError as error:
            error.prepend(f"The read reached offset {self.cursor}.")
            raise

    def uninterrupted(self) -> Generator[Batch]:
        """Yield the batches of one connection, which no other resumes, until no result comes any more.

        Nothing in it was delivered before, so it brings the log row by row.

        :raises TwexportError: if it broke off after it had brought something.
        """
        start, retry_state = self.cursor, RetryState(self.timing.retry)
        while True:
            self._last_result = time.monotonic()
            try:
                read = yield from self._read("wait", lambda: math.inf, self._is_silent)
            except RetriableError as error:
                if self.cursor != start or self.state.unconfirmed:
                    raise
                retry_state.wait(error)
                continue
            if read.pending:
                yield read.unconfirmed_batch()
            return

    def _is_silent(self, batch: Batch) -> bool:
        """Return whether a control came without a result, though all have come, or none for a while."""
        if batch.records or batch.foreign:
            return False
        return self.missing() <= 0 or time.monotonic() - self._last_result > self.timing.idle_read

    def _wait(self) -> Generator[Batch]:
        """Read long connections until all has arrived, or one brings nothing more."""
        retry_state = RetryState(self.timing.retry)
        while self.missing() > self._unconfirmed:
            before = self.cursor
            self._was_resumed |= before != EARLIEST
            try:
                read = yield from self._read("wait", self.missing)
            except RetriableError as error:
                if self.cursor != before:
                    retry_state.reset()
                if not retry_state.may_retry(error):
                    log.warning("%s Reading on with short reads.", error)
                    return
                retry_state.wait(error)
                continue
            if read.is_idle or self._is_past_end or self.cursor == before:
                return
            self._check_stalled()

    def _stop(self) -> Generator[Batch]:
        """Read short connections until the log is drained."""
        retry_state = RetryState(self.timing.retry)
        while True:
            before, unconfirmed = self.cursor, self._unconfirmed
            try:
                read = yield from self._read("stop", lambda: math.inf)
                if read.is_idle and self.cursor == before and 0 < self.missing() < math.inf:
                    raise ReadIdleError(
                        "A short read stays open and brings nothing, though results are missing."
                    )
            except RetriableError as error:
                if self.cursor != before:
                    retry_state.reset()
                retry_state.wait(error)
                continue
            retry_state.reset()
            if self._is_drained(read, unconfirmed, moved=self.cursor != before):
                return
            self._check_stalled()

    def _is_drained(self, read: ResultsRead, unconfirmed: int, *, moved: bool) -> bool:
        """Return whether nothing is left behind a short read."""
        if self._is_past_end or not (moved or read.arrived):
            return True
        # nothing but what the long read had seen already, or nothing of ours; a resumed one may have counted rows twice
        return (
            read.arrived <= unconfirmed and self.missing() <= 0 and not read.is_idle and not self._was_resumed
        )

    def _check_stalled(self) -> None:
        seconds = time.monotonic() - self._last_result
        if seconds > self.timing.read_stalled:
            missing = self.missing()
            raise ReadStalledError(
                f"No result has arrived for {seconds:.0f} s, though offsets change; "
                f"{'an unknown number' if math.isinf(missing) else f'{missing:,}'} of results is missing. "
                "What came so far is kept, and a retry reads on."
            )

    def _read(
        self,
        end_behaviour: EndBehaviour,
        missing: Callable[[], float],
        is_over: Callable[[Batch], bool] = lambda batch: False,
    ) -> Generator[Batch, None, ResultsRead]:
        """Yield the batches of one connection and return what it was.

        :param is_over: returns whether a batch is the last.
        """
        read = ResultsRead(self.cursor, self.export_id, self.explain, self.redact, self.state)
        self._unconfirmed = 0
        with self.open_read(self.cursor, end_behaviour) as response:
            if math.isinf(self.state.until):
                self.state.until = response.sent_at() * 1000
            for batch in read.batches(response.blocks, missing=missing, idle_seconds=self.timing.idle_read):
                self.cursor = batch.cursor or self.cursor
                yield batch
                if batch.records:
                    # after the yield: the time that a store takes to write is no stall of the service
                    self._last_result = time.monotonic()
                if is_over(batch) or time.monotonic() - self._last_result > self.timing.read_stalled:
                    break
        # the next read brings these again, because no control has come behind them
        self._unconfirmed = read.unconfirmed
        self._is_past_end = read.is_past_end
        return read
