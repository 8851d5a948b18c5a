"""Simulated time."""

from __future__ import annotations

import time


class Clock:
    """Tells the simulated time, which runs at its own speed and jumps on demand."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._real = self._simulated = time.time()

    def now(self) -> float:
        """Tell the simulated seconds since the epoch."""
        return self._simulated + (time.time() - self._real) * self._speed

    def now_ms(self) -> int:
        """Tell the simulated milliseconds since the epoch."""
        return int(self.now() * 1000)

    @property
    def speed(self) -> float:
        """Simulated seconds in a real one; 0 stands still."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._settle(self.now())
        self._speed = speed

    @property
    def offset(self) -> float:
        """How far simulated time is ahead of real time, in seconds."""
        return self.now() - time.time()

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self._settle(self.now() + seconds)

    def shift_to(self, offset: float) -> None:
        """Place simulated time `offset` seconds ahead of real time."""
        self._settle(time.time() + offset)

    def _settle(self, simulated: float) -> None:
        self._simulated = simulated
        self._real = time.time()
