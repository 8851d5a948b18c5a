"""Measure every method to land the same results, in alternating rounds, and print a table: ``python -m benchmarks``."""

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

PYTHON_METHODS = (
    "ours jsonl",
    "ours jsonl.gz",
    "ours jsonl.zst",
    "ours parquet",
    "notebook jsonl",
    "notebook jsonl.gz",
    "dlt jsonl.gz",
    "dlt parquet",
)
GROWTH_METHODS = ("ours jsonl.gz", "ours jsonl.zst", "ours parquet")
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
    ("curl, DuckDB -> parquet with raw", "ours parquet"),
    ("curl, Polars -> parquet", "ours parquet"),
    ("ours jsonl.gz to S3", "ours jsonl.gz"),
    ("ours jsonl.gz to S3", "same bytes to S3, s3fs alone"),
)
FETCH = "curl -s '{url}/api/v3/stream/c/bench/results?resume_offset=earliest&end_behaviour=stop'"
SHELL_METHODS = {
    "curl > /dev/null": FETCH + " > /dev/null",
    "curl > file": FETCH + " > {target}/all.jsonl",
    "curl | igzip -2": FETCH + " | igzip -2 > {target}/all.gz",
    "curl | gzip -6": FETCH + " | gzip -6 > {target}/all.gz",
    "curl | zstd -3": FETCH + " | zstd -q -3 > {target}/all.zst",
    "in memory (HttpToS3Operator)": "{python} -m benchmarks.methods 'in memory' {url} {target} {count}",
    "curl, DuckDB -> parquet": FETCH
    + " > {target}/fetched.jsonl && {python} -m benchmarks.methods duckdb {url} {target} {count}",
    "curl, DuckDB -> parquet with raw": FETCH
    + " > {target}/fetched.jsonl && {python} -m benchmarks.methods 'duckdb with raw' {url} {target} {count}",
    "curl, Polars -> parquet": FETCH
    + " > {target}/fetched.jsonl && {python} -m benchmarks.methods polars {url} {target} {count}",
}


@dataclass(frozen=True)
class Measurement:
    """What one run used.

    :param wall: seconds.
    :param cpu: seconds, of all processes.
    :param rss: peak memory of the largest process, in MiB.
    :param written: in MB.
    :param growth: peak memory minus the memory before the read, in MiB; only our methods report it.
    """

    wall: float
    cpu: float
    rss: float
    written: float
    growth: float = 0.0


@dataclass(frozen=True)
class Service:
    """The server of the results.

    :param url: of the server.
    :param results: how many it has.
    :param sample: a directory of files with all of them, for the methods that only upload.
    """

    url: str
    results: int
    sample: str = ""


def commands() -> dict[str, str]:
    """Return the shell command of each method."""
    methods = {
        method: f"{{python}} -m benchmarks.methods '{method}' {{url}} {{target}} {{count}}"
        for method in PYTHON_METHODS
    }
    return methods | SHELL_METHODS


@contextmanager
def serving(results: int) -> Iterator[Service]:
    """Serve results."""
    with tempfile.TemporaryDirectory() as directory:
        body = Path(directory, "body")
        # the peak memory of this process would count as that of its children
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
    """Run a command in an empty directory and return what it used, with all its children."""
    with tempfile.TemporaryDirectory() as target:
        line = command.format(
            url=service.url,
            target=target,
            count=service.results,
            python=sys.executable,
            sample=service.sample,
        )
        start = time.perf_counter()
        process = subprocess.Popen(["/bin/bash", "-o", "pipefail", "-c", line], stdout=subprocess.PIPE)
        output = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = status
        if status:
            raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), line)
        written = sum(file.stat().st_size for file in Path(target).rglob("*") if file.name != "fetched.jsonl")
        growth = json.loads(output.splitlines()[-1])["mib_for_landing"] if output.startswith(b"{") else 0.0
        cpu = usage.ru_utime + usage.ru_stime
        return Measurement(wall, cpu, usage.ru_maxrss / 1024, written / 1e6, growth)


def median(runs: list[Measurement]) -> Measurement:
    """Return the median of each figure."""
    names = Measurement.__dataclass_fields__
    return Measurement(**{name: statistics.median(getattr(run, name) for run in runs) for name in names})


