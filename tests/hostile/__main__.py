"""Play cases and print what was found: ``python -m tests.hostile --seed 7``; see ``--help``."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

# before anything imports airflow
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="twexport-airflow-")

from tests.hostile.cases import case_of
from tests.hostile.play import play
from tests.hostile.verdict import Verdict, judge
from tests.simulator_process import Simulator, running_simulator

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from concurrent.futures import Future
    from multiprocessing.queues import Queue

FORK = multiprocessing.get_context("fork")
# a case mostly waits
WORKERS = 8
_simulator: Simulator


def main() -> int:
    """Play the cases that the command line asks for; return 1 if one of them ended badly."""
    options = _options()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    numbers = range(options.cases) if options.case is None else range(options.case, options.case + 1)
    folder = Path(tempfile.mkdtemp(prefix="twexport-hostile-"))
    print(f"seed {seed}, {len(numbers)} cases, logs in {folder}", flush=True)
    started = time.monotonic()
    verdicts = list(_play_all(seed, numbers, folder, started + options.seconds))
    bad = [verdict for verdict in verdicts if verdict.problems]
    _print_summary(verdicts, len(numbers), time.monotonic() - started)
    if not bad:
        shutil.rmtree(folder)
    return 1 if bad else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--seed", type=int, help="what happens in the cases; a random one if none is given")
    parser.add_argument("--cases", type=int, default=200, help="how many cases")
    parser.add_argument("--case", type=int, help="play this case only")
    parser.add_argument("--seconds", type=float, default=570, help="start no case after so many seconds")
    return parser.parse_args()


def _play_all(seed: int, numbers: range, folder: Path, deadline: float) -> Iterator[Verdict]:
    """Yield the verdict of each case that begins before the deadline."""
    with ExitStack() as stack:
        urls: Queue[str] = FORK.Queue()
        workers = min(WORKERS, len(numbers))
        for _ in range(workers):
            urls.put(stack.enter_context(running_simulator()).url)
        pool = stack.enter_context(
            ProcessPoolExecutor(workers, mp_context=FORK, initializer=_connect, initargs=(urls,))
        )
        waiting = list(reversed(numbers))
        running: set[Future[Verdict]] = set()
        while running or (waiting and time.monotonic() < deadline):
            while waiting and len(running) < workers and time.monotonic() < deadline:
                running.add(pool.submit(_play_one, seed, waiting.pop(), folder))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                verdict = future.result()
                _print_problems(seed, verdict)
                yield verdict


def _connect(urls: Queue[str]) -> None:
    global _simulator
    _simulator = Simulator(urls.get(), cast("subprocess.Popen[str]", None))


def _play_one(seed: int, number: int, folder: Path) -> Verdict:
    case = case_of(seed, number)
    own = folder / f"case-{number}"
    verdict = judge(play(case, _simulator, own), _simulator)
    if not verdict.problems:
        shutil.rmtree(own)
    return verdict


def _print_problems(seed: int, verdict: Verdict) -> None:
    for problem in verdict.problems:
        print(f"case {verdict.number}: {problem}")
    if verdict.problems:
        print(f"  again: make hostile SEED={seed} CASE={verdict.number}", flush=True)


def _print_summary(verdicts: list[Verdict], wanted: int, seconds: float) -> None:
    endings = Counter(str(verdict.ending) for verdict in verdicts if not verdict.problems)
    bad = sum(bool(verdict.problems) for verdict in verdicts)
    tries, kills = sum(it.tries for it in verdicts), sum(it.kills for it in verdicts)
    print(f"{len(verdicts)} of {wanted} cases in {seconds:.0f} s: {tries} tries, {kills} killed with -9")
    purchases, charged = sum(it.purchases for it in verdicts), sum(it.credits for it in verdicts)
    rows = sum(it.rows for it in verdicts)
    print(f"{purchases} purchases of {charged:,} credits, {rows:,} rows landed")
    for ending, count in endings.most_common():
        print(f"{count:5} {ending}")
    for verdict in verdicts:
        if verdict.outcome and not verdict.problems:
            print(f"      case {verdict.number}: {verdict.outcome[:160]}")
    print(f"{bad:5} with problems")


if __name__ == "__main__":
    sys.exit(main())
