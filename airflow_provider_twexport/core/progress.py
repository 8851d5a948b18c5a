"""Progress lines of a long read in the task log."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0


@dataclass(slots=True)
class Progress:
    """Logs every few seconds how much has landed, how fast, and how long the remaining results will take.

    :param expected: how many results will land; ``None`` if unknown.
    :param initial: how many had landed before.
    :param kind: what to call them.
    """

    expected: int | None
    initial: int
    kind: str = "results"
    _started: float = field(default_factory=time.monotonic, init=False)
    _logged: float = field(default_factory=time.monotonic, init=False)

    def report(self, results: int, size: int) -> None:
        """Log a line if the last one is long enough ago.

        :param results: how many have landed so far.
        :param size: how many bytes they have, as written.
        """
        now = time.monotonic()
        if now - self._logged >= EVERY_SECONDS:
            self._logged = now
            log.info("%s", self.line(results, size, now - self._started))

    def line(self, results: int, size: int, seconds: float) -> str:
        """Return the line after some seconds of reading."""
        speed = (results - self.initial) / seconds if seconds else 0.0
        line = f"{results:,} {self.kind} ({size / 1e6:,.1f} MB)"
        if self.expected is not None:
            line += f" of {self.expected:,} have landed"
        line += f", {speed:,.0f} a second"
        if self.expected is not None and speed > 0:
            line += f", {_duration((self.expected - results) / speed)} to go"
        return line


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
