"""Processes by session: the tasks of a component leave its process group, but never its session."""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

ATTEMPTS = 3


def live_pids(session: int) -> list[int]:
    """Return the processes of a session that still run."""
    return [pid for pid in psutil.pids() if _session_of(pid) == session and not _is_zombie(pid)]


def stop_sessions(sessions: Iterable[int], grace: float) -> None:
    """Ask the leaders to stop, wait, and kill what remains of their sessions."""
    sessions = list(sessions)
    # Repeatedly, since Airflow's scheduler loses a SIGTERM that arrives while Python runs a destructor.
    for _ in range(ATTEMPTS):
        _terminate(sessions)
        if _wait_until_gone(sessions, grace / ATTEMPTS):
            return
    kill_sessions(sessions)


def kill_sessions(sessions: Iterable[int]) -> None:
    """Kill every process of the sessions, and what they start meanwhile."""
    sessions = list(sessions)
    deadline = time.monotonic() + 10
    while pids := _all_live(sessions):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def _terminate(sessions: list[int]) -> None:
    for leader in sessions:
        if leader in live_pids(leader):  # else the number may belong to another process by now
            os.kill(leader, signal.SIGTERM)


def _wait_until_gone(sessions: list[int], grace: float) -> bool:
    deadline = time.monotonic() + grace
    while _all_live(sessions):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _all_live(sessions: list[int]) -> list[int]:
    return [pid for session in sessions for pid in live_pids(session)]


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
