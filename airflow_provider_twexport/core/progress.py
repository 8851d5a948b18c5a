"""What a long read says of itself in the task log."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

EVERY_SECONDS = 5.0


@dataclass(slots=True)
class Progress:
    """Tells every few seconds how much has landed, how fast, and how long the rest will take.

    :param expected: how many results there will be; ``None`` if nobody knows.
    :param begun_with: how many had landed before.
    :param kind: what they are called.
    """

    expected: int | None
    begun_with: int
    kind: str = "results"
    _began: float = field(default_factory=time.monotonic, init=False)
    _told: float = field(default_factory=time.monotonic, init=False)

    def tell(self, results: int, size: int) -> None:
        """Log a line, if the last one is long enough ago.

        :param results: how many have landed so far.
        :param size: how many bytes they take, as written.
        """
        now = time.monotonic()
        if now - self._told >= EVERY_SECONDS:
            self._told = now
            log.info("%s", self.line(results, size, now - self._began))

    def line(self, results: int, size: int, seconds: float) -> str:
        """Return what there is to say after so many seconds of reading."""
        speed = (results - self.begun_with) / seconds if seconds else 0.0
        said = f"{results:,} {self.kind} ({size / 1e6:,.1f} MB)"
        if self.expected is not None:
            said += f" of {self.expected:,} have landed"
        said += f", {speed:,.0f} a second"
        if self.expected is not None and speed > 0:
            said += f", {_span((self.expected - results) / speed)} to go"
        return said


def _span(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
