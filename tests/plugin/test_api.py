"""The routes behind the Exports page, in a real API server, before a real Talkwalker stand-in."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.sdk import DAG

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportTask
    from tests.plugin.visiting import Server
    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

READS = ("exports", "collectors", "landings", "landings/0123456789abcdef", "coverage", "spending")
ACTIONS = (
    "connections/talkwalker_default/exports/x/abort",
    "connections/talkwalker_default/collectors/x/delete",
)
POLL = "GET /api/v3/tasks/export"


def order_export(client: TalkwalkerClient, days: int = 3, limit: int = 1000) -> ExportTask:
    """Order an export and return it."""
    window = Window(pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 1, 1 + days))
    order = ExportOrder(window, query="coffee", limit=limit)
    name = collector_id_of(order)
    client.put_collector(name)
    return client.create_export(order, name)


@pytest.mark.parametrize("path", [*READS, "static/exports.js"])
def test_nothing_is_shown_without_login(server: Server, path: str) -> None:
    """Every route responds with 401, and nothing else."""
    response = server.visitor(None).get(path)
    assert response.status_code == 401
    assert response.json() == {"detail": "Not authenticated"}


@pytest.mark.parametrize("path", ACTIONS)
def test_nothing_is_done_without_login(server: Server, path: str) -> None:
    """Every action responds with 401."""
    assert server.visitor(None).post(path).status_code == 401


def test_there_is_no_other_route(server: Server) -> None:
    """All are listed above, and their description is not published."""
    from airflow_provider_twexport.plugin.api import app

    described = app.openapi()["paths"]
    assert len(described) == len(READS) + len(ACTIONS) + 1
    for path in ("docs", "redoc", "openapi.json"):
        assert server.visitor("ADMIN").get(path).status_code == 404


def test_a_running_export_shows_its_progress(
    server: Server, client: TalkwalkerClient, simulator: Simulator
) -> None:
    """State, progress, speed, time left and credits, which change although no task runs."""
    simulator.settings(results_per_second=5)
    export = order_export(client)
    viewer = server.visitor("VIEWER")

    def row() -> Any:
        rows = viewer.json("exports")["rows"]
        return next((row for row in rows if row["exported"] and row["per_second"]), None)

    first = wait_until(row)
    assert (first["id"], first["status"], first["conn_id"]) == (export.id, "running", "talkwalker_default")
    assert 0 < first["exported"] < first["expected"]
    assert first["seconds_left"] > 0
    assert wait_until(lambda: (row() or first)["exported"] > first["exported"])


def test_a_viewer_reads_and_cannot_act(
    server: Server, client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Aborting and deleting are refused, and the rows say so."""
    simulator.settings(queue_seconds=1000)
    export = order_export(client)
    viewer = server.visitor("VIEWER")
    (row,) = wait_until(lambda: viewer.json("exports")["rows"])
    assert not row["may_abort"]
    assert viewer.post(f"connections/talkwalker_default/exports/{export.id}/abort").status_code == 403
    assert (
        viewer.post(f"connections/talkwalker_default/collectors/{export.collector_id}/delete").status_code
        == 403
    )
    assert client.get_export(export.id).raw_status == "queued"


def test_an_export_is_aborted(server: Server, client: TalkwalkerClient, simulator: Simulator) -> None:
    """By a user who may edit the connection; the response says what stays paid, and the row changes at once."""
    simulator.settings(queue_seconds=1000)
    export = order_export(client)
    op = server.visitor("OP")
    (row,) = wait_until(lambda: op.json("exports")["rows"])
    assert row["may_abort"]
    response = op.post(f"connections/talkwalker_default/exports/{export.id}/abort")
    assert response.status_code == 200
    assert "0 results that it had exported are paid for" in response.json()["done"]
    assert client.get_export(export.id).raw_status == "aborted"
    assert op.json("exports")["rows"][0]["status"] == "aborted"
    logs = server.visitor("ADMIN").client.get("/api/v2/eventLogs?event=twexport.abort_export").json()
    assert [(it["owner"], export.id in it["extra"]) for it in logs["event_logs"]][-1:] == [("some OP", True)]
    response = op.post(f"connections/talkwalker_default/exports/{export.id}/abort")
    assert (response.status_code, response.json()["kind"]) == (409, "already_ended")


