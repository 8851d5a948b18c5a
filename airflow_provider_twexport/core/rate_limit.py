"""A rate limit by the minute and by the second, shared by all processes of this machine.

They share a small file with the times at which requests were sent. Tasks on several machines do not see each other:
there, an Airflow pool limits them, and a request that is too much is refused with 429 and retried.
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
    """Limits the rate of requests.

    :param name: what is limited; all limiters of this name share the limit.
    :param per_minute: how many requests in any minute.
    :param per_second: how many requests in any second.
    """

    def __init__(self, name: str, per_minute: int, per_second: int = REQUESTS_PER_SECOND) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._file = Path(tempfile.gettempdir()) / f"twexport-rate-limit-{os.getuid()}-{digest}"
        self._limits = ((per_minute, 60.0), (per_second, 1.0))

    def acquire(self) -> None:
        """Sleep until one more request is allowed, and count it."""
        while (seconds := self._try_acquire()) > 0:
            time.sleep(seconds)

    def _try_acquire(self) -> float:
        """Count one more request if it is allowed; else return how many seconds to wait."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            now, content = time.time(), file.read()
            sent = array("d", content[: len(content) // 8 * 8])  # a writer may have been killed
            # a time in the future is from before the clock was set back
            recent = array("d", [moment for moment in sent if now - 60 < moment <= now])
            seconds = max(self._wait(recent, now, *limit) for limit in self._limits)
            if seconds <= 0:
                recent.append(now)
                file.seek(0)
                file.truncate()
                file.write(recent.tobytes())
            return seconds

    @staticmethod
    def _wait(recent: array[float], now: float, allowed: int, period: float) -> float:
        within = len(recent) - bisect_right(recent, now - period)
        return recent[-allowed] + period - now if within >= allowed else 0.0
