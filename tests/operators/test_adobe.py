"""Ordering Adobe export jobs: once, and never of all profiles by accident."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_twexport.links.adobe import AdobeExportJobLink
from airflow_provider_twexport.operators.adobe import (
    AdobeCancelExportJobOperator,
    AdobeCreateExportJobOperator,
)
from tests.adobe_account import DATASET, INSTANT, ORDER, SEGMENT, client_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.running_dags import DagRunner, Run
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("adobe_connection", "quick_timing")

POST = {"path": "export/jobs", "method": "POST"}
SEGMENTS = {"segments": [SEGMENT]}


def order(run_dag: DagRunner, **arguments: Any) -> Run:
    """Return what became of an order."""
    usual = {"destination": {"datasetId": DATASET}, "filter": SEGMENTS}
    with DAG("ordering", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(0)}) as dag:
        AdobeCreateExportJobOperator(task_id="order", **usual | arguments)
    return run_dag(dag)


def jobs(simulator: Simulator) -> list[dict[str, Any]]:
    """Return the jobs that the service has."""
    found: list[dict[str, Any]] = simulator.ledger()["adobe"]["jobs"]
    return found


def test_an_order_can_have_every_argument(run_dag: DagRunner, simulator: Simulator) -> None:
    """The order has the service's form, with templates rendered inside."""
    filters = {
        "segments": [SEGMENT],
        "segmentQualificationTime": {
            "startTime": "{{ dag_run.conf['from'] }}",
            "endTime": "2018-02-01T00:00:00Z",
        },
        "fromIngestTimestamp": "2018-01-01T00:00:00Z",
        "emptyProfiles": True,
    }
    events = {"fields": "_id,timestamp", "filter": {"fromIngestTimestamp": "2018-01-01T00:00:00Z"}}
    wanted: dict[str, Any] = {
        "merge_policy": {"id": "timestampOrdered-none-mp", "version": 1},
        "additional_fields": {"eventList": events},
        "destination": {"datasetId": DATASET, "segmentPerBatch": True},
        "evaluation_info": {"segmentation": True},
    }
    with DAG("ordering", schedule=None) as dag:
        AdobeCreateExportJobOperator(
            task_id="order", fields=["identities.id", "personalEmail.address"], filter=filters, **wanted
        )
    run = run_dag(dag, run_conf={"from": "2018-01-01T00:00:00Z"})
    assert run.results["order"] == {"job_id": "100", "dataset_id": DATASET, "status": "NEW", "adopted": False}
    filters["segmentQualificationTime"]["startTime"] = "2018-01-01T00:00:00Z"  # type: ignore[index]
    assert jobs(simulator)[0]["order"] == {
        "fields": "identities.id,personalEmail.address",
        "filter": filters,
        "schema": {"name": "_xdm.context.profile"},
        "mergePolicy": wanted["merge_policy"],
        "additionalFields": wanted["additional_fields"],
        "destination": wanted["destination"],
        "evaluationInfo": wanted["evaluation_info"],
    }


@pytest.mark.parametrize("filters", [None, {}, {"segments": []}, {"emptyProfiles": True}])
def test_all_profiles_are_not_exported_by_accident(
    filters: dict[str, Any] | None, run_dag: DagRunner, simulator: Simulator
) -> None:
    """A filter that excludes no profile needs export_all_profiles."""
    run = order(run_dag, filter=filters)
    assert (run.states["order"], run.tries["order"]) == ("failed", 1)
    assert "would export ALL profiles" in run.log
    assert jobs(simulator) == []
    assert order(run_dag, filter=filters, export_all_profiles=True).state == "success"
    assert len(jobs(simulator)) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"destination": {}}, "datasetId"),
        ({"filter": {"segments": [{"id": "one"}]}}, "no segmentId"),
        ({"filter": SEGMENTS | {"fromIngestTimestamp": "yesterday"}}, "RFC 3339"),
    ],
)
def test_invalid_input_is_refused_before_any_request(
    arguments: dict[str, Any], words: str, run_dag: DagRunner, simulator: Simulator
) -> None:
    """Invalid input fails without a retry, with a sentence."""
    run = order(run_dag, **arguments)
    assert (run.states["order"], run.tries["order"]) == ("failed", 1)
    assert words in run.log
    assert simulator.ledger()["requests"] == []


def test_an_order_whose_response_was_lost_is_looked_for(run_dag: DagRunner, simulator: Simulator) -> None:
    """The order arrived, so it is found and not sent again."""
    simulator.faults({"match": POST, "fault": "lost_answer"})
    run = order(run_dag)
    assert run.results["order"] == {"job_id": "100", "dataset_id": DATASET, "status": "NEW", "adopted": False}
    assert (run.tries["order"], len(jobs(simulator))) == (1, 1)


