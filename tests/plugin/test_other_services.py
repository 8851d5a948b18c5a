"""Adobe's jobs, X's usage, and what landed from both, beside Talkwalker's exports."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.sdk import DAG

from airflow_provider_twexport.adobe.orders import ExportJobOrder
from airflow_provider_twexport.operators.adobe import AdobeCreateExportJobOperator
from airflow_provider_twexport.plugin.accounts.x import usage_in
from airflow_provider_twexport.plugin.landed import location_of
from airflow_provider_twexport.plugin.rows import UsageDay, UsageRow
from airflow_provider_twexport.storage.manifest import MANIFEST, empty_manifest
from airflow_provider_twexport.transfers.adobe_to_object_storage import AdobeToObjectStorageOperator
from airflow_provider_twexport.transfers.x_search_to_object_storage import XSearchToObjectStorageOperator
from tests.adobe_account import DATASET, INSTANT, ORDER, SECRET, SEGMENT, client_of
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.visiting import Server, Visitor
    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

ADOBE = "adobe_experience_platform_default"
pytestmark = pytest.mark.usefixtures("adobe_connection", "x_connection", "quick_timing")


def job_row(visitor: Visitor) -> Any:
    """Wait for the row of the only job."""
    return wait_until(lambda: next(iter(visitor.json("exports", conn_id=ADOBE)["rows"]), None))


def order(run_dag: DagRunner) -> str:
    """Order a job, and return the id of the run that did."""
    with DAG("ordered", schedule=None) as dag:
        AdobeCreateExportJobOperator(
            task_id="order", destination={"datasetId": DATASET}, filter={"segments": [SEGMENT]}
        )
    run = run_dag(dag)
    assert run.state == "success"
    return str(run.results["order"]["job_id"])


def search(run_dag: DagRunner, lake: Path) -> None:
    """Land a search."""
    with DAG("searched", schedule=None) as dag:
        XSearchToObjectStorageOperator(
            task_id="land",
            query="coffee",
            start="2024-01-01",
            stop="2024-01-03",
            object_storage_path=f"file://{lake}/x",
        )
    assert run_dag(dag).state == "success"


def test_a_job_is_shown_and_cancelled(server: Server, run_dag: DagRunner, simulator: Simulator) -> None:
    """With state, dataset, segments and DAG, and without credits; a viewer cannot cancel it."""
    simulator.settings(adobe_queue_seconds=0, adobe_job_seconds=None)
    job_id = order(run_dag)
    op = server.visitor("OP")
    row = job_row(op)
    assert (row["id"], row["status"], row["dataset_id"], row["segments"]) == (
        job_id,
        "processing",
        DATASET,
        1,
    )
    assert (row["exported"], row["credits"], row["collector_id"], row["window"]) == (None, None, None, None)
    row = wait_until(lambda: (it := job_row(op))["used_by"] and it)
    assert row["used_by"][0]["dag_id"] == "ordered"
    assert op.json("exports", dag_id="ordered")["total"] == 1
    assert op.json("exports", search=DATASET)["total"] == 1
    assert row["may_abort"]

    action = f"connections/{ADOBE}/exports/{job_id}/abort"
    assert server.visitor("VIEWER").post(action).status_code == 403
    response = op.post(action)
    assert (response.status_code, response.json()["done"]) == (
        200,
        f"Export job {job_id} is being cancelled.",
    )
    assert wait_until(lambda: job_row(op)["status"] == "cancelled")
    assert op.post(action).status_code == 409


def test_a_landed_job_shows_its_profiles_and_landing(
    server: Server, run_dag: DagRunner, simulator: Simulator, lake: Path
) -> None:
    """Its landing shows the dataset."""
    simulator.settings(**INSTANT)
    job_id = order(run_dag)
    with DAG("landing", schedule=None) as dag:
        AdobeToObjectStorageOperator(
            task_id="land", job_id=job_id, object_storage_path=f"file://{lake}/adobe"
        )
    assert run_dag(dag).state == "success"
    viewer = server.visitor("VIEWER")
    row = wait_until(lambda: (it := job_row(viewer))["landings"] and it)
    assert (row["status"], row["exported"]) == ("succeeded", 1000)
    assert wait_until(lambda: {it["dag_id"] for it in job_row(viewer)["used_by"]} >= {"ordered", "landing"})
    (landing,) = viewer.json("landings", dag_id="landing")["rows"]
    assert (landing["system"], landing["scope"], landing["results"]) == ("adobe", DATASET, 1_000)
    parts = viewer.json(f"landings/{landing['id']}")["rows"]
    assert [part["results"] for part in parts] == [333, 333, 334]
    assert viewer.json("exports", conn_id=ADOBE, only="finished")["total"] == 1


def test_the_same_number_in_another_dataset_is_another_job(
    server: Server, run_dag: DagRunner, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who may read the DAG of one does not see the other."""
    simulator.settings(**INSTANT)
    order(run_dag)
    simulator.reset()
    simulator.settings(**INSTANT)
    elsewhere = ExportJobOrder({**ORDER.document, "destination": {"datasetId": "another-dataset"}})
    client_of(simulator).create_export_job(elsewhere)
    monkeypatch.setattr(SimpleAuthManager, "filter_authorized_dag_ids", lambda *_, **__: {"ordered"})
    reader = server.visitor("VIEWER")
    wait_until(lambda: reader.json("exports")["accounts"][0]["age"] is not None)
    assert reader.json("exports")["total"] == 0


