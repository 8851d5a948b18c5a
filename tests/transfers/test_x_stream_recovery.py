"""What a capture missed lands next to it, without what the capture holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG

from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.transfers.x_stream_recovery import XStreamRecoveryOperator
from airflow_provider_twexport.transfers.x_stream_to_object_storage import XStreamToObjectStorageOperator
from airflow_provider_twexport.x.streams import recovery
from tests.transfers.test_x_stream_to_object_storage import clock, iso, landed
from tests.x.streams.test_client import SimulatedClock, truth

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_dags import DagRunner, Run
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("x_connection")
__all__ = ["clock"]


def capture_and_recover(run_dag: DagRunner, path: Path, start: float, stop: float, **arguments: Any) -> Run:
    """Return what became of a capture and of its gaps."""
    defaults = {"retries": 2, "retry_delay": timedelta(0)}
    with DAG("recovering", schedule=None, default_args=defaults) as dag:
        XStreamToObjectStorageOperator(
            task_id="capture", object_storage_path=f"file://{path}/capture", start=iso(start), stop=iso(stop)
        ) >> XStreamRecoveryOperator(
            task_id="recover",
            capture_path=f"file://{path}/capture",
            object_storage_path=f"file://{path}/recovered",
            **arguments,
        )
    return run_dag(dag)


@pytest.mark.parametrize("service", ["recovery", "replay"])
def test_a_hole_is_filled(
    service: str,
    run_dag: DagRunner,
    simulator: Simulator,
    clock: SimulatedClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through failed minutes, each message once in both landings together."""
    monkeypatch.setattr(recovery, "REPLAYABLE_AFTER", timedelta(0))
    simulator.settings(x_stream_per_minute=60)
    ends = {"fault": "recovery_ends", "how": "with_errors"}
    simulator.faults(ends | {"match": {"query": "startTime|fromDate"}})
    now = clock.stop()
    start, stop = (now - 7_200, now - 3_600) if service == "replay" else (now - 1_200, now + 60)
    run = capture_and_recover(run_dag, tmp_path, start, stop, service=service)
    assert run.state == "success", run.log
    recovered, captured = landed(tmp_path / "recovered"), landed(tmp_path / "capture")
    assert len(recovered + captured) == len(set(recovered + captured))
    assert set(recovered + captured) >= set(truth(simulator, start, stop - 10))
    assert run.results["recover"]["recovered"] >= 1
    report = manifest.read(tmp_path / "recovered").report
    assert report is not None
    assert sum(one["stored"] for one in report["minutes"].values()) == len(recovered)


def test_a_capture_without_gaps_needs_nothing(
    run_dag: DagRunner, simulator: Simulator, clock: SimulatedClock, tmp_path: Path
) -> None:
    """Not one request."""
    now = clock.stop()
    run = capture_and_recover(run_dag, tmp_path, now, now + 60)
    assert run.state == "success", run.log
    assert run.results["recover"]["recovered"] == 0
    assert not [one for one in simulator.ledger()["x"]["streams"] if "startTime" in one]
    assert not (tmp_path / "recovered").exists()
