"""The same year on Celery: two workers share the work, and no export is bought twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.stack import AirflowStack
from tests.live.year import Year
from tests.simulator_process import running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.live

WORKERS = ("worker-1", "worker-2")
QUICK = ("--results-per-day", "20", "--results-per-second", "null", "--reads-per-minute", "null")


@pytest.fixture(scope="module")
def year(live_home: Callable[[str], Path], landing: Path) -> Iterator[Year]:
    """Return a year in an Airflow with CeleryExecutor, two workers and Valkey beside PostgreSQL."""
    home = live_home("celery")
    env = {"TWEXPORT_DESTINATION": f"file://{landing}"}
    with (
        AirflowStack(home, Path(__file__).parent / "dags", env=env, celery_workers=len(WORKERS)) as stack,
        running_simulator(*QUICK) as talkwalker,
    ):
        yield Year(stack, talkwalker, landing, "celery")


def test_two_workers_share_a_year_and_buy_nothing_twice(year: Year) -> None:
    """Each month is bought once and lands once, and the log of either worker has its share of the tasks."""
    year.start(limit=100_000)
    assert year.wait_for_end() == "success"
    year.check_bought_and_landed_once()
    done = [tasks_done(year.stack.log_of(worker)) for worker in WORKERS]
    assert sum(done) >= 1 + 12 * 5
    assert min(done) >= 12


def tasks_done(log: Path) -> int:
    """Count the tasks that a worker says it has run."""
    return len(re.findall(r"execute_workload\[[-0-9a-f]+\] succeeded", log.read_text()))
