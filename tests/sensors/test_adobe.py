"""The Adobe sensor: the same results and exceptions whether it pokes, reschedules or defers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG

from airflow_provider_twexport.sensors.adobe import AdobeExportJobSensor
from tests.adobe_account import DATASET, INSTANT, ORDER, client_of

if TYPE_CHECKING:
    from tests.running_dags import DagRunner, Run
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("adobe_connection", "quick_timing")

JOBS = {"path": "export/jobs", "method": "GET"}


@pytest.fixture
def job_id(simulator: Simulator) -> str:
    """A job that the first look finds waiting."""
    simulator.settings(**INSTANT)
    simulator.faults({"match": JOBS, "fault": "status", "status": "NEW"})
    return client_of(simulator).create_export_job(ORDER).id


@pytest.fixture
def stuck_id(simulator: Simulator) -> str:
    """A job that stays in the queue."""
    simulator.settings(adobe_queue_seconds=3600)
    return client_of(simulator).create_export_job(ORDER).id


def wait(run_dag: DagRunner, **arguments: Any) -> Run:
    """Return what became of a sensor."""
    with DAG("waiting", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(0)}) as dag:
        AdobeExportJobSensor(task_id="wait", **({"poke_interval": 0.1} | arguments))
    return run_dag(dag)


def test_waits_for_the_end(
    mode: dict[str, Any], job_id: str, simulator: Simulator, run_dag: DagRunner
) -> None:
    """All modes return the same; errors of a job that succeeded are only a warning."""
    simulator.settings(adobe_errors_on_success=True)
    run = wait(run_dag, job_id=job_id, **mode)
    result = run.results["wait"]
    assert run.states == {"wait": "success"}, run.log
    assert result == {
        "job_id": job_id,
        "status": "SUCCEEDED",
        "dataset_id": DATASET,
        "batch_ids": result["batch_ids"],
        "profiles": 1_000,
    }
    assert len(result["batch_ids"]) == 1
    assert "Error in Export Job" in run.log


@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_lost_job_fails_without_a_retry(
    status: str,
    soft_fail: bool,
    state: str,
    mode_that_notifies: dict[str, Any],
    failures: list[str],
    job_id: str,
    simulator: Simulator,
    run_dag: DagRunner,
) -> None:
    """No retry helps; soft_fail skips instead."""
    simulator.faults({"match": JOBS, "skip": 1, "fault": "status", "status": status, "times": 99})
    run = wait(run_dag, job_id=job_id, soft_fail=soft_fail, **mode_that_notifies)
    assert (run.states["wait"], run.tries["wait"]) == (state, 1)
    facts = {"job_id": job_id, "status": status}
    assert failures == ([] if soft_fail else [f"export_failed {facts} - -"])


def test_a_refused_look_fails_at_once(
    mode_that_notifies: dict[str, Any],
    failures: list[str],
    job_id: str,
    simulator: Simulator,
    run_dag: DagRunner,
) -> None:
    """With the evidence of what Adobe refused."""
    simulator.faults({"match": JOBS, "skip": 1, "fault": "error", "code": "403003", "times": 99})
    run = wait(run_dag, job_id=job_id, **mode_that_notifies)
    assert (run.states["wait"], run.tries["wait"]) == ("failed", 1)
    assert failures == ["connection_config {} 403003 403"]


@pytest.mark.parametrize("soft_fail", [False, True])
def test_what_may_pass_is_left_to_retries(
    soft_fail: bool,
    mode_that_notifies: dict[str, Any],
    failures: list[str],
    job_id: str,
    simulator: Simulator,
    run_dag: DagRunner,
) -> None:
    """A service that is down fails each try, and soft_fail does not hide that."""
    simulator.faults({"match": JOBS, "skip": 1, "fault": "html", "status": 502, "times": 99})
    run = wait(run_dag, job_id=job_id, soft_fail=soft_fail, **mode_that_notifies | {"retries": 1})
    assert (run.states["wait"], run.tries["wait"]) == ("failed", 2)
    assert failures == ["transient {} None 502"]


@pytest.mark.parametrize("status", ["QUEUED", "CANCELLING", "PAUSED"])
def test_unfinished_states_are_waited_for(
    status: str, mode: dict[str, Any], job_id: str, simulator: Simulator, run_dag: DagRunner
) -> None:
    """The sensor waits in the states of similar jobs, and for a while in an undocumented one."""
    simulator.faults({"match": JOBS, "skip": 1, "fault": "status", "status": status, "times": 2})
    assert wait(run_dag, job_id=job_id, **mode).state == "success"


def test_an_unknown_status_fails_after_a_while(
    mode: dict[str, Any], simulator: Simulator, run_dag: DagRunner
) -> None:
    """The error names the status, and is not retried."""
    simulator.control("time", {"offset_seconds": -1200})
    simulator.settings(adobe_queue_seconds=3600)
    job_id = client_of(simulator).create_export_job(ORDER).id
    simulator.faults({"match": JOBS, "fault": "status", "status": "PAUSED", "times": 99})
    run = wait(run_dag, job_id=job_id, **mode)
    assert (run.states["wait"], run.tries["wait"]) == ("failed", 1)
    assert "undocumented status 'PAUSED'" in run.log


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "html", "status": 502, "times": 2},
        {"fault": "drop", "times": 2},
        {"fault": "error", "code": "401013"},
        {"fault": "error", "http": 429, "times": 3},
    ],
)
def test_transient_errors_are_retried(
    fault: dict[str, Any], mode: dict[str, Any], job_id: str, simulator: Simulator, run_dag: DagRunner
) -> None:
    """A poll that fails does not end the wait."""
    simulator.faults(fault | {"match": JOBS, "skip": 1})
    run = wait(run_dag, job_id=job_id, **mode)
    assert (run.state, run.tries["wait"]) == ("success", 1)


@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_a_timeout_cancels(
    cancel_on_kill: bool, mode: dict[str, Any], stuck_id: str, simulator: Simulator, run_dag: DagRunner
) -> None:
    """A timeout cancels the job, if cancel_on_kill."""
    run = wait(run_dag, job_id=stuck_id, timeout=0.3, cancel_on_kill=cancel_on_kill, **mode)
    assert run.states["wait"] == "failed"
    assert simulator.ledger()["adobe"]["jobs"][0]["status"] == ("CANCELLED" if cancel_on_kill else "NEW")


def test_a_kill_cancels(stuck_id: str, simulator: Simulator) -> None:
    """The kill uses the client of the last poll."""
    sensor = AdobeExportJobSensor(task_id="wait", job_id=stuck_id)
    sensor.on_kill()
    assert simulator.ledger()["adobe"]["jobs"][0]["status"] == "NEW"
    sensor._cached_client()
    sensor.on_kill()
    assert simulator.ledger()["adobe"]["jobs"][0]["status"] == "CANCELLED"
