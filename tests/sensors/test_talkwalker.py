"""The Talkwalker sensor: the same results and exceptions whether it pokes, reschedules or defers."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG

from airflow_provider_twexport.compat import AirflowSensorTimeout
from airflow_provider_twexport.sensors.talkwalker import TalkwalkerExportSensor
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder
from tests.service_clients import JANUARY
from tests.waiting import QUICK

if TYPE_CHECKING:
    from tests.running_dags import DagRunner, Run
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "quick_timing")


LOOKS = {"method": "GET", "path": "/tasks/export"}


def ordered(simulator: Simulator) -> str:
    """Order 700 of January's results."""
    client = TalkwalkerClient(simulator.token, simulator.url, QUICK)
    client.put_collector("box")
    order = ExportOrder(JANUARY, project_id=simulator.project_id, limit=700)
    return client.create_export(order, "box").id


@pytest.fixture
def export_id(simulator: Simulator) -> str:
    """An export that the first look finds running."""
    simulator.faults({"match": LOOKS, "fault": "status", "status": "running"})
    return ordered(simulator)


@pytest.fixture
def stuck_id(simulator: Simulator) -> str:
    """An export that stays in the queue."""
    simulator.settings(queue_seconds=3600)
    return ordered(simulator)


def wait(run_dag: DagRunner, **arguments: Any) -> Run:
    """Return what became of a sensor."""
    defaults = {"retries": 2, "retry_delay": timedelta(0)}
    with DAG("waiting", schedule=None, default_args=defaults) as dag:
        TalkwalkerExportSensor(task_id="wait", **({"poke_interval": 0.1} | arguments))
    return run_dag(dag)


def test_waits_for_the_end(mode: dict[str, Any], export_id: str, run_dag: DagRunner) -> None:
    """However it waits, it tells the same."""
    run = wait(run_dag, export_id=export_id, **mode)
    result = run.results["wait"]
    assert run.states == {"wait": "success"}
    assert result == {
        "export_id": export_id,
        "status": "result_limit_reached",
        "exported": 700,
        "estimated_total": result["estimated_total"],
        "truncated": True,
    }
    assert result["estimated_total"] > 3_000
    missing = f"about {result['estimated_total'] - 700:,} of {result['estimated_total']:,}"
    assert f"{missing} matching results were not exported" in run.log


@pytest.mark.parametrize(
    ("on_truncated", "state"),
    [("fail", "failed"), ("skip", "skipped"), ("warn", "success"), ("split", "success")],
)
def test_truncation_is_an_outcome(
    on_truncated: str,
    state: str,
    mode_that_notifies: dict[str, Any],
    failures: list[str],
    export_id: str,
    run_dag: DagRunner,
) -> None:
    """More matched than was bought: warn, fail without a retry, skip, or warn and leave the rest to the next plan."""
    run = wait(run_dag, export_id=export_id, on_truncated=on_truncated, **mode_that_notifies)
    assert (run.states["wait"], run.tries["wait"]) == (state, 1)
    if state != "failed":
        assert failures == []
        return
    (failure,) = failures
    assert failure.startswith(f"export_truncated {{'export_id': '{export_id}', 'collector_id': 'box', ")
    assert "'exported': 700, " in failure
    assert re.search(r"'estimated_total': \d+, 'missing': \d+}", failure)


def test_counts_without_being_told(
    mode: dict[str, Any], export_id: str, simulator: Simulator, run_dag: DagRunner
) -> None:
    """Where the service does not say how many are ready, the limit that was ordered tells."""
    simulator.settings(ready_field=False)
    assert wait(run_dag, export_id=export_id, limit=700, **mode).results["wait"]["exported"] == 700


@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
@pytest.mark.parametrize("status", ["failed", "aborted", "DELETED", "paused_by_admin"])
def test_a_lost_export_fails_for_good(
    status: str,
    soft_fail: bool,
    state: str,
    mode_that_notifies: dict[str, Any],
    failures: list[str],
    export_id: str,
    simulator: Simulator,
    run_dag: DagRunner,
) -> None:
    """No retry can cure it; soft_fail skips instead; an undocumented status is named and fails too."""
    simulator.faults({"match": LOOKS, "skip": 1, "fault": "status", "status": status, "times": 99})
    run = wait(run_dag, export_id=export_id, soft_fail=soft_fail, **mode_that_notifies)
    assert (run.states["wait"], run.tries["wait"]) == (state, 1)
    if soft_fail:
        assert failures == []
        return
    assert status.lower() in run.log
    (failure,) = failures
    facts = f"{{'export_id': '{export_id}', 'collector_id': 'box', 'status': '{status.lower()}', "
    assert failure.startswith("unexpected_response {}" if "paused" in status else f"export_failed {facts}")


