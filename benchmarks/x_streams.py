"""Capture both partitions of a Decahose at ten times its real rate on one core, and print what it took.

``python -m benchmarks.x_streams --seconds 240 --remembered 60 --rate 6000 --format jsonl.gz``

Memory has to be flat once the ids that are remembered begin to be forgotten. In earnest that is after seven minutes; to
see it sooner, a run remembers the ids of one minute only, with a seventh of the memory for them. ``--remembered 420``
is as in earnest, and takes ``--seconds 1500`` to tell.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

TABLE_IDS = 1 << 19  # ids are forgotten so many at once
LOOKS = 12


class Unheard:
    """A task instance of no Airflow."""

    def xcom_push(self, key: str, value: object) -> None:
        """Keep nothing: there is no UI."""


def resident_mib() -> float:
    """Return how much memory this process has now."""
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024


def main() -> None:
    """Run once and print a line of figures, and the memory over time."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=240)
    options.add_argument("--remembered", type=float, default=60.0, help="seconds that an id is remembered")
    options.add_argument("--rate", type=int, default=6_000, help="posts per second and partition")
    options.add_argument("--format", default="jsonl.gz")
    chosen = options.parse_args()
    ours, theirs = sorted(os.sched_getaffinity(0))[0], sorted(os.sched_getaffinity(0))[-1]
    command = [sys.executable, "-m", "benchmarks.x_stream_server", str(chosen.rate), str(theirs)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{int(next(iter(server.stdout or ())))}"
        os.sched_setaffinity(0, {ours})
        capture(url, chosen.seconds, chosen.rate, chosen.format, chosen.remembered)
    finally:
        server.terminate()


def capture(url: str, seconds: int, rate: int, file_format: str, remembered: float) -> None:
    """Land so many seconds of the stream."""
    connection = {"conn_type": "x_enterprise", "host": url, "login": "a", "password": "b"}
    connection["extra"] = json.dumps({"account": "demo", "label": "prod"})
    os.environ["AIRFLOW_CONN_X_ENTERPRISE_DEFAULT"] = json.dumps(connection)
    from airflow_provider_twexport.storage import manifest
    from airflow_provider_twexport.transfers import x_stream_to_object_storage as transfer

    transfer.REMEMBERED_SECONDS = remembered
    memory: list[float] = []

    def look() -> None:
        for _ in range(LOOKS):
            time.sleep(seconds / LOOKS)
            memory.append(resident_mib())

    with tempfile.TemporaryDirectory() as directory:
        operator = transfer.XStreamToObjectStorageOperator(
            task_id="land",
            object_storage_path=f"file://{directory}",
            duration=timedelta(seconds=seconds),
            file_format=file_format,
        )
        threading.Thread(target=look, daemon=True).start()
        spent = time.process_time()
        landed = operator.execute({"ti": Unheard()})
        spent = time.process_time() - spent
        report = manifest.read(directory).report or {}
    ended = sum(sum(one["disconnected"].values()) for one in report["partitions"].values())
    print(
        f"{landed['results']:,} posts of {2 * rate * seconds:,} in {seconds} s, "
        f"{landed['results'] / spent:,.0f} a CPU second, {spent / seconds:.0%} of a core, "
        f"{ended} disconnects, {landed['gaps']} gaps"
    )
    every = seconds / LOOKS
    warm = [one for at, one in enumerate(memory, 1) if at * every > remembered + TABLE_IDS / (2 * rate)]
    print(f"MiB every {every:.0f} s:", *(f"{one:.0f}" for one in memory))
    if warm:
        print(
            f"since ids are forgotten ({remembered:.0f} s after they came): {warm[0]:.0f} MiB at first, "
            f"{max(warm):.0f} at most, {warm[-1]:.0f} at the end"
        )


if __name__ == "__main__":
    main()
