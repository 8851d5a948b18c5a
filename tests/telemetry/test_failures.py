"""What a notifier's template can say of a task, in a real Airflow."""

from __future__ import annotations

import pickle
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG

from airflow_provider_twexport.exceptions import Evidence, ExportTruncatedError
from airflow_provider_twexport.operators.talkwalker_orphans import TalkwalkerFindOrphansOperator
from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export
from airflow_provider_twexport.telemetry.failures import PermanentFailure
from tests.notifying import RememberingNotifier

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "quick_timing")

FAILED = "{{ exception.kind }}: {{ exception.facts }}"
LANDED = "{% set landed = ti.xcom_pull(task_ids=ti.task_id, key='twexport') %}{{ landed }}"


@pytest.fixture
def sent() -> list[str]:
    """What was sent."""
    return []


def pipeline(tmp_path: Path, sent: list[str], **arguments: Any) -> DAG:
    """Return a pipeline of 500 results, whose tasks notify."""
    with DAG(
        "notifying",
        schedule=None,
        default_args={
            "retries": 0,
            "retry_delay": timedelta(0),
            "on_failure_callback": RememberingNotifier(FAILED, sent),
        },
    ) as dag:
        talkwalker_export(
            "export",
            object_storage_path=f"file://{tmp_path}",
            start="2024-01-01",
            stop="2024-02-01",
            limit=500,
            poke_interval=0.2,
            **arguments,
        )
    dag.get_task("export.to_object_storage").on_success_callback = [RememberingNotifier(LANDED, sent)]
    return dag


def test_a_refused_purchase_tells_which_budget_and_how_much_is_missing(
    run_dag: DagRunner, tmp_path: Path, sent: list[str]
) -> None:
    """By name and number."""
    run_dag(pipeline(tmp_path, sent, max_credits_per_run=300))
    facts = {"budget": "max_credits_per_run", "allowed": 300, "limit": 500}
    assert sent == [f"budget_exceeded: {facts | {'used': 0, 'to_come': 0, 'missing': 200}}"]


def test_truncation_tells_how_much_is_missing(run_dag: DagRunner, tmp_path: Path, sent: list[str]) -> None:
    """Where it fails the sensor, and where it is only said of what landed."""
    assert run_dag(pipeline(tmp_path, sent, on_truncated="fail")).state == "failed"
    (failed,) = sent
    assert failed.startswith("export_truncated: {'export_id': ")
    assert "'exported': 500, " in failed
    sent.clear()
    run = run_dag(pipeline(tmp_path, sent))
    (landed,) = sent
    missing = run.results["export.wait_for_export"]["estimated_total"] - 500
    assert f"'truncated': True, 'missing': {missing}, 'complete': True" in landed
    assert run.results["export.to_object_storage"]["manifest"] in landed


def test_results_about_to_expire_are_told_with_their_deadline(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, sent: list[str]
) -> None:
    """So that somebody lands them in time."""
    dag = pipeline(tmp_path, sent, delete_collector=False)
    simulator.control("time", {"offset_seconds": -6 * 86_400})
    bought = run_dag(dag).results["export.create_export"]
    simulator.control("time", {"offset_seconds": 0})
    sent.clear()
    with DAG("watching", schedule=None) as watching:
        TalkwalkerFindOrphansOperator(
            task_id="look", landed_paths=[], on_failure_callback=RememberingNotifier(FAILED, sent)
        )
    run_dag(watching)
    (told,) = sent
    assert told.startswith(
        f"results_expiring: {{'exports': 1, 'credits': 500, 'export_ids': ['{bought['export_id']}']"
    )


def test_results_that_have_expired_are_told_with_what_they_cost(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, sent: list[str]
) -> None:
    """They were bought and had not landed."""
    dag = pipeline(tmp_path / "landing", sent, delete_collector=False)
    simulator.control("time", {"offset_seconds": -8 * 86_400})
    bought = run_dag(dag).results["export.create_export"]
    simulator.control("time", {"offset_seconds": 0})
    shutil.rmtree(tmp_path / "landing")
    sent.clear()
    run_dag(dag)
    (gone,) = sent
    assert gone.startswith(f"results_expired: {{'export_id': '{bought['export_id']}'")
    assert "'exported': 500" in gone


def test_a_permanent_failure_survives_pickling() -> None:
    """With all that it holds."""
    failure = PermanentFailure(ExportTruncatedError("text", Evidence("GET", "/path", 200), {"missing": 1}))
    again = pickle.loads(pickle.dumps(failure))  # noqa: S301 - our own bytes
    assert str(again) == "ExportTruncatedError: text [GET /path, HTTP 200]"
    assert (again.kind, again.facts, again.evidence) == (
        "export_truncated",
        {"missing": 1},
        Evidence("GET", "/path", 200),
    )
