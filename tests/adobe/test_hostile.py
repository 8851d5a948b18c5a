"""A whole pipeline on an Adobe that does everything that no document excludes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG

from airflow_provider_twexport.operators.adobe import AdobeCreateExportJobOperator
from airflow_provider_twexport.sensors.adobe import AdobeExportJobSensor
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.transfers.adobe_to_object_storage import AdobeToObjectStorageOperator
from tests.adobe_account import DATASET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

SEGMENTS: list[dict[str, Any]] = [{"segmentId": "one"}, {"segmentId": "two"}]


@pytest.mark.slow
@pytest.mark.usefixtures("adobe_connection", "quick_timing")
@pytest.mark.parametrize(
    "changes",
    [
        {"adobe_batch_lags_as": "missing", "adobe_file_start": "name", "adobe_batches_form": "ids"},
        {"adobe_batch_ids_lack": "entry", "adobe_lengths": "null", "adobe_invalid_token": "html"},
        {"adobe_times": "iso", "adobe_errors_form": "object", "adobe_errors_on_success": True},
    ],
)
def test_an_export_is_ordered_waited_for_and_landed(
    changes: dict[str, Any], simulator: Simulator, run_dag: DagRunner, tmp_path: Path
) -> None:
    """One job, and each file once, whichever of its forms Adobe chooses."""
    simulator.settings(hostile=True, speed=60, adobe_directories=True, adobe_directory_files=3, **changes)
    simulator.faults({"fault": "error", "code": "401013", "times": 2, "match": {"path": "/data/"}})
    defaults = {"retries": 9, "retry_delay": timedelta(0)}
    with DAG("hostile", schedule=None, default_args=defaults) as dag:
        order = AdobeCreateExportJobOperator(
            task_id="order",
            destination={"datasetId": f"\u200b{DATASET}", "segmentPerBatch": True},
            filter={"segments": SEGMENTS, "toIngestTimestamp": "2030-01-01T00:00:00Z"},
            merge_policy={"id": "policy", "version": 1},
            properties={"checkBatchStatusForSuccess": True},
        )
        job_id = order.output["job_id"]
        wait = AdobeExportJobSensor(task_id="wait", job_id=job_id, poke_interval=0.1)
        land = AdobeToObjectStorageOperator(task_id="land", job_id=job_id, object_storage_path=str(tmp_path))
        wait >> land
    run = run_dag(dag)
    assert set(run.states.values()) == {"success"}, run.log
    landed = manifest.read(tmp_path)
    truth = simulator.control(f"adobe/jobs/{run.results['order']['job_id']}/files")
    assert [(part.bytes, part.sha256) for part in landed.parts] == [
        (file["bytes"], file["sha256"]) for file in truth
    ]
    assert (len(landed.parts), landed.rows, landed.complete) == (18, 1_000, True)
    assert len(simulator.ledger()["adobe"]["jobs"]) == 1
