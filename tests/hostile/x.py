"""Play captures and searches of X and print what was found: ``python -m tests.hostile.x``; see ``--help``."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tests.hostile import x_capture, x_search
from tests.simulator_process import Simulator, running_simulator

if TYPE_CHECKING:
    import subprocess
    from multiprocessing.queues import Queue

FORK = multiprocessing.get_context("fork")
# a capture mostly waits
WORKERS = 6
PLAYS = {"capture": x_capture.play, "search": x_search.play}
SEARCHES_PER_CAPTURE = 4
_simulator: Simulator


def main() -> int:
    """Play what the command line asks for; return 1 if something is wrong."""
    options = _options()
    plays = [("capture", seed) for seed in range(options.seeds)]
    plays += [("search", seed) for seed in range(options.seeds // SEARCHES_PER_CAPTURE)]
    if options.seed is not None:
        plays = [(kind, options.seed) for kind in PLAYS]
    started, problems = time.monotonic(), 0
    with ExitStack() as stack:
        urls: Queue[str] = FORK.Queue()
        for _ in range(WORKERS):
            urls.put(stack.enter_context(running_simulator()).url)
        pool = stack.enter_context(
            ProcessPoolExecutor(WORKERS, mp_context=FORK, initializer=_connect, initargs=(urls,))
        )
        for played in as_completed([pool.submit(_play, *one) for one in plays]):
            kind, seed, found = played.result()
            problems += bool(found)
            for one in found:
                print(f"{kind} {seed}: {one}", flush=True)
    print(f"{len(plays)} in {time.monotonic() - started:.0f} s, {problems} with problems")
    return 1 if problems else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.x", description=__doc__)
    parser.add_argument(
        "--seeds", type=int, default=200, help="how many captures; a quarter of that are searches"
    )
    parser.add_argument("--seed", type=int, help="play the capture and the search of this seed only")
    return parser.parse_args()


def _connect(urls: Queue[str]) -> None:
    global _simulator
    _simulator = Simulator(urls.get(), cast("subprocess.Popen[str]", None))
    logging.disable(logging.CRITICAL)


def _play(kind: str, seed: int) -> tuple[str, int, list[str]]:
    folder = Path(tempfile.mkdtemp(prefix="twexport-hostile-"))
    try:
        return kind, seed, PLAYS[kind](seed, _simulator, folder)
    except Exception as error:
        return kind, seed, [f"not an error of ours: {error!r}"]
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
