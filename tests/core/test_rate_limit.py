"""The limits of a connection, shared by the tasks of a machine."""

from __future__ import annotations

import subprocess
import sys
import time
from array import array
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from airflow_provider_twexport.core import rate_limit
from airflow_provider_twexport.core.rate_limit import RateLimiter
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

SEND_30 = """
import sys
from airflow_provider_twexport.core.rate_limit import RateLimiter
limiter = RateLimiter(sys.argv[1], 1000)
for _ in range(30):
    limiter.acquire()
"""


@pytest.fixture
def name() -> Iterator[str]:
    """A limit of its own."""
    name = uuid4().hex
    yield name
    RateLimiter(name, per_minute=1)._file.unlink()


@pytest.mark.slow
def test_processes_share_the_limit_of_a_second(name: str) -> None:
    """Two processes send thirty requests each, and never more than twenty in a second."""
    command = [sys.executable, "-c", SEND_30, name]
    senders = [subprocess.Popen(command) for _ in range(2)]
    assert [sender.wait(PATIENCE) for sender in senders] == [0, 0]
    sent = array("d", RateLimiter(name, per_minute=1)._file.read_bytes())
    assert len(sent) == 60
    assert max(sum(begin <= moment < begin + 1 for moment in sent) for begin in sent) == 20


def test_a_minute_is_limited_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two per minute, the third request waits until a minute after the first; older ones do not count."""
    now, slept = [1_000_000.0], list[float]()
    monkeypatch.setattr(rate_limit, "time", _FakeTime(now, slept))
    limiter = RateLimiter(name, per_minute=2)
    for _ in range(3):
        limiter.acquire()
    assert slept == [60.0]
    now[0] += 61
    limiter.acquire()
    assert slept == [60.0]


def test_a_broken_file_and_a_clock_set_back_do_no_harm(name: str) -> None:
    """Impossible times in the file are ignored."""
    limiter = RateLimiter(name, per_minute=1)
    limiter._file.write_bytes(array("d", [time.time() + 1_000]).tobytes() + b"abc")
    limiter.acquire()
    assert len(limiter._file.read_bytes()) == 8


class _FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self, now: list[float], slept: list[float]) -> None:
        self._now, self._slept = now, slept

    def time(self) -> float:
        return self._now[0]

    def sleep(self, seconds: float) -> None:
        self._slept.append(seconds)
        self._now[0] += seconds
