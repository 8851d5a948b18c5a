"""The DAG of a dataset export, as it is, in a real Airflow against the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pendulum
import pytest

from airflow_provider_twexport.storage import manifest
from tests.adobe.test_dataset_export import FLOW, export_files
from tests.adobe_account import DATASET, client_of
from tests.running_dags import dags_in

if TYPE_CHECKING:
    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.usefixtures("adobe_connection", "quick_timing")
def test_the_run_of_a_day_gets_its_manifest(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adobe's own run is found and waited for, none is started, and the files of its time of export are checked."""
    simulator.settings(adobe_flow_seconds=0.5)
    run_id = client_of(simulator).start_flow_run(FLOW)
    place = tmp_path / DATASET / "exportTime=202401060000"
    export_files(simulator, run_id, place)
    monkeypatch.setenv("TWEXPORT_POKE_SECONDS", "0.3")
    monkeypatch.setenv("TWEXPORT_ADOBE_DESTINATION", f"file://{tmp_path}")
    dag = dags_in(ROOT / "dags" / "adobe_dataset_export.py").dags["adobe_dataset_export"]
    run = run_dag(dag, logical_date=pendulum.datetime(2024, 1, 6))
    assert run.state == "success", run.log
    assert run.results["register_files"]["manifest"] == f"file://{place}/_manifest.json"
    assert (manifest.read(place).rows, manifest.read(place).source["run_id"]) == (1_000, run_id)
    assert simulator.ledger()["counts"]["POST /data/foundation/flowservice/runs"] == 1
