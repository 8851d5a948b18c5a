"""The directory in which the demo keeps everything; emptied at each start."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.errors import DemoError

NEEDED_BYTES = 1024**3


@contextmanager
def fresh_home(home: Path) -> Iterator[Path]:
    """Empty the directory and keep it for this process alone."""
    home.mkdir(exist_ok=True)
    _require_space(home)
    handle = os.open(home, os.O_RDONLY)
    try:
        _lock(handle, home)
        _empty(home)
        yield home
    finally:
        os.close(handle)


def _require_space(home: Path) -> None:
    free = shutil.disk_usage(home).free
    if free < NEEDED_BYTES:
        raise DemoError(
            f"The demo needs 1 GiB of free disk, and {home} has only {free / 1024**2:,.0f} MiB. Free some space first."
        )


def _lock(handle: int, home: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise DemoError(f"Another demo is running in {home}. Stop it first.") from None


def _empty(home: Path) -> None:
    for entry in home.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
