"""What every test may use: an Airflow home of its own, and a simulator that is as new for each test."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest

# before anything imports airflow
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="twexport-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "INFO"

from tests.simulator_process import Simulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    """One simulator for the whole session."""
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_process: Simulator) -> Simulator:
    """A simulator that remembers nothing, finishes exports at once and does not throttle."""
    simulator_process.reset()
    simulator_process.settings(queue_seconds=0, results_per_second=None, reads_per_minute=None)
    return simulator_process
