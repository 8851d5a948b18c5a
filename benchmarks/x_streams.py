"""Capture both partitions of a Decahose at ten times its real rate on one core, and print what that used.

``python -m benchmarks.x_streams --seconds 240 --remembered 60 --rate 6000 --format jsonl.gz``

Memory must be flat from the moment when the first ids are forgotten. In production that is after seven minutes; to see
it sooner, this run remembers the ids of only one minute, with a seventh of the memory for them. ``--remembered 420`` is
as in production, and needs ``--seconds 1500``.
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
SAMPLES = 12


class NoTaskInstance:
    """Stands for a task instance, without Airflow."""

    def xcom_push(self, key: str, value: object) -> None:
        """Discard the value: there is no UI."""


def resident_mib() -> float:
    """Return how much memory this process uses now."""
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024


def main() -> None:
    """Run once and print a line of figures, and the memory over time."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=240)
    options.add_argument("--remembered", type=float, default=60.0, help="seconds that an id is remembered")
    options.add_argument("--rate", type=int, default=6_000, help="posts per second and partition")
    options.add_argument("--format", default="jsonl.gz")
    chosen = options.parse_args()
    our_core, server_core = sorted(os.sched_getaffinity(0))[0], sorted(os.sched_getaffinity(0))[-1]
    command = [sys.executable, "-m", "benchmarks.x_stream_server", str(chosen.rate), str(server_core)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{int(next(iter(server.stdout or ())))}"
        os.sched_setaffinity(0, {our_core})
        capture(url, chosen.seconds, chosen.rate, chosen.format, chosen.remembered)
    finally:
        server.terminate()


def capture(url: str, seconds: int, rate: int, file_format: str, remembered: float) -> None:
    """Land the stream for some seconds."""
    connection = {"conn_type": "x_enterprise", "host": url, "login": "a", "password": "b"}
    connection["extra"] = json.dumps({"account": "demo", "label": "prod"})
    os.environ["AIRFLOW_CONN_X_ENTERPRISE_DEFAULT"] = json.dumps(connection)
    from airflow_provider_twexport.storage import manifest
    from airflow_provider_twexport.transfers.x_stream_to_object_storage import XStreamToObjectStorageOperator
    from airflow_provider_twexport.x.streams import landing

    landing.DEDUP_WINDOW_SECONDS = remembered
    memory: list[float] = []

    def sample() -> None:
        for _ in range(SAMPLES):
            time.sleep(seconds / SAMPLES)
            memory.append(resident_mib())

    with tempfile.TemporaryDirectory() as directory:
        operator = XStreamToObjectStorageOperator(
            task_id="land",
            object_storage_path=f"file://{directory}",
            duration=timedelta(seconds=seconds),
            file_format=file_format,
        )
        threading.Thread(target=sample, daemon=True).start()
        start = time.process_time()
        landed = operator.execute({"ti": NoTaskInstance()})
        cpu_seconds = time.process_time() - start
        report = manifest.read(directory).report or {}
    disconnects = sum(sum(one["disconnected"].values()) for one in report["partitions"].values())
    print(
        f"{landed['results']:,} posts of {2 * rate * seconds:,} in {seconds} s, "
        f"{landed['results'] / cpu_seconds:,.0f} a CPU second, {cpu_seconds / seconds:.0%} of a core, "
        f"{disconnects} disconnects, {landed['gaps']} gaps"
    )
    every = seconds / SAMPLES
    warm = [one for at, one in enumerate(memory, 1) if at * every > remembered + TABLE_IDS / (2 * rate)]
    print(f"MiB every {every:.0f} s:", *(f"{one:.0f}" for one in memory))
    if warm:
        print(
            f"since ids are forgotten, {remembered:.0f} s after they came: {warm[0]:.0f} MiB at first, "
            f"{max(warm):.0f} at most, {warm[-1]:.0f} at the end"
        )


if __name__ == "__main__":
    main()
