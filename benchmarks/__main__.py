"""Time every way to land the same results, in alternating rounds, and print a table: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.corpus import write_body

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON_WAYS = (
    "ours jsonl",
    "ours jsonl.gz",
    "ours jsonl.zst",
    "ours parquet",
    "notebook jsonl",
    "notebook jsonl.gz",
)
FETCH = "curl -s '{url}/api/v3/stream/c/bench/results?resume_offset=earliest&end_behaviour=stop'"
SHELL_WAYS = {
    "curl > /dev/null": FETCH + " > /dev/null",
    "curl > file": FETCH + " > {target}/all.jsonl",
    "curl | igzip -2": FETCH + " | igzip -2 > {target}/all.gz",
    "curl | gzip -6": FETCH + " | gzip -6 > {target}/all.gz",
    "curl | zstd -3": FETCH + " | zstd -q -3 > {target}/all.zst",
    "in memory (HttpToS3Operator)": "{python} -m benchmarks.ways 'in memory' {url} {target} {count}",
    "curl, DuckDB -> parquet": FETCH
    + " > {target}/fetched.jsonl && {python} -m benchmarks.ways duckdb {url} {target} {count}",
    "curl, Polars -> parquet": FETCH
    + " > {target}/fetched.jsonl && {python} -m benchmarks.ways polars {url} {target} {count}",
}


@dataclass(frozen=True)
class Measurement:
    """What one run took."""

    wall: float
    cpu: float
    rss: float
    written: float


def commands() -> dict[str, str]:
    """Return each way's shell command; ways whose programs are not here are left out."""
    ways = {way: f"{{python}} -m benchmarks.ways '{way}' {{url}} {{target}} {{count}}" for way in PYTHON_WAYS}
    ways |= SHELL_WAYS
    absent = {program for program in ("igzip", "zstd", "curl", "gzip") if not shutil.which(program)}
    return {way: command for way, command in ways.items() if not absent & set(way.replace(",", "").split())}


@contextmanager
def serving(body: Path) -> Iterator[str]:
    """Serve a body and tell the address."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server", str(body)], stdout=subprocess.PIPE, text=True
    )
    try:
        port = server.stdout.readline().strip() if server.stdout else ""
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def measure(command: str, url: str, count: int) -> Measurement:
    """Run a command in an empty directory and return what it, with all its children, took."""
    with tempfile.TemporaryDirectory() as target:
        line = command.format(url=url, target=target, count=count, python=sys.executable)
        began = time.perf_counter()
        process = subprocess.Popen(["/bin/bash", "-o", "pipefail", "-c", line])
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = status
        if status:
            raise SystemExit(f"failed: {line}")
        written = sum(file.stat().st_size for file in Path(target).rglob("*") if file.name != "fetched.jsonl")
        return Measurement(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, written / 1e6)


def table(measured: dict[str, list[Measurement]]) -> str:
    """Return a Markdown table of medians."""
    rows = ["| way | wall s | CPU s | peak MiB | written MB |", "|---|---|---|---|---|"]
    for way, runs in measured.items():
        wall, cpu, rss, written = (
            statistics.median(getattr(run, name) for run in runs)
            for name in ("wall", "cpu", "rss", "written")
        )
        rows.append(f"| {way} | {wall:.2f} | {cpu:.2f} | {rss:.0f} | {written:.0f} |")
    return "\n".join(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("--results", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="ways whose names hold this text")
    options = parser.parse_args()
    ways = {way: command for way, command in commands().items() if options.only in way}
    measured: dict[str, list[Measurement]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as place:
        body = Path(place, "body")
        write_body(body, options.results)
        print(f"{options.results:,} results, {body.stat().st_size / 1e6:,.0f} MB, {options.rounds} rounds\n")
        with serving(body) as url:
            for _ in range(options.rounds):
                for way, command in ways.items():
                    measured[way].append(measure(command, url, options.results))
    print(table(measured))


if __name__ == "__main__":
    main()
