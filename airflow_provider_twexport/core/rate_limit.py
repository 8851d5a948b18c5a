"""Requests spaced so that no minute and no second sees too many, by all processes of this machine together.

They share a small file of the moments at which requests were sent. Tasks on several machines do not see each other:
there an Airflow pool bounds them, and what is too much all the same is answered with 429, and waited out.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from array import array
from bisect import bisect_right
from pathlib import Path

REQUESTS_PER_SECOND = 20


class RateLimiter:
    """Lets so many requests pass.

    :param name: what the limit is for; all with this name share it.
    :param per_minute: how many in any minute.
    :param per_second: how many in any second.
    """

    def __init__(self, name: str, per_minute: int, per_second: int = REQUESTS_PER_SECOND) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._file = Path(tempfile.gettempdir()) / f"twexport-pace-{os.getuid()}-{digest}"
        self._limits = ((per_minute, 60.0), (per_second, 1.0))

    def acquire(self) -> None:
        """Sleep until one more request is allowed, and count it."""
        while (wait := self._wait_or_pass()) > 0:
            time.sleep(wait)

    def _wait_or_pass(self) -> float:
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            now, held = time.time(), file.read()
            sent = array("d", held[: len(held) // 8 * 8])  # a writer may have died
            # what lies in the future was sent before the clock was set back
            recent = array("d", [moment for moment in sent if now - 60 < moment <= now])
            wait = max(self._wait(recent, now, *limit) for limit in self._limits)
            if wait <= 0:
                recent.append(now)
                file.seek(0)
                file.truncate()
                file.write(recent.tobytes())
            return wait

    @staticmethod
    def _wait(recent: array[float], now: float, allowed: int, seconds: float) -> float:
        within = len(recent) - bisect_right(recent, now - seconds)
        return recent[-allowed] + seconds - now if within >= allowed else 0.0
