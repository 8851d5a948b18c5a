"""The progress of a long read, in the task log."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0


@dataclass(slots=True)
class Progress:
    """Logs every few seconds how much has landed, how fast, and how long the remainder will take.

    :param expected: how many results there will be; ``None`` if unknown.
    :param begun_with: how many had landed before.
    :param kind: the noun for them.
    """

    expected: int | None
    begun_with: int
    kind: str = "results"
    _started_at: float = field(default_factory=time.monotonic, init=False)
    _reported_at: float = field(default_factory=time.monotonic, init=False)

    def report(self, results: int, size: int) -> None:
        """Log a line, unless the last one is recent.

        :param results: how many have landed so far.
        :param size: how many bytes they take, as written.
        """
        now = time.monotonic()
        if now - self._reported_at >= EVERY_SECONDS:
            self._reported_at = now
            log.info("%s", self.line(results, size, now - self._started_at))

    def line(self, results: int, size: int, seconds: float) -> str:
        """Return the line after so many seconds of reading."""
        speed = (results - self.begun_with) / seconds if seconds else 0.0
        text = f"{results:,} {self.kind} ({size / 1e6:,.1f} MB)"
        if self.expected is not None:
            text += f" of {self.expected:,} have landed"
        text += f", {speed:,.0f} a second"
        if self.expected is not None and speed > 0:
            text += f", {_span((self.expected - results) / speed)} to go"
        return text


def _span(seconds: float) -> str:
    minutes, remainder = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {remainder} s" if minutes else f"{remainder} s"
