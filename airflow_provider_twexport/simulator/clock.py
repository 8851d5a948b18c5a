"""Simulated time."""

from __future__ import annotations

import time


class Clock:
    """Simulated time: it runs at its own speed and jumps on demand."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._real = self._simulated = time.time()

    def now(self) -> float:
        """Return the simulated seconds since the epoch."""
        return self._simulated + (time.time() - self._real) * self._speed

    def now_ms(self) -> int:
        """Return the simulated milliseconds since the epoch."""
        return int(self.now() * 1000)

    @property
    def speed(self) -> float:
        """Simulated seconds in a real one; at 0, time stands still."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._set(self.now())
        self._speed = speed

    @property
    def offset(self) -> float:
        """Simulated time minus real time, in seconds."""
        return self.now() - time.time()

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self._set(self.now() + seconds)

    def set_offset(self, offset: float) -> None:
        """Set simulated time to real time plus `offset` seconds."""
        self._set(time.time() + offset)

    def _set(self, simulated: float) -> None:
        self._simulated = simulated
        self._real = time.time()