def rounds(methods: dict[str, str], service: Service, count: int) -> dict[str, Measurement]:
    """Run all methods one after the other, ``count`` times, and return the medians without the methods that failed."""
    measured: dict[str, list[Measurement]] = {method: [] for method in methods}
    for _ in range(count):
        for method in [*measured]:
            try:
                measured[method].append(measure(methods[method], service))
            except subprocess.CalledProcessError as error:
                print(f"failed, so it is left out: {error}", file=sys.stderr)
                del measured[method]
    return {method: median(runs) for method, runs in measured.items()}


def table(measured: dict[str, Measurement]) -> str:
    """Return a Markdown table of all figures, and one of ratios."""
    rows = ["| method | wall s | CPU s | peak MiB | written MB |", "|---|---|---|---|---|"]
    rows += [
        f"| {cell(method)} | {run.wall:.2f} | {run.cpu:.2f} | {run.rss:.0f} | {run.written:.0f} |"
        for method, run in measured.items()
    ]
    rows += ["", "| compared | time | CPU | memory |", "|---|---|---|---|"]
    rows += [
        f"| {cell(f'{one} / {other}')} | {ratio(measured[one].wall, measured[other].wall)} "
        f"| {ratio(measured[one].cpu, measured[other].cpu)} "
        f"| {ratio(measured[one].rss, measured[other].rss)} |"
        for one, other in COMPARED
        if one in measured and other in measured
    ]
    return "\n".join(rows)


def cell(text: str) -> str:
    """Return text for a cell of a Markdown table."""
    return text.replace("|", "\\|")


def ratio(one: float, other: float) -> str:
    """Return the ratio of two numbers."""
    return f"{one / other:.2f}" if other else "-"


def growth_table(measured: dict[int, dict[str, Measurement]]) -> str:
    """Return a Markdown table of time per result and memory, compared with the smallest export."""
    rows = [
        "| method | results | µs per result | ratio | MiB above start | ratio |",
        "|---|---|---|---|---|---|",
    ]
    smallest, least = next(iter(measured.items()))
    for method, first in least.items():
        for results, runs in measured.items():
            if method not in runs:
                continue
            run, per_result = runs[method], runs[method].wall / results * 1e6
            rows.append(
                f"| {method} | {results:,} | {per_result:.2f} | {ratio(per_result, first.wall / smallest * 1e6)} "
                f"| {run.growth:.0f} | {ratio(run.growth, first.growth)} |"
            )
    return "\n".join(rows)


def growing(only: str, count: int) -> str:
    """Measure our methods with exports of several sizes."""
    methods = {
        method: command
        for method, command in commands().items()
        if method in GROWTH_METHODS and only in method
    }
    measured = {}
    for results in GROWTH_RESULTS:
        with serving(results) as service:
            measured[results] = rounds(methods, service, count)
    return growth_table(measured)


def comparing(results: int, only: str, count: int, *, to_s3: bool) -> str:
    """Measure all methods with one export."""
    methods = commands() | (s3.METHODS if to_s3 else {})
    with tempfile.TemporaryDirectory() as directory, serving(results) as service:
        sample = Path(directory, "sample")
        if to_s3:
            landing = [sys.executable, "-m", "benchmarks.methods", "ours jsonl.gz"]
            subprocess.run(
                [*landing, service.url, str(sample), str(results)], check=True, stdout=subprocess.DEVNULL
            )
        with s3.serving_s3() if to_s3 else nullcontext():
            chosen = {method: command for method, command in methods.items() if only in method}
            return table(rounds(chosen, replace(service, sample=str(sample)), count))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("--results", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="only methods whose names contain this text")
    parser.add_argument("--s3", action="store_true", help="also upload, to an S3 server on loopback")
    parser.add_argument(
        "--growth", action="store_true", help="instead: only our methods, with exports of several sizes"
    )
    options = parser.parse_args()
    if options.growth:
        print(growing(options.only, options.rounds))
    else:
        print(comparing(options.results, options.only, options.rounds, to_s3=options.s3))


if __name__ == "__main__":
    main()