def test_only_a_drained_collector_is_deleted(server: Server, client: TalkwalkerClient) -> None:
    """Results that were paid for and have not landed cannot be deleted."""
    export = order_export(client)
    op = server.visitor("OP")
    (row,) = wait_until(lambda: op.json("collectors")["rows"])
    assert (row["id"], row["is_drained"], row["may_delete"]) == (export.collector_id, False, False)
    assert row["readable_until"] > pendulum.now("UTC").add(days=6).isoformat()
    response = op.post(f"connections/talkwalker_default/collectors/{export.collector_id}/delete")
    assert response.status_code == 409
    assert client.get_collector(export.collector_id or "")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_other_sites_are_refused(server: Server, headers: dict[str, str]) -> None:
    """Reads and actions alike, whoever is logged in."""
    admin = server.visitor("ADMIN")
    for path in READS:
        assert admin.client.get(f"/twexport/{path}", headers=headers).status_code == 403
    for path in ACTIONS:
        assert admin.post(path, headers=headers).status_code == 403


def test_an_action_needs_our_page_or_a_token(server: Server) -> None:
    """A cookie alone is not enough: the browser must name the site."""
    admin = server.visitor("ADMIN")
    del admin.client.headers["Sec-Fetch-Site"], admin.client.headers["Origin"]
    assert admin.post(ACTIONS[0]).status_code == 403
    admin.client.headers["Authorization"] = f"Bearer {admin.client.cookies['_token']}"
    assert admin.post(ACTIONS[0]).status_code == 404


