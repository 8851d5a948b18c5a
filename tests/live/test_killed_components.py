"""Scheduler, triggerer and workers are killed again and again while a year is exported: nothing is paid twice."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.live.pipeline import kill_with_worker
from tests.live.year import Year
from tests.simulator_process import running_simulator
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.stack import AirflowStack

pytestmark = pytest.mark.live

SEED = 20_240_229
# each of them so often
ROUNDS = 2
SLOW = ("--results-per-day", "20", "--queue-seconds", "5", "--results-per-second", "300")


@pytest.fixture(scope="module")
def year(stack: AirflowStack, landing: Path) -> Iterator[Year]:
    """Return a year whose exports wait and run for some seconds each."""
    with running_simulator(*SLOW, "--reads-per-minute", "null") as talkwalker:
        yield Year(stack, talkwalker, landing, "killed")


def test_whatever_is_killed_each_month_is_bought_once_and_lands_once(year: Year) -> None:
    """Kill -9 at random moments of a backfill, and all of it started again, leaves no trace but time."""
    chance = random.Random(SEED)
    victims = ROUNDS * ["scheduler", "triggerer", "worker"]
    chance.shuffle(victims)
    year.start(limit=100_000)
    for victim in victims:
        time.sleep(chance.uniform(1, 8))
        kill(year, victim, chance)
    assert year.state == "running"
    assert year.wait_for_end() == "success"
    assert max(task["try_number"] for task in year.tasks("success")) > 1
    year.check_bought_and_landed_once()


def kill(year: Year, victim: str, chance: random.Random) -> None:
    """Kill a component and start it again; the scheduler starts its workers by itself.

    All that it runs is killed with it. LocalExecutor's workers, left alone, would keep the scheduler's connection to
    the database, and with it the locks of an open transaction.
    """
    if victim == "worker":
        wait_until(lambda: killed_a_worker(year, chance))
    else:
        year.stack.restart(victim, kill=True)


def killed_a_worker(year: Year, chance: random.Random) -> bool:
    """Kill a worker with the task that it runs, if there is one."""
    running = [task["pid"] for task in year.tasks("running") if task["pid"]]
    try:
        kill_with_worker(psutil.Process(chance.choice(running)))
    except (IndexError, psutil.NoSuchProcess):
        return False  # none, or it has ended meanwhile
    return True
