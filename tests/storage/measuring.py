"""Lands 300,000 records of 1 kB, breaks off, goes on, and prints the growth of its memory in MiB; a program.

``python -m tests.storage.measuring DIRECTORY FORMAT PART_BYTES OPTIONS``
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upath import UPath

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.storage import manifest
from tests.storage.stream import land, open_landing, stream

if TYPE_CHECKING:
    from airflow_provider_twexport.storage.landing import Landing

PER_BATCH = 500
BATCHES = 600


def peak_mib() -> float:
    """Return the most memory that this process ever had."""
    # getrusage would also count what the process that started this one had.
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def batch(number: int) -> Batch:
    """Return one batch of the stream."""
    first = number * PER_BATCH
    records = [b'{"id":%d,"text":"%s"}' % (at, b"%d " % at * 140) for at in range(first, first + PER_BATCH)]
    return Batch([record[:1022] + b'"}' for record in records], str(number + 1))


def land_some(directory: UPath, options: dict[str, Any], first: int, stop: int) -> Landing:
    """Land some batches and return the open landing."""
    landing = open_landing(directory, **options)
    assert int(landing.cursor or 0) <= first
    for number in range(int(landing.cursor or 0), stop):
        landing.write(batch(number))
    return landing


if __name__ == "__main__":
    place, file_format, part_bytes, storage_options = sys.argv[1:]
    directory = UPath(place, **json.loads(storage_options))
    options = {"file_format": file_format, "max_part_bytes": int(part_bytes)}
    land(directory / "warm-up", stream(3), **options)
    manifest.verify(directory / "warm-up")
    before = peak_mib()
    land_some(directory / "big", options, 0, BATCHES // 2).discard()
    landed = land_some(directory / "big", options, BATCHES // 2, BATCHES).commit()
    assert landed.results == PER_BATCH * BATCHES
    print(peak_mib() - before)
