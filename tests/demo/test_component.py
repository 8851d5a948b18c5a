"""A component and everything it forks can be watched and stopped."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.component import Component, stop_all
from demo.errors import ComponentError
from demo.sessions import live_pids
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow

# As an Airflow task does: a child in a process group of its own, deaf to SIGTERM.
PARENT = """
import os, signal, subprocess, sys, time
child = "import os, signal, time; os.setpgid(0, 0); signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", child])
time.sleep(60)
"""

Make = Callable[[str], Component]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes a component of a Python program."""
    return lambda program: Component("thing", [sys.executable, "-c", program], {}, tmp_path / "thing.log")


def test_children_that_left_the_group_and_ignore_sigterm_are_stopped_too(make: Make) -> None:
    """Nothing of the session survives."""
    component = make(PARENT)
    component.start()
    wait_until(lambda: len(live_pids(component.pid)) >= 2)
    stop_all([component], grace=1)
    assert live_pids(component.pid) == []


def test_stopping_twice_or_before_the_start_is_fine(make: Make) -> None:
    """Cleaning up needs no bookkeeping."""
    component = make("pass")
    stop_all([component])
    component.start()
    stop_all([component])
    stop_all([component])


def test_an_ended_component_is_reported_with_the_end_of_its_log(make: Make) -> None:
    """The message holds the exit code, the log's path and its last lines."""
    component = make("print('line 1'); print('why'); raise SystemExit(3)")
    component.start()
    component.reap()
    with pytest.raises(ComponentError, match=r"thing ended with exit code 3(?s:.*)thing\.log(?s:.*)why"):
        component.check_alive()


def test_a_command_that_must_end_is_waited_for(make: Make) -> None:
    """Success is silent, slowness and failure are not."""
    quick, slow, wrong = make("pass"), make("import time; time.sleep(60)"), make("raise SystemExit(1)")
    for component in (quick, slow, wrong):
        component.start()
    quick.wait(timeout=PATIENCE)
    with pytest.raises(ComponentError, match="did not finish"):
        slow.wait(timeout=0.2)
    with pytest.raises(ComponentError, match="exit code 1"):
        wrong.wait(timeout=PATIENCE)
    stop_all([slow])


def test_output_is_that_of_the_last_start(make: Make) -> None:
    """The log continues over starts; the output of the last start can be separated."""
    component = make("import os; print(os.getpid(), flush=True)")
    for _ in range(2):
        component.start()
        component.wait(PATIENCE)
        assert component.output() == f"{component.pid}\n"
    assert len(component.log.read_text().splitlines()) == 2
