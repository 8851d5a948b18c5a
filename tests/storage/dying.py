"""Lands a stream in children that die by SIGKILL; a program, since only a single-threaded one can fork safely.

``python -m tests.storage.dying steps DIRECTORY FORMAT``: one child per step, each in its own subdirectory; it
dies before or after the n-th time that it asks the operating system to sync, rename or remove a file, until one
survives.

``python -m tests.storage.dying anytime DIRECTORY FORMAT OPTIONS SEED``: children die after random, ever longer
times in one directory, until one survives. Prints how many died.

``python -m tests.storage.dying inside DIRECTORY OPTIONS BATCHES``: a child dies when so many batches of the large
stream have been written.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import s3fs  # noqa: F401  (once here is faster than in each child)
from upath import UPath

from tests.storage.stream import land, large_stream, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STEPS_STREAM = stream(7)
ANYTIME_STREAM = stream(40)
LARGE_STREAM = large_stream(30)
# at 14 batches, 10 MiB of a part have been stored: more than a block of an upload
LARGE_PART_BYTES = 16 * 2**20


def die_at_each_step(directory: str, file_format: str) -> int:
    """Return how many steps there are."""

    def land_until(step: int) -> None:
        _die_at(step)
        land(UPath(directory) / str(step), STEPS_STREAM, file_format=file_format, max_part_bytes=300)

    return next(step for step in itertools.count() if in_child(partial(land_until, step)) == 0)


def die_anytime(directory: str, file_format: str, options: dict[str, Any], seed: str) -> int:
    """Return how many children died."""
    chance = random.Random(seed)

    part_bytes, longer_by = (1500, 0.2) if options else (600, 0.03)

    def land_slowly() -> None:
        place = UPath(directory, **options)
        land(place, _Slowly(ANYTIME_STREAM), file_format=file_format, max_part_bytes=part_bytes)

    def die_or_finish(deaths: int) -> int:
        return in_child(land_slowly, killed_after=deaths * longer_by * chance.random())

    return next(deaths for deaths in itertools.count() if die_or_finish(deaths) == 0)


def die_inside(directory: str, options: dict[str, Any], batches: int) -> int:
    """Return how the child ended."""

    def land_until() -> None:
        stream = _Deadly(LARGE_STREAM, batches)
        land(UPath(directory, **options), stream, file_format="jsonl", max_part_bytes=LARGE_PART_BYTES)

    return in_child(land_until)


class _Deadly(list[Any]):
    def __init__(self, batches: Iterable[Any], last: int) -> None:
        super().__init__(batches)
        self._last = last

    def __getitem__(self, wanted: Any) -> Any:
        yield from super().__getitem__(wanted)[: self._last]
        die_if(due=True)


class _Slowly(list[Any]):
    def __getitem__(self, wanted: Any) -> Any:
        for batch in super().__getitem__(wanted):
            time.sleep(0.002)
            yield batch


def _die_at(step: int) -> None:
    steps = itertools.count()

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def call_and_die(*args: Any, **kwargs: Any) -> Any:
            die_if(next(steps) == step)
            answer = call(*args, **kwargs)
            die_if(next(steps) == step)
            return answer

        return call_and_die

    for name in ("fsync", "replace", "remove", "unlink"):
        setattr(os, name, dying(getattr(os, name)))


def die_if(due: bool) -> None:
    """Die by SIGKILL, if it is time."""
    if due:
        os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], None], killed_after: float | None = None) -> int:
    """Run something in a child and return its exit code: 0, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    if killed_after is not None:
        time.sleep(killed_after)
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, -signal.SIGKILL):
        sys.exit("a child failed instead of dying")
    return code


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["steps", directory, file_format]:
            print(die_at_each_step(directory, file_format))
        case ["anytime", directory, file_format, options, seed]:
            print(die_anytime(directory, file_format, json.loads(options), seed))
        case ["inside", directory, options, batches]:
            print(die_inside(directory, json.loads(options), int(batches)))
