"""The runner itself, with a few cases of ``make hostile``."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from airflow_provider_twexport.simulator.talkwalker.settings import TalkwalkerSettings
from tests.hostile.cases import SHAPES, VALUES, case_of
from tests.simulator_process import ROOT
from tests.waiting import PATIENCE


@pytest.mark.slow
def test_a_few_cases_end_well() -> None:
    """Real processes are killed, and each export is bought once and lands once, or nothing is bought."""
    command = [sys.executable, "-m", "tests.hostile", "--seed", "2", "--cases", "12"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=5 * PATIENCE)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "12 of 12 cases" in run.stdout
    assert "    0 with problems" in run.stdout
    kills, landed = re.search(r"(\d+) killed with -9", run.stdout), re.search(r"(\d+) landed\n", run.stdout)
    assert kills
    assert int(kills[1]) >= 10
    assert landed
    assert int(landed[1]) >= 9


def test_a_case_is_a_function_of_seed_and_number() -> None:
    """So one that failed can be played again."""
    assert case_of(7, 3) == case_of(7, 3)
    assert case_of(7, 3) != case_of(8, 3)


def test_each_hostile_switch_is_thrown() -> None:
    """Also one that is added to the simulator later, with a value that it accepts."""
    cases = [case_of(1, number) for number in range(200)]
    hostile = TalkwalkerSettings.hostile()
    thrown = {name for case in cases for name in case.settings}
    assert thrown == hostile.keys() | SHAPES.keys()
    assert VALUES.keys() <= hostile.keys()
    assert all(TalkwalkerSettings().changed(case.settings) for case in cases)
