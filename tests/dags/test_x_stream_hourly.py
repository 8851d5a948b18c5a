"""The example DAG of the streams, in a real Airflow, as it is, in simulated time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pendulum
import pytest
from airflow.dag_processing.dagbag import DagBag

from airflow_provider_twexport.clients import x_streams
from airflow_provider_twexport.storage import manifest
from tests.clients.test_x_streams import QUICK, SimulatedClock, truth
from tests.transfers.test_x_stream_to_object_storage import landed

if TYPE_CHECKING:
    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("x_connection")


def test_an_hour_that_began_late_is_whole_in_the_end(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captured from its middle on, with a cut; what Backfill cannot bring is recovered, and nothing is there twice."""
    hour = pendulum.now("UTC").start_of("hour")
    simulator.control("time", {"offset_seconds": hour.timestamp() + 1_800 - time.time()})
    simulator.settings(x_connects_per_minute=None, x_stream_per_minute=30)
    simulator.faults({"fault": "disconnect", "after_seconds": 120, "because": "full_buffer"})
    monkeypatch.setattr(x_streams, "CONNECTS_PER_MINUTE", 100_000)
    monkeypatch.setattr(x_streams, "BACKOFF", QUICK)
    monkeypatch.setattr(x_streams, "CLOCK", SimulatedClock(simulator, speed=100))
    monkeypatch.setenv("TWEXPORT_DESTINATION", f"file://{tmp_path}")
    dag = DagBag(ROOT / "dags").dags["x_stream_hourly"]
    run = run_dag(dag, logical_date=hour)
    assert run.state == "success", run.log
    captured, recovered = (
        tmp_path / "x_stream_hourly" / kind / hour.format("[year=]YYYY/[month=]MM/[day=]DD/[hour=]HH")
        for kind in ("capture", "recovered")
    )
    report = manifest.read(captured).report
    assert report is not None
    assert {gap["partition"] for gap in report["gaps"] if gap["because"] == "it began later"} == {1, 2}
    assert manifest.read(recovered).results > 0
    keys = landed(captured) + landed(recovered)
    assert len(keys) == len(set(keys))
    assert set(keys) >= set(truth(simulator, hour.timestamp(), hour.timestamp() + 3_500))
