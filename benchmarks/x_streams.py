"""Capture both partitions of a Decahose at ten times its real rate on one core, and print what it took.

``python -m benchmarks.x_streams --seconds 60 --rate 6000 --format jsonl.gz``
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

LOOKS = 6


class Unheard:
    """A task instance of no Airflow."""

    def xcom_push(self, key: str, value: object) -> None:
        """Keep nothing: there is no UI."""


def resident_mib() -> float:
    """Return how much memory this process has now."""
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024


def main() -> None:
    """Run once and print a line of figures, and one of the memory over time."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--rate", type=int, default=6_000, help="posts per second and partition")
    options.add_argument("--format", default="jsonl.gz")
    chosen = options.parse_args()
    ours, theirs = sorted(os.sched_getaffinity(0))[0], sorted(os.sched_getaffinity(0))[-1]
    command = [sys.executable, "-m", "benchmarks.x_stream_server", str(chosen.rate), str(theirs)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{int(next(iter(server.stdout or ())))}"
        os.sched_setaffinity(0, {ours})
        capture(url, chosen.seconds, chosen.rate, chosen.format)
    finally:
        server.terminate()


def capture(url: str, seconds: int, rate: int, file_format: str) -> None:
    """Land so many seconds of the stream."""
    connection = {"conn_type": "x_enterprise", "host": url, "login": "a", "password": "b"}
    connection["extra"] = json.dumps({"account": "demo", "label": "prod"})
    os.environ["AIRFLOW_CONN_X_ENTERPRISE_DEFAULT"] = json.dumps(connection)
    from airflow_provider_twexport.storage import manifest
    from airflow_provider_twexport.transfers.x_stream_to_object_storage import XStreamToObjectStorageOperator

    memory: list[float] = []

    def look() -> None:
        for _ in range(LOOKS):
            time.sleep(seconds / LOOKS)
            memory.append(resident_mib())

    with tempfile.TemporaryDirectory() as directory:
        operator = XStreamToObjectStorageOperator(
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
    print("MiB over time:", *(f"{one:.0f}" for one in memory))


if __name__ == "__main__":
    main()