@pytest.mark.parametrize("path", ACTIONS)
def test_the_password_of_another_connection_goes_nowhere(
    server: Server, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Only connections of our types are used, whatever connection is named."""
    other = {"conn_type": "http", "host": simulator.url, "password": simulator.token}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(other))
    response = server.visitor("ADMIN").post(path.replace("talkwalker_default", "other"))
    assert response.status_code == 404
    assert simulator.ledger()["requests"] == []


def test_no_response_contains_the_token(
    server: Server, client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Not even if the service fails and quotes it."""
    simulator.settings(echo_token=True)
    order_export(client)
    admin = server.visitor("ADMIN")
    for _ in range(2):
        for path in READS:
            assert simulator.token not in admin.get(path).text
        for path in ACTIONS:
            assert simulator.token not in admin.post(path).text
        simulator.faults(*[{"fault": "html", "status": 502} for _ in range(20)])


def test_a_failing_service_leaves_the_last_result(
    server: Server, client: TalkwalkerClient, simulator: Simulator, talkwalker_connection: Any
) -> None:
    """The page shows the last result, its age and the problem."""
    order_export(client)
    viewer = server.visitor("VIEWER")
    wait_until(lambda: viewer.json("exports")["rows"])
    talkwalker_connection(password="no-longer-valid")
    failing = wait_until(lambda: (it := viewer.json("exports"))["accounts"][0]["problem"] and it)
    assert len(failing["rows"]) == 1
    assert failing["accounts"][0]["age"] > 0
    assert "no-longer-valid" not in str(failing)


def test_one_poll_serves_all(server: Server, client: TalkwalkerClient, simulator: Simulator) -> None:
    """However many browsers are open, the service gets one request per interval."""
    order_export(client)
    began = time.monotonic()
    visitors = [server.visitor("VIEWER") for _ in range(10)]
    before = simulator.ledger()["counts"].get(POLL, 0)
    for visitor in visitors:
        visitor.json("exports")
        visitor.json("collectors")
    asked = simulator.ledger()["counts"][POLL] - before
    assert 1 <= asked <= 1 + (time.monotonic() - began)


def used_by(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the runs of our DAG: the simulator gives each test the same ids, and Airflow knows earlier ones."""
    return [it for it in row["used_by"] if it["dag_id"] == "shown"]


def test_the_tabs_of_a_run_show_what_belongs_to_it(
    server: Server, run_dag: DagRunner, client: TalkwalkerClient, simulator: Simulator, lake: Path
) -> None:
    """Its exports, landings and days, with the manifest; its drained collector may be deleted."""
    with DAG("shown", schedule=None) as dag:
        talkwalker_export(
            "export",
            query="<img src=x onerror=alert(1)>",
            limit=300,
            start="2024-01-01",
            stop="2024-01-11",
            object_storage_path=f"file://{lake}/shown",
            ledger_path=f"file://{lake}/_ledger",
            poke_interval=0.3,
            delete_collector=False,
        )
    order_export(client, days=1)
    run = run_dag(dag)
    assert run.state == "success"
    export_id = run.results["export.create_export"]["export_id"]
    op = server.visitor("OP")
    run_id = wait_until(lambda: [it for row in op.json("exports")["rows"] for it in used_by(row)])[0][
        "run_id"
    ]

    for place in ({}, {"run_id": run_id}, {"run_id": run_id, "task_id": "export.to_object_storage"}):
        (row,) = op.json("exports", dag_id="shown", **place)["rows"]
        assert (row["id"], row["flags"], row["exported"]) == (export_id, ["truncated"], 300)
        assert row["landings"] == [f"file://{lake}/shown/_manifest.json"]
        assert used_by(row) == [{"dag_id": "shown", "run_id": run_id}]
    assert op.json("exports", dag_id="another")["total"] == 0
    assert op.json("exports")["total"] == 2

    (landing,) = op.json("landings", dag_id="shown")["rows"]
    assert (landing["query"], landing["results"]) == ("<img src=x onerror=alert(1)>", 300)
    (part,) = op.json(f"landings/{landing['id']}")["rows"]
    assert (part["results"], len(part["sha256"])) == (300, 64)
    (series,) = op.json("coverage", dag_id="shown")["series"]
    assert series["states"] == "t" * 10
    (named, unlanded) = op.json("coverage")["series"]
    assert {named["states"], unlanded["states"]} == {"t" * 10, "u"}
    (spending,) = op.json("spending", dag_id="shown")["credits"]
    assert spending["days"][-1]["used"] + spending["days"][-2]["used"] == 300

    (row,) = op.json("collectors", dag_id="shown")["rows"]
    assert (row["state"], row["may_delete"]) == ("landed", True)
    deleting = "DELETE /api/v3/stream/c/{collector_id}"
    before = simulator.ledger()["counts"][deleting]
    response = op.post(f"connections/talkwalker_default/collectors/{row['id']}/delete")
    assert response.status_code == 200, response.text
    assert op.json("collectors", dag_id="shown")["rows"] == []
    assert simulator.ledger()["counts"][deleting] == before + 1


def test_users_who_may_not_read_a_dag_see_nothing_of_it(
    server: Server, run_dag: DagRunner, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No exports, collectors, landings, days or credits, and no counts of them."""
    with DAG("secret", schedule=None) as dag:
        talkwalker_export(
            "export",
            query="coffee",
            start="2024-01-01",
            stop="2024-01-02",
            object_storage_path=f"file://{lake}/secret",
            poke_interval=0.3,
            delete_collector=False,
        )
    export_id = run_dag(dag).results["export.create_export"]["export_id"]
    op, stranger = server.visitor("OP"), server.visitor("USER")
    (landing,) = wait_until(lambda: op.json("landings")["rows"])
    wait_until(lambda: op.json("exports")["rows"][0]["used_by"])
    wait_until(lambda: op.json("collectors")["rows"])
    # Airflow's simple auth manager lets everybody read every DAG; others do not
    monkeypatch.setattr(SimpleAuthManager, "filter_authorized_dag_ids", lambda *_, **__: {"another"})
    for path in ("exports", "collectors", "landings"):
        assert (stranger.json(path)["total"], stranger.json(path)["rows"]) == (0, [])
    (account,) = stranger.json("exports")["accounts"]
    assert (account["exports"], account["counts"], account["credits"]) == (0, {}, None)
    assert stranger.json("coverage")["series"] == []
    (spending,) = stranger.json("spending")["credits"]
    assert (spending["credits"], sum(day["used"] for day in spending["days"])) == (None, 0)
    assert stranger.get(f"landings/{landing['id']}").status_code == 404
    assert stranger.post(f"connections/talkwalker_default/exports/{export_id}/abort").status_code == 403


def test_the_first_view_is_small(server: Server, client: TalkwalkerClient, simulator: Simulator) -> None:
    """The page and its first response ship under 300 kB, however many exports there are."""
    simulator.settings(queue_seconds=1000)
    export = order_export(client)
    for _ in range(120):
        client.create_export(
            ExportOrder(Window(pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 1, 2)), query="q"),
            export.collector_id or "",
        )
    viewer = server.visitor("VIEWER")
    first = wait_until(lambda: (it := viewer.get("exports", limit=50)).json()["rows"] and it)
    assert first.json()["total"] == 121
    assert len(first.content) + len(viewer.get("static/exports.js").content) < 300_000
