"""The whole job in a real Airflow: nothing waits on a worker, nothing is paid twice, everything lands once.

Talkwalker holds all exports in its queue at first, and all runs start together: the first half of the tests finds
them waiting and disturbs some. Then Talkwalker lets go, and the second half looks at what came of them. So the tests
belong together and run in this order; a single one may miss what another does to its run.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_twexport.core.timing import Timing
from demo.months import last_full_months
from tests.live.database import tables_with, trigger_arguments
from tests.live.pipeline import Run, checkpoint, files_with, kill_task, kill_with_worker
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.pipeline import Live
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.live

Runs = dict[str, Run]

MONTHS = last_full_months(3, datetime.now(UTC))
WINDOWS = {
    name: (f"2023-{month:02}-01", f"2023-{month:02}-11")
    for month, name in enumerate(
        (
            "failed",
            "cleared",
            "restarted",
            "task-killed",
            "worker-killed",
            "poked",
            "timeout",
            "execution_timeout",
        ),
        1,
    )
}
KILLED = {"worker-killed": kill_with_worker, "task-killed": kill_task}
TWINS = ("live_twin", "live_copy")
ABORTED = {"failed", "cleared", "poked", "timeout", "execution_timeout"}
MISTREATED = ("2023-11-01", "2023-11-11")


@pytest.fixture(scope="module")
def started(live: Live) -> Runs:
    """Start all runs at once, and order what shall happen to some."""
    live.talkwalker.faults(*faults(live.talkwalker))
    streams = {"hung": "demo-stream", "unheard": "demo-stream-2"}
    runs = {
        name: live.start("live_export", name, MISTREATED, stream_id=stream)
        for name, stream in streams.items()
    }
    runs["lost"] = live.start("live_export", "lost", MISTREATED, project_id=live.talkwalker.other_project_id)
    runs |= {dag_id: live.start(dag_id, "twin", MISTREATED, query="twin") for dag_id in TWINS}
    own_dag = {"poked": "live_poke", "timeout": "live_timeout", "execution_timeout": "live_execution_timeout"}
    runs |= {name: live.start(own_dag.get(name, "live_export"), name, days) for name, days in WINDOWS.items()}
    return runs | backfill(live)


def faults(talkwalker: Simulator) -> list[dict[str, Any]]:
    """Return the trouble that orders meet, one scope each, and slow reads for those who are killed while reading."""

    def post(scope: str) -> dict[str, str]:
        return {"method": "POST", "path": f"/{scope}/export$"}

    def read(name: str) -> dict[str, str]:
        return {"path": f"-{WINDOWS[name][0].replace('-', '')}-.*/results$"}

    return [
        {"fault": "hang", "match": post("s/demo-stream")},
        {"fault": "slow", "match": post("s/demo-stream-2"), "bytes_per_second": 1},
        {"fault": "lost_answer", "match": post(f"p/{talkwalker.other_project_id}")},
        # long enough for the second of the twins to look while the first one orders
        {"fault": "delay", "match": post("stream"), "seconds": 10, "times": 2},
        *({"fault": "slow", "match": read(name), "bytes_per_second": 80_000} for name in KILLED),
    ]


def backfill(live: Live) -> Runs:
    """Order a backfill of the example DAG, and return its runs by month."""
    api = live.stack.api
    api.wait_for_dag("talkwalker_export")
    api.backfill("talkwalker_export", MONTHS[0].start, MONTHS[-1].start)
    api.unpause("talkwalker_export")
    found = wait_until(lambda: (runs := api.runs("talkwalker_export"))[2:] and runs)
    return {
        run["data_interval_start"][:7]: Run(live, "talkwalker_export", run["dag_run_id"]) for run in found
    }


@pytest.fixture(scope="module")
def waiting(started: Runs) -> Runs:
    """Return the runs that nobody disturbs before they wait, each of them waiting."""
    apart = {"hung", "unheard", "poked", "timeout", "execution_timeout"}
    runs = {name: run for name, run in started.items() if name not in apart}
    for run in runs.values():
        run.wait_for("wait_for_export", "deferred")
    return runs


@pytest.fixture(scope="module")
def released(started: Runs, waiting: Runs, live: Live, landing: Path) -> Runs:
    """Return all runs after Talkwalker has let go, some of them killed while they read."""
    live.talkwalker.settings(queue_seconds=0)
    for name, kill in KILLED.items():
        wait_until(lambda name=name: checkpoint(landing / "live_export" / name))
        kill(started[name].process("to_object_storage"))
    return started


# while Talkwalker holds its exports


@pytest.mark.parametrize("name", ["hung", "unheard"])
def test_a_task_killed_while_it_orders_orders_once(started: Runs, live: Live, name: str) -> None:
    """A crash while the order is under way, be it before or after Talkwalker took it, ends with one export."""
    fault = {"hung": "hang", "unheard": "slow"}[name]
    wait_until(lambda: fault in [each.get("fault") for each in orders(live)])
    started[name].process("create_export").kill()
    if name == "hung":
        # nobody can see whether it was ordered: the retry waits until the lock of the dead process has expired
        live.talkwalker.advance(Timing().lock_dead)
    started[name].wait_for("wait_for_export", "deferred")
    assert started[name].task("create_export")["try_number"] == 2
    assert started[name].xcom("create_export")["adopted"] == (name == "unheard")
    assert started[name].export["status"] == "queued"


def orders(live: Live) -> list[dict[str, Any]]:
    """Return the requests that ordered an export."""
    return [each for each in live.talkwalker.ledger()["requests"] if each["method"] == "POST"]


def test_a_lost_answer_orders_once(waiting: Runs) -> None:
    """An order whose answer was lost is found again, not repeated."""
    assert waiting["lost"].task("create_export")["try_number"] == 1
    assert waiting["lost"].export["id"] == waiting["lost"].export_id


def test_two_dags_with_one_window_share_one_export(waiting: Runs) -> None:
    """Two DAGs that order the same at the same moment wait for one export; a twin is aborted before it costs."""
    one, other = (waiting[dag_id] for dag_id in TWINS)
    assert one.collector_id == other.collector_id
    assert one.export_id == other.export_id
    assert [export["charged"] for export in one.exports if export["status"] == "aborted"] in ([], [0])
    assert [export["status"] for export in one.exports if export["status"] != "aborted"] == ["queued"]


def test_waiting_holds_no_worker(waiting: Runs) -> None:
    """While an export is waited for, no process of the executor is."""
    wait_until(lambda: not any(run.holds_worker("wait_for_export") for run in waiting.values()))


def test_the_link_is_there_while_the_export_is_waited_for(waiting: Runs) -> None:
    """The buttons of create_export lead to the export, from the beginning and without the token."""
    run = waiting["restarted"]
    links = run.live.stack.api.links(run.dag_id, run.run_id, "export.create_export")
    address = f"{run.live.talkwalker.url}/api/v3/tasks/export/{run.export['id']}"
    page = f"plugin/exports?export_id={run.export['id']}"
    console = "https://app.talkwalker.com/app/login"
    assert links == {"Talkwalker export": address, "Exports page": page, "Talkwalker": console}
    links = run.live.stack.api.links(run.dag_id, run.run_id, "export.wait_for_export")
    assert links == {"Exports page": page, "Talkwalker": console}


def test_the_triggerer_is_told_no_secret(waiting: Runs, live: Live) -> None:
    """What the database keeps for the triggerer names the connection and not the token."""
    kept = trigger_arguments(live.stack)
    assert len(kept) >= len(waiting)
    assert "talkwalker_default" in kept[0]
    assert not [text for text in kept if live.talkwalker.token in text]


def test_a_sensor_marked_failed_aborts_its_export(waiting: Runs) -> None:
    """Marking a deferred wait failed aborts the export at Talkwalker."""
    waiting["failed"].mark("wait_for_export", "failed")
    wait_until(lambda: waiting["failed"].export["status"] == "aborted")
    assert waiting["failed"].wait_for_end() == "failed"


def test_a_cleared_sensor_aborts_its_export(waiting: Runs) -> None:
    """Clearing a deferred wait aborts the export; the next try says so and fails."""
    waiting["cleared"].clear("wait_for_export")
    wait_until(lambda: waiting["cleared"].export["status"] == "aborted")
    assert waiting["cleared"].wait_for_end() == "failed"
    assert waiting["cleared"].task("to_object_storage")["state"] == "upstream_failed"


def test_a_poking_sensor_marked_failed_aborts_its_export(started: Runs) -> None:
    """A wait that holds a worker aborts its export in the seconds that Airflow leaves it."""
    run = started["poked"]
    run.wait_for("wait_for_export", "running")
    wait_until(lambda: "is queued" in run.log("wait_for_export"))
    run.mark("wait_for_export", "failed")
    wait_until(lambda: run.export["status"] == "aborted", timeout=10)


@pytest.mark.parametrize("limit", ["timeout", "execution_timeout"])
def test_a_wait_that_takes_too_long_aborts_its_export(started: Runs, limit: str) -> None:
    """A deferred wait that exceeds a limit of its task fails and aborts the export."""
    run = started[limit]
    assert run.wait_for_end() == "failed"
    assert run.export["status"] == "aborted"
    assert f"did not end within the task's {limit}." in run.log("wait_for_export")


def test_a_restarted_triggerer_aborts_nothing(waiting: Runs, live: Live) -> None:
    """A triggerer that ends and comes back goes on waiting for the same exports."""
    alive = [name for name in waiting if name not in ("failed", "cleared")]
    since = len(looks(live))
    live.stack.restart("triggerer")
    wait_until(lambda: len(looks(live)) > since + 1)
    assert {waiting[name].task("wait_for_export")["state"] for name in alive} == {"deferred"}
    bought = [
        export
        for name in alive
        for export in waiting[name].exports
        if export["id"] == waiting[name].export_id
    ]
    assert {export["status"] for export in bought} == {"queued"}


def looks(live: Live) -> list[dict[str, Any]]:
    """Return the requests that asked for the state of all exports."""
    return [each for each in live.talkwalker.ledger()["requests"] if each["path"] == "/api/v3/tasks/export"]


# after Talkwalker has let go


@pytest.mark.parametrize("month", [str(month) for month in MONTHS])
def test_a_backfill_lands_each_month(released: Runs, month: str) -> None:
    """A backfill of three months ends with three complete months, each waited for in the triggerer."""
    assert released[month].wait_for_end() == "success"
    released[month].check_landed_once()
    assert released[month].directory.name == f"{month}-01"


@pytest.mark.parametrize("name", ["restarted", "hung", "unheard", "lost"])
def test_a_disturbed_run_lands_once(released: Runs, name: str) -> None:
    """A run that lost its triggerer, its task or an answer lands everything once, for one charge."""
    assert released[name].wait_for_end() == "success"
    released[name].check_landed_once()


def test_two_dags_with_one_window_land_the_same(released: Runs) -> None:
    """Each of two DAGs that share an export lands all of it, and it is charged once."""
    for name in TWINS:
        assert released[name].wait_for_end() == "success"
        released[name].check_landed_once()


@pytest.mark.parametrize(
    "cleared",
    [
        ["create_export"],
        ["create_collector", "create_export", "wait_for_export", "to_object_storage", "delete_collector"],
    ],
    ids=["create_export", "whole run"],
)
def test_a_cleared_run_buys_nothing(released: Runs, live: Live, cleared: list[str]) -> None:
    """Clearing finished tasks runs them again, to the same results, without another order or charge."""
    run = released["restarted"]
    assert run.wait_for_end() == "success"
    before, results, tries = spent(live), files(run), run.task("create_export")["try_number"]
    run.clear(*cleared, downstream=len(cleared) > 1)
    wait_until(lambda: run.task("create_export")["try_number"] > tries)
    assert run.wait_for_end() == "success"
    assert run.xcom("create_export")["adopted"]
    assert (spent(live), files(run)) == (before, results)
    run.check_landed_once()


def spent(live: Live) -> tuple[int, int]:
    """Return how many exports were ordered, and how many credits they cost."""
    ledger = live.talkwalker.ledger()
    return len(ledger["exports"]), ledger["credits"]["charged_total"]


def files(run: Run) -> dict[str, tuple[int, bytes]]:
    """Return the files of a landing: when each was written, and what it holds."""
    return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in run.directory.iterdir()}


@pytest.mark.parametrize("name", KILLED)
def test_a_killed_transfer_goes_on_from_its_checkpoint(released: Runs, name: str) -> None:
    """A transfer that is killed, alone or with its worker, keeps what it landed, and a retry lands the rest once."""
    run = released[name]
    assert run.wait_for_end() == "success"
    run.check_landed_once()
    retry = run.task("to_object_storage")
    parts = sorted(run.directory.glob("part-*"))
    assert retry["try_number"] == 2
    assert (
        parts[0].stat().st_mtime
        < datetime.fromisoformat(retry["start_date"]).timestamp()
        < parts[-1].stat().st_mtime
    )


def test_every_credit_bought_a_result_that_landed(released: Runs, live: Live) -> None:
    """After all this, what was charged is what landed: no result was paid twice or lost."""
    ends = {name: run.wait_for_end() for name, run in released.items()}
    assert {name for name, end in ends.items() if end != "success"} == ABORTED
    done = [run for name, run in released.items() if name not in ABORTED]
    landed = {run.export_id: run.xcom("to_object_storage")["results"] for run in done}
    assert live.talkwalker.ledger()["credits"]["charged_total"] == sum(landed.values()) > 0


# what people see, and what nobody may see


def test_the_connection_form_is_complete(live: Live) -> None:
    """The form asks for address, token and project, in words of Talkwalker."""
    known = requests.get(f"{live.stack.url}/ui/connections/hook_meta", timeout=30).json()
    (form,) = [each for each in known if each["connection_type"] == "talkwalker"]
    fields = form["standard_fields"]
    assert form["hook_name"] == "Talkwalker"
    assert fields["password"]["title"] == "Access token"
    assert fields["host"]["title"] == "API address"
    assert {name for name, field in fields.items() if field and field["hidden"]} == {"url_schema", "login"}
    assert form["extra_fields"]["project_id"]["schema"]["title"] == "Project ID"


@pytest.mark.parametrize(("token", "status"), [("demo-token-read-write", True), ("wrong-token", False)])
def test_the_connection_test_tells_what_works(live: Live, token: str, status: bool) -> None:
    """The button of the form answers with account, rights, credits and projects, or with what is wrong."""
    extra = json.dumps({"project_id": live.talkwalker.project_id})
    connection = {
        "connection_id": "tested",
        "conn_type": "talkwalker",
        "host": live.talkwalker.url,
        "extra": extra,
    }
    answer = requests.post(
        f"{live.stack.url}/api/v2/connections/test", json=connection | {"password": token}, timeout=30
    ).json()
    assert answer["status"] is status
    told = (
        ["Demo account", "read and write", "Credits left: ", live.talkwalker.project_id]
        if status
        else ["token"]
    )
    assert [words for words in told if words not in answer["message"]] == []
    assert token not in answer["message"]


def test_the_token_is_written_nowhere(released: Runs, live: Live, landing: Path) -> None:
    """No file, log or database row of Airflow's holds the token, though it logs all it can and Talkwalker echoes it."""
    token, export_id = live.talkwalker.token, released["lost"].export_id
    assert {"xcom", "rendered_task_instance_fields"} <= tables_with(live.stack, export_id).keys()
    assert files_with(live.stack.home, export_id) != []
    assert tables_with(live.stack, token) == {}
    assert files_with(live.stack.home, token) == []
    assert files_with(landing, token) == []