def test_an_order_that_is_listed_late_is_found_by_the_retry(run_dag: DagRunner, simulator: Simulator) -> None:
    """Until it is known whether the order arrived, it is not sent again."""
    simulator.faults(
        {"match": POST, "fault": "lost_answer"},
        {
            "match": {"path": "export/jobs", "method": "GET"},
            "skip": 1,
            "times": 3,
            "fault": "missing_from_list",
        },
    )
    run = order(run_dag)
    assert run.results["order"]["adopted"]
    assert (run.tries["order"], len(jobs(simulator))) == (2, 1)


def test_an_order_that_never_arrived_is_sent_by_the_retry(run_dag: DagRunner, simulator: Simulator) -> None:
    """No job shows that it arrived, so it is sent again."""
    simulator.faults({"match": POST, "fault": "drop"})
    run = order(run_dag)
    assert (run.results["order"]["adopted"], run.tries["order"], len(jobs(simulator))) == (False, 2, 1)


def test_only_this_runs_own_job_is_adopted(run_dag: DagRunner, simulator: Simulator) -> None:
    """A job of yesterday, a failed job and a job of another order are not adopted."""
    simulator.control("time", {"offset_seconds": -3600})
    old = client_of(simulator).create_export_job(ORDER)
    simulator.control("time", {"offset_seconds": 0})
    simulator.settings(**INSTANT, adobe_outcome="FAILED")
    fields = {"fields": ORDER.document["fields"]}
    failed = order(run_dag, **fields).results["order"]
    simulator.settings(adobe_outcome="SUCCEEDED")
    other = order(run_dag, **fields, destination={"datasetId": "another"}).results["order"]
    ours = order(run_dag, **fields).results["order"]
    again = order(run_dag, **fields).results["order"]
    assert [old.id, failed["job_id"], other["job_id"], ours["job_id"]] == ["100", "101", "102", "103"]
    assert (again["job_id"], again["adopted"]) == ("103", True)


@pytest.mark.parametrize(
    ("extra", "place"),
    [
        ({}, ""),
        ({"tenant": "acme"}, "@acme/sname:prod/"),
        ({"tenant": "acme", "sandbox": "dev"}, "@acme/sname:dev/"),
    ],
)
def test_the_button_opens_adobes_ui(
    extra: dict[str, str], place: str, run_dag: DagRunner, adobe_connection: Callable[..., None]
) -> None:
    """The button opens the dataset of the job as soon as it is ordered."""
    adobe_connection(extra=extra)
    with DAG("linking", schedule=None) as dag:
        ordered = AdobeCreateExportJobOperator(
            task_id="order", destination={"datasetId": DATASET}, filter=SEGMENTS
        )

        @task
        def pushed(ti: Any = None) -> Any:
            return ti.xcom_pull(task_ids="order", key=AdobeExportJobLink.xcom_key)

        ordered >> pushed()
    address = f"https://experience.adobe.com/#/{place}platform/dataset/browse/{DATASET}"
    assert run_dag(dag).results["pushed"] == address


def test_a_kill_cancels_what_was_just_ordered(simulator: Simulator) -> None:
    """A kill cancels the job that was just ordered, and no adopted one."""
    simulator.settings(adobe_job_seconds=None)
    client = client_of(simulator)
    job = client.create_export_job(ORDER)
    ordering = AdobeCreateExportJobOperator(task_id="order", destination={"datasetId": DATASET})
    ordering._client = client
    ordering.on_kill()
    assert jobs(simulator)[0]["status"] in ("NEW", "PROCESSING")
    ordering._ordered_job_id = job.id
    ordering.on_kill()
    assert jobs(simulator)[0]["status"] == "CANCELLED"


@pytest.mark.parametrize("settings", [{"adobe_job_seconds": None}, INSTANT])
def test_only_an_unfinished_job_is_cancelled(
    settings: dict[str, Any], run_dag: DagRunner, simulator: Simulator
) -> None:
    """A job that has ended keeps its status."""
    simulator.settings(**settings)
    job = client_of(simulator).create_export_job(ORDER)
    with DAG("cancelling", schedule=None) as dag:
        AdobeCancelExportJobOperator(task_id="cancel", job_id=job.id)
    assert str(run_dag(dag).results["cancel"]) == job.id
    assert jobs(simulator)[0]["status"] == ("SUCCEEDED" if settings == INSTANT else "CANCELLED")
