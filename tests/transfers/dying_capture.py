"""Captures a stream in simulated time until it is killed; a program.

``python -m tests.transfers.dying_capture DIRECTORY START STOP SIMULATOR``
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from airflow_provider_twexport.core import timing
from airflow_provider_twexport.transfers.x_stream_to_object_storage import XStreamToObjectStorageOperator
from tests.simulator_process import Simulator
from tests.waiting import QUICK
from tests.x.streams.test_client import SimulatedClock

if TYPE_CHECKING:
    import subprocess


class Unheard:
    """A task instance of no Airflow."""

    def xcom_push(self, key: str, value: object) -> None:
        """Keep nothing: there is no UI."""


if __name__ == "__main__":
    directory, start, stop, url = sys.argv[1:]
    simulator = Simulator(url, cast("subprocess.Popen[str]", None))
    timing.DEFAULT = replace(QUICK, clock=SimulatedClock(simulator, speed=20))
    operator = XStreamToObjectStorageOperator(
        task_id="land", object_storage_path=f"file://{directory}", start=start, stop=stop
    )
    operator.execute({"ti": Unheard()})
