"""Lands 300,000 records of 1 kB, breaks off, goes on, and prints the growth of its memory in MiB; a program."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_twexport.clients.batch import Batch
from airflow_provider_twexport.storage import manifest
from tests.storage.stream import land, open_landing, stream

if TYPE_CHECKING:
    from airflow_provider_twexport.storage.landing import Landing

PER_BATCH = 500
BATCHES = 600


def peak_mib() -> float:
    """Return the most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def batch(number: int) -> Batch:
    """Return one batch of the stream."""
    first = number * PER_BATCH
    records = [b'{"id":%d,"text":"%s"}' % (at, b"%d " % at * 140) for at in range(first, first + PER_BATCH)]
    return Batch([record[:1022] + b'"}' for record in records], str(number + 1))


def land_some(directory: Path, file_format: str, first: int, stop: int) -> Landing:
    """Land some batches and return the open landing."""
    landing = open_landing(directory, file_format=file_format, max_part_bytes=2 * 1024 * 1024)
    assert int(landing.offset or 0) <= first
    for number in range(int(landing.offset or 0), stop):
        landing.write(batch(number))
    return landing


if __name__ == "__main__":
    directory, file_format = Path(sys.argv[1]), sys.argv[2]
    land(directory / "warm-up", stream(3), file_format=file_format)
    manifest.verify(directory / "warm-up")
    before = peak_mib()
    land_some(directory / "big", file_format, 0, BATCHES // 2).discard()
    landed = land_some(directory / "big", file_format, BATCHES // 2, BATCHES).commit()
    assert landed.results == PER_BATCH * BATCHES
    print(peak_mib() - before)