def test_usage_needs_the_right_to_read_all_dags(
    server: Server, run_dag: DagRunner, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the sum of all DAGs' requests, and who may read one of two does not see it."""
    search(run_dag, lake)
    order(run_dag)
    viewer = server.visitor("VIEWER")

    def usage() -> Any:
        (card,) = viewer.json("spending")["usage"]
        return card

    card = wait_until(lambda: (it := usage())["age"] is not None and it)
    assert (card["conn_id"], card["used"]["searchRequestsFullArchive"]) == ("x_enterprise_default", 1)
    assert len(card["month"]) == len("2024-06")
    (day,) = card["days"]
    assert (day["product"], day["requests"]) == ("Search API (Full-Archive)", 1)
    assert day["posts"] == card["used"]["activities"] > 0
    assert day["day"].startswith(card["month"])
    monkeypatch.setattr(SimpleAuthManager, "filter_authorized_dag_ids", lambda *_, **__: {"searched"})
    assert (usage()["used"], usage()["month"], usage()["days"]) == ({}, None, [])


def test_usage_may_lack_anything() -> None:
    """The service guarantees none of its fields."""
    assert usage_in({}) == UsageRow()
    assert usage_in({"publishers": [{"used": [{"activities": 3}]}]}) == UsageRow(used={"activities": 3})


def test_usage_is_by_day_and_product() -> None:
    """Of the latest month, without days on which nothing was used, and without what X does not date."""
    streams = [
        {"timePeriod": "202405310000", "activities": 7},
        {"timePeriod": "202406010000", "activities": 8},
        {"timePeriod": "202406020000", "activities": 0},
        {"timePeriod": "soon", "activities": 9},
    ]
    searches = [{"timePeriod": "202406010000", "activities": 20, "searchRequests30Day": 2}]
    products = [
        {"type": "Search", "used": searches, "endpoints": [{"label": "prod", "used": searches}]},
        {"type": "PowerTrack", "used": streams},
    ]
    account = [{"timePeriod": "202406010000", "activities": 28}, {"timePeriod": "202406020000"}]
    day = date(2024, 6, 1)
    assert usage_in({"publishers": [{"used": account, "products": products}]}) == UsageRow(
        month="2024-06",
        used={"activities": 28},
        days=[
            UsageDay(day=day, product="PowerTrack", requests=0, posts=8),
            UsageDay(day=day, product="Search", requests=2, posts=20),
        ],
    )


def test_a_search_is_a_landing_of_its_dag(
    server: Server, run_dag: DagRunner, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no export: its DAG, and who may see it, is known by the manifest that its task returned."""
    search(run_dag, lake)
    viewer = server.visitor("VIEWER")
    (landing,) = wait_until(lambda: viewer.json("landings", dag_id="searched")["rows"])
    assert (landing["system"], landing["scope"], landing["query"]) == (
        "x_search",
        "fullarchive",
        "coffee",
    )
    assert (landing["requests"], landing["gaps"], landing["export_id"]) == (1, None, None)
    assert landing["window"]["start"].startswith("2024-01-01")
    assert landing["used_by"][0]["dag_id"] == "searched"
    assert viewer.json("landings", dag_id="another")["rows"] == []
    monkeypatch.setattr(SimpleAuthManager, "filter_authorized_dag_ids", lambda *_, **__: {"searched"})
    assert viewer.json("landings")["total"] == 1
    monkeypatch.setattr(SimpleAuthManager, "filter_authorized_dag_ids", lambda *_, **__: {"another"})
    assert viewer.json("landings")["total"] == 0
    assert viewer.get(f"landings/{landing['id']}").status_code == 404
    assert viewer.json("landings", manifest=landing["address"])["selected"] is None


def test_a_stream_shows_its_time_and_gaps(server: Server, lake: Path) -> None:
    """Instead of a window, the time that it was read."""
    time = {"start": "2024-06-01T10:00:00.000+00:00", "stop": "2024-06-01T11:00:00.000+00:00"}
    gap = time | {"partition": 1, "reason": "silence"}
    report = time | {"stream": "decahose", "gaps": [gap, gap]}
    source = {"system": "x_stream", "stream": "decahose", "scope": "decahose"}
    landed = replace(empty_manifest(source, "jsonl.gz"), report=report)
    (lake / "stream").mkdir(parents=True)
    (lake / "stream" / MANIFEST).write_text(landed.to_json())
    viewer = server.visitor("VIEWER")
    (landing,) = wait_until(lambda: viewer.json("landings")["rows"])
    assert (landing["scope"], landing["gaps"], landing["requests"]) == ("decahose", 2, None)
    assert landing["flags"] == ["partial", "gaps"]
    assert landing["window"] == {"start": "2024-06-01T10:00:00Z", "stop": "2024-06-01T11:00:00Z"}


def test_a_landing_is_found_by_the_address_of_its_manifest(
    server: Server, run_dag: DagRunner, lake: Path
) -> None:
    """In each spelling of the address, and on any page of the list."""
    search(run_dag, lake)
    viewer = server.visitor("VIEWER")
    wait_until(lambda: viewer.json("landings")["rows"])
    for address in (f"file://{lake}/x/_manifest.json", f"{lake}/x/_manifest.json"):
        response = viewer.json("landings", manifest=address, limit=1, offset=1)
        assert response["rows"] == []
        assert response["selected"]["query"] == "coffee"
    assert viewer.json("landings", manifest="file:///elsewhere/_manifest.json")["selected"] is None


def test_spellings_of_one_address_have_one_location() -> None:
    """With and without a connection or a scheme."""
    written = ("s3://lake/a/_manifest.json", "s3://lake_conn@lake/a/_manifest.json")
    assert {location_of(it) for it in written} == {"lake/a/_manifest.json"}
    assert location_of("file:///a@b/_manifest.json") == location_of("/a@b/_manifest.json")


def test_no_response_contains_a_password(server: Server, run_dag: DagRunner, simulator: Simulator) -> None:
    """Not even if the services fail."""
    order(run_dag)
    admin = server.visitor("ADMIN")
    for _ in range(2):
        for path in ("exports", "spending", "landings"):
            text = admin.get(path).text
            assert SECRET not in text
            assert simulator.x_password not in text
        simulator.faults(*[{"fault": "html", "status": 502} for _ in range(20)])


def test_a_connection_of_an_unknown_type_is_a_problem(
    server: Server, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the settings name it; its password is not sent."""
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", f"http://user:secret@{simulator.url.removeprefix('http://')}")
    monkeypatch.setenv("AIRFLOW__TWEXPORT__CONNECTIONS", "other, absent")
    viewer = server.visitor("VIEWER")
    problems = wait_until(
        lambda: [it["problem"] for it in viewer.json("exports")["accounts"] if it["problem"]]
    )
    assert "type 'http'" in problems[0]
    assert "no Airflow connection 'absent'" in problems[1]
    assert simulator.ledger()["requests"] == []
