"""Time every way to land the same results, in alternating rounds, and print a table: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import s3

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON_WAYS = (
    "ours jsonl",
    "ours jsonl.gz",
    "ours jsonl.zst",
    "ours parquet",
    "notebook jsonl",
    "notebook jsonl.gz",
    "dlt jsonl.gz",
    "dlt parquet",
)
GROWTH_WAYS = ("ours jsonl.gz", "ours jsonl.zst", "ours parquet")
GROWTH_RESULTS = (50_000, 200_000, 1_000_000)
# the first divided by the second
COMPARED = (
    ("ours jsonl.gz", "curl | igzip -2"),
    ("ours jsonl.zst", "curl | zstd -3"),
    ("notebook jsonl.gz", "ours jsonl.gz"),
    ("notebook jsonl", "ours jsonl.zst"),
    ("dlt jsonl.gz", "ours jsonl.gz"),
    ("dlt parquet", "ours parquet"),
    ("curl, DuckDB -> parquet", "ours parquet"),
    ("curl, Polars -> parquet", "ours parquet"),
    ("ours jsonl.gz to S3", "ours jsonl.gz"),
    ("ours jsonl.gz to S3", "same bytes to S3, s3fs alone"),
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
    """What one run took.

    :param rss: peak memory of the largest process, in MiB.
    :param growth: how far the peak was above the same process's memory before it read; only ours says so.
    """

    wall: float
    cpu: float
    rss: float
    written: float
    growth: float = 0.0


@dataclass(frozen=True)
class Service:
    """What serves the results.

    :param url: its address.
    :param results: how many it has.
    :param sample: a directory of files that hold them all, for the ways that only upload.
    """

    url: str
    results: int
    sample: str = ""


def commands() -> dict[str, str]:
    """Return each way's shell command."""
    ways = {way: f"{{python}} -m benchmarks.ways '{way}' {{url}} {{target}} {{count}}" for way in PYTHON_WAYS}
    return ways | SHELL_WAYS


@contextmanager
def serving(results: int) -> Iterator[Service]:
    """Serve so many results."""
    with tempfile.TemporaryDirectory() as place:
        body = Path(place, "body")
        # what this process has at its peak would count as its children's
        subprocess.run([sys.executable, "-m", "benchmarks.corpus", str(body), str(results)], check=True)
        print(f"{results:,} results, {body.stat().st_size / 1e6:,.0f} MB", file=sys.stderr)
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", str(body)], stdout=subprocess.PIPE, text=True
        )
        try:
            port = server.stdout.readline().strip() if server.stdout else ""
            yield Service(f"http://127.0.0.1:{port}", results)
        finally:
            server.terminate()
            server.wait()


def measure(command: str, service: Service) -> Measurement:
    """Run a command in an empty directory and return what it, with all its children, took."""
    with tempfile.TemporaryDirectory() as target:
        line = command.format(
            url=service.url,
            target=target,
            count=service.results,
            python=sys.executable,
            sample=service.sample,
        )
        began = time.perf_counter()
        process = subprocess.Popen(["/bin/bash", "-o", "pipefail", "-c", line], stdout=subprocess.PIPE)
        said = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = status
        if status:
            raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), line)
        written = sum(file.stat().st_size for file in Path(target).rglob("*") if file.name != "fetched.jsonl")
        growth = json.loads(said.splitlines()[-1])["mib_for_landing"] if said.startswith(b"{") else 0.0
        cpu = usage.ru_utime + usage.ru_stime
        return Measurement(wall, cpu, usage.ru_maxrss / 1024, written / 1e6, growth)


def median(runs: list[Measurement]) -> Measurement:
    """Return the median of each figure."""
    names = Measurement.__dataclass_fields__
    return Measurement(**{name: statistics.median(getattr(run, name) for run in runs) for name in names})


def rounds(ways: dict[str, str], service: Service, count: int) -> dict[str, Measurement]:
    """Run all ways one after the other, so many times, and return the medians; ways that fail are left out."""
    measured: dict[str, list[Measurement]] = {way: [] for way in ways}
    for _ in range(count):
        for way in [*measured]:
            try:
                measured[way].append(measure(ways[way], service))
            except subprocess.CalledProcessError as error:
                print(f"left out, because it failed: {error}", file=sys.stderr)
                del measured[way]
    return {way: median(runs) for way, runs in measured.items()}


def table(measured: dict[str, Measurement]) -> str:
    """Return a Markdown table of all figures, and one of how some compare."""
    rows = ["| way | wall s | CPU s | peak MiB | written MB |", "|---|---|---|---|---|"]
    rows += [
        f"| {cell(way)} | {run.wall:.2f} | {run.cpu:.2f} | {run.rss:.0f} | {run.written:.0f} |"
        for way, run in measured.items()
    ]
    rows += ["", "| compared | time | memory |", "|---|---|---|"]
    rows += [
        f"| {cell(f'{one} / {other}')} | {ratio(measured[one].wall, measured[other].wall)} "
        f"| {ratio(measured[one].rss, measured[other].rss)} |"
        for one, other in COMPARED
        if one in measured and other in measured
    ]
    return "\n".join(rows)


def cell(text: str) -> str:
    """Return text for a cell of a Markdown table."""
    return text.replace("|", "\\|")


def ratio(one: float, other: float) -> str:
    """Return how many times the one is the other."""
    return f"{one / other:.2f}" if other else "-"


def growth_table(measured: dict[int, dict[str, Measurement]]) -> str:
    """Return a Markdown table of time per result and memory, compared with the smallest export."""
    rows = [
        "| way | results | µs per result | ratio | MiB above start | ratio |",
        "|---|---|---|---|---|---|",
    ]
    smallest, least = next(iter(measured.items()))
    for way, first in least.items():
        for results, runs in measured.items():
            if way not in runs:
                continue
            run, per_result = runs[way], runs[way].wall / results * 1e6
            rows.append(
                f"| {way} | {results:,} | {per_result:.2f} | {ratio(per_result, first.wall / smallest * 1e6)} "
                f"| {run.growth:.0f} | {ratio(run.growth, first.growth)} |"
            )
    return "\n".join(rows)


def growing(only: str, count: int) -> str:
    """Measure our ways with exports of several sizes."""
    ways = {way: command for way, command in commands().items() if way in GROWTH_WAYS and only in way}
    measured = {}
    for results in GROWTH_RESULTS:
        with serving(results) as service:
            measured[results] = rounds(ways, service, count)
    return growth_table(measured)


def comparing(results: int, only: str, count: int, *, to_s3: bool) -> str:
    """Measure all ways with one export."""
    ways = commands() | (s3.WAYS if to_s3 else {})
    with tempfile.TemporaryDirectory() as place, serving(results) as service:
        sample = Path(place, "sample")
        if to_s3:
            landing = [sys.executable, "-m", "benchmarks.ways", "ours jsonl.gz"]
            subprocess.run(
                [*landing, service.url, str(sample), str(results)], check=True, stdout=subprocess.DEVNULL
            )
        with s3.serving_s3() if to_s3 else nullcontext():
            chosen = {way: command for way, command in ways.items() if only in way}
            return table(rounds(chosen, replace(service, sample=str(sample)), count))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("--results", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="ways whose names hold this text")
    parser.add_argument("--s3", action="store_true", help="also upload, to an S3 server on loopback")
    parser.add_argument("--growth", action="store_true", help="instead: ours, with exports of several sizes")
    options = parser.parse_args()
    if options.growth:
        print(growing(options.only, options.rounds))
    else:
        print(comparing(options.results, options.only, options.rounds, to_s3=options.s3))


if __name__ == "__main__":
    main()