def test_unknown_waits(
    mode: dict[str, Any], export_id: str, simulator: Simulator, run_dag: DagRunner
) -> None:
    """The status UNKNOWN is documented, and means nothing yet."""
    simulator.faults({"match": LOOKS, "skip": 1, "fault": "status", "status": "unknown", "times": 3})
    assert wait(run_dag, export_id=export_id, **mode).state == "success"


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "html", "status": 502, "times": 2},
        {"fault": "drop", "times": 2},
        {"fault": "error", "code": 8, "times": 3},
    ],
)
def test_passing_faults_are_borne(
    fault: dict[str, Any], mode: dict[str, Any], export_id: str, simulator: Simulator, run_dag: DagRunner
) -> None:
    """A wait is not over because a look went wrong."""
    simulator.faults(fault | {"match": LOOKS, "skip": 1})
    run = wait(run_dag, export_id=export_id, **mode)
    assert (run.state, run.tries["wait"]) == ("success", 1)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [(7, "connection_config", "access token"), (9, "insufficient_credits", "no credits")],
)
def test_what_waiting_cannot_cure_fails_at_once(
    code: int,
    kind: str,
    words: str,
    mode_that_notifies: dict[str, Any],
    failures: list[str],
    export_id: str,
    simulator: Simulator,
    run_dag: DagRunner,
) -> None:
    """A bad token, or an empty account, is no throttling, though HTTP says 401 for all three."""
    simulator.faults({"match": LOOKS, "skip": 1, "fault": "error", "code": code, "times": 99})
    run = wait(run_dag, export_id=export_id, **mode_that_notifies)
    assert (run.states["wait"], run.tries["wait"]) == ("failed", 1)
    assert words in run.log
    assert failures == [f"{kind} {{}} {code} 401"]


@pytest.mark.parametrize("soft_fail", [False, True])
def test_what_may_pass_is_left_to_retries(
    soft_fail: bool,
    mode_that_notifies: dict[str, Any],
    failures: list[str],
    export_id: str,
    simulator: Simulator,
    run_dag: DagRunner,
) -> None:
    """A service that is down fails each try, and soft_fail does not hide that."""
    simulator.faults({"match": LOOKS, "skip": 1, "fault": "html", "status": 502, "times": 99})
    run = wait(run_dag, export_id=export_id, soft_fail=soft_fail, **mode_that_notifies | {"retries": 1})
    assert (run.states["wait"], run.tries["wait"]) == ("failed", 2)
    assert failures == ["transient {} None 502"]


@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
def test_a_timeout_aborts(
    soft_fail: bool,
    state: str,
    mode_that_notifies: dict[str, Any],
    failures: list[str],
    stuck_id: str,
    simulator: Simulator,
    run_dag: DagRunner,
) -> None:
    """A wait that is over stops what it waited for, because that goes on costing."""
    run = wait(run_dag, export_id=stuck_id, timeout=0.3, soft_fail=soft_fail, **mode_that_notifies)
    assert (run.states["wait"], run.tries["wait"]) == (state, 1)
    assert failures == ([] if soft_fail else ["other {} - -"])
    assert [export["status"] for export in simulator.ledger()["exports"]] == ["aborted"]


def test_a_timeout_can_leave_the_export_alone(
    mode: dict[str, Any], stuck_id: str, simulator: Simulator, run_dag: DagRunner
) -> None:
    """With cancel_on_kill=False the export goes on."""
    assert wait(run_dag, export_id=stuck_id, timeout=0.3, cancel_on_kill=False, **mode).state == "failed"
    assert [export["status"] for export in simulator.ledger()["exports"]] == ["queued"]


def test_execution_timeout_aborts_while_deferred(
    stuck_id: str, simulator: Simulator, run_dag: DagRunner
) -> None:
    """Airflow does not keep this limit across a deferral; the sensor does."""
    run = wait(
        run_dag, export_id=stuck_id, execution_timeout=timedelta(seconds=1), retries=0, deferrable=True
    )
    assert run.states["wait"] == "failed"
    assert "did not end within the task's execution_timeout" in run.log
    assert [export["status"] for export in simulator.ledger()["exports"]] == ["aborted"]


def test_a_deferral_that_no_triggerer_ends_aborts(stuck_id: str, simulator: Simulator) -> None:
    """Where the deferral itself times out, the worker that Airflow starts for it aborts the export."""
    sensor = TalkwalkerExportSensor(task_id="wait", export_id=stuck_id, deferrable=True)
    with pytest.raises(AirflowSensorTimeout):
        sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, {})
    assert [export["status"] for export in simulator.ledger()["exports"]] == ["aborted"]


def finish_when_listed_twice(simulator: Simulator) -> None:
    """Let all exports end when somebody has looked for them in the list again."""
    while simulator.ledger()["counts"].get("GET /api/v3/tasks/export", 0) < 2:
        time.sleep(0.05)
    simulator.settings(queue_seconds=0)


def test_deferring_asks_once_per_interval(stuck_id: str, simulator: Simulator, run_dag: DagRunner) -> None:
    """What has ended is seen by the worker's own look; what has not is waited for by the list."""
    Thread(target=finish_when_listed_twice, args=(simulator,), daemon=True).start()
    wait(run_dag, export_id=stuck_id, deferrable=True)
    counts = simulator.ledger()["counts"]
    assert counts["GET /api/v3/tasks/export/{task_id}"] == 1
    assert counts["GET /api/v3/tasks/export"] >= 2
    wait(run_dag, export_id=stuck_id, deferrable=True)
    assert simulator.ledger()["counts"]["GET /api/v3/tasks/export"] == counts["GET /api/v3/tasks/export"]
