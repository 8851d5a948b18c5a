"""Estimating the price of a range, in a real Airflow, against the simulator."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from airflow.sdk import DAG
from upath import UPath

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.operators.talkwalker import TalkwalkerEstimateExportOperator
from airflow_provider_twexport.operators.talkwalker_coverage import TalkwalkerCheckCoverageOperator
from airflow_provider_twexport.storage.landing import Landing
from airflow_provider_twexport.talkwalker import remainder_of
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.landing import CollectorLanding, source_of
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from tests.waiting import QUICK

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_twexport.storage.manifest import Manifest
    from tests.running_dags import DagRunner, Run
    from tests.simulator_process import Simulator

QUARTER = {"start": "2024-01-01", "stop": "2024-04-01"}
HISTOGRAM = {"path": "/histogram/published$"}

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "quick_timing")


def estimating(**arguments: Any) -> DAG:
    """Return a DAG that estimates a quarter."""
    with DAG("estimating", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(0)}) as dag:
        TalkwalkerEstimateExportOperator(task_id="estimate", **(QUARTER | {"split": "month"} | arguments))
    return dag


def spent(simulator: Simulator) -> int:
    """Return the credits that were charged."""
    return int(simulator.ledger()["credits"]["charged_total"])


def refused(run: Run, simulator: Simulator) -> None:
    """Check that a run failed at once and bought nothing."""
    assert (run.states["estimate"], run.tries["estimate"]) == ("failed", 1)
    assert simulator.ledger()["exports"] == []


def test_returns_each_window_and_its_price(run_dag: DagRunner, simulator: Simulator, tmp_path: Path) -> None:
    """A small dict for each month, and the table with its uncertainty in the log; ten credits and no export."""
    run = run_dag(estimating(object_storage_path=f"file://{tmp_path}"))
    windows = run.results["estimate"]
    assert [window["map_name"] for window in windows] == ["2024-01", "2024-02", "2024-03"]
    first = windows[0]
    assert first["collector_id"].startswith("twx-11111111-2222-4333-8-20240101-20240201-")
    assert first == {
        "start": "2024-01-01T00:00:00Z",
        "stop": "2024-02-01T00:00:00Z",
        "collector_id": first["collector_id"],
        "limit": 1_000_000,
        "if_exists": "adopt",
        "state": "new",
        "expected": first["expected"],
        "credits": first["expected"],
        "map_name": "2024-01",
        "object_storage_path": f"file://{tmp_path}/{first['collector_id']}",
    }
    assert "[2024-01-01T00:00Z, 2024-02-01T00:00Z)  new" in run.log
    assert "exports leave out what Talkwalker may not pass on" in run.log
    assert "Counting has cost 10 credits." in run.log
    assert (spent(simulator), simulator.ledger()["exports"]) == (10, [])
    assert simulator.token not in run.log


def test_windows_land_where_the_layout_says(run_dag: DagRunner, tmp_path: Path) -> None:
    """With partition_by each window has its directory by date."""
    run = run_dag(estimating(object_storage_path=f"file://{tmp_path}", partition_by="month"))
    assert run.results["estimate"][2]["object_storage_path"] == f"file://{tmp_path}/year=2024/month=03"


def test_auto_keeps_every_window_below_the_limit(run_dag: DagRunner) -> None:
    """As few windows as that allows."""
    windows = run_dag(estimating(split="auto", limit="4000")).results["estimate"]
    assert len(windows) > 1
    assert all(window["expected"] < 4_000 for window in windows)


def test_more_windows_than_airflow_maps_are_refused_before_counting(
    run_dag: DagRunner, simulator: Simulator
) -> None:
    """A quarter of hours is more than 1,024; the error says what to do, and nothing was spent."""
    run = run_dag(estimating(split="hour"))
    refused(run, simulator)
    assert "2,184 windows need something, and no more than 1,024 may be mapped at once" in run.log
    assert "Make longer windows" in run.log
    assert "[core] max_map_length" in run.log
    assert spent(simulator) == 0


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("over the budget", {"max_credits": 100}, "and max_credits=100. Nothing was bought."),
    ("below the minimum", {"min_credits_left": "999000"}, "and min_credits_left=999,000 must stay."),
    (
        "empty budget",
        {"max_credits": "{{ '' }}"},
        "max_credits='' is empty, and an empty budget is no budget",
    ),
    ("budget of None", {"min_credits_left": "{{ none }}"}, "min_credits_left='None' is empty"),
    ("too many by volume", {"split": "auto", "limit": 400, "max_windows": 5}, "no more than 5 may be mapped"),
    (
        "no such outcome",
        {"on_truncated": "skip"},
        "on_truncated='skip' is unknown. Choose one of warn, split.",
    ),
    ("no place to look", {"on_truncated": "split"}, "on_truncated='split' needs object_storage_path"),
    (
        "no such split",
        {"split": "fortnight"},
        "split='fortnight' is unknown. Choose one of hour, day, week, month, auto.",
    ),
    ("uncountable", {"split": "auto", "stream_id": "demo-stream"}, "has no histogram of a stream"),
]


@pytest.mark.parametrize(("arguments", "words"), [pytest.param(*case, id=name) for name, *case in REFUSALS])
def test_what_may_not_be_bought_is_refused(
    arguments: dict[str, Any], words: str, run_dag: DagRunner, simulator: Simulator
) -> None:
    """Each in a sentence with its numbers, not retried."""
    run = run_dag(estimating(**arguments))
    refused(run, simulator)
    assert words in run.log


def test_counting_is_not_paid_again_by_a_retry(run_dag: DagRunner, simulator: Simulator) -> None:
    """A response that was lost after the credits were spent is a final error."""
    simulator.faults({"match": HISTOGRAM, "fault": "lost_answer"})
    run = run_dag(estimating())
    refused(run, simulator)
    assert "Clear this task to pay for the count once more." in run.log
    assert spent(simulator) == 10


def test_what_is_free_is_retried(run_dag: DagRunner, simulator: Simulator) -> None:
    """A fault before counting costs nothing, so Airflow tries again."""
    simulator.faults({"match": {"path": "/tasks/export$"}, "fault": "drop", "times": 4})
    run = run_dag(estimating())
    assert (run.state, run.tries["estimate"], spent(simulator)) == ("success", 2, 10)


def test_an_unknown_volume_is_priced_at_the_limit(run_dag: DagRunner, simulator: Simulator) -> None:
    """A stream has no histogram; nothing is spent on counting."""
    run = run_dag(estimating(stream_id="demo-stream", limit=700))
    assert [(it["expected"], it["credits"]) for it in run.results["estimate"]] == [(None, 700)] * 3
    assert spent(simulator) == 0


def test_nothing_landed_is_an_error(run_dag: DagRunner, tmp_path: Path) -> None:
    """A report on an empty directory fails and names it."""
    with DAG("reporting", schedule=None) as dag:
        TalkwalkerCheckCoverageOperator(
            task_id="report", object_storage_path=f"file://{tmp_path}/no", **QUARTER
        )
    run = run_dag(dag)
    assert run.states["report"] == "failed"
    assert f"has landed below file://{tmp_path}/no" in run.log


def land_truncated(
    simulator: Simulator, root: Path, limit: int, **scope: Any
) -> tuple[ExportOrder, Manifest]:
    """Buy and land January up to a limit, as the pipeline does."""
    january = pendulum.datetime(2024, 1, 1)
    given = scope or {"project_id": simulator.project_id}
    order = ExportOrder(Window(january, january.add(months=1)), limit=limit, **given)
    client, name = TalkwalkerClient(simulator.token, simulator.url, QUICK), collector_id_of(order)
    client.put_collector(name)
    task = client.create_export(order, name)
    source = source_of(name, task.id, order.to_json())
    with Landing.open(root / name, source=source) as landing:
        return order, CollectorLanding(client, name, client.get_export(task.id), limit).land(landing)


def test_the_remainder_of_a_truncated_landing_is_planned(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """It has only the short days; each window names its landings, and the price says what is paid again."""
    order, landed = land_truncated(simulator, tmp_path, 2_500)
    arguments = {
        "object_storage_path": f"file://{tmp_path}/",
        "limit": 2_500,
        "stop": "2024-02-01",
        "split": "auto",
    }
    assert run_dag(estimating(**arguments)).results["estimate"] == []
    before = spent(simulator)
    run = run_dag(estimating(on_truncated="split", partition_by="month", **arguments))
    windows = run.results["estimate"]
    assert spent(simulator) == before + 10
    assert landed.missing is not None
    credits = sum(window["credits"] for window in windows)
    assert landed.missing <= credits < landed.missing + 2_500
    for window in windows:
        assert window["object_storage_path"] == f"file://{tmp_path}/{window['collector_id']}"
        recorded = remainder_of.read(UPath(window["object_storage_path"]))
        assert recorded is not None
        assert recorded.collector_ids == (collector_id_of(order),)
        assert recorded.paths == (f"file://{tmp_path}/{collector_id_of(order)}",)
        assert recorded.windows == len(windows)
    assert f"{len(windows)} marked +: the remainder of exports that landed truncated." in run.log
    assert f"About {credits - landed.missing:,} credits of it pay again" in run.log


def test_the_remainder_of_a_stream_is_two_halves(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """It cannot be counted: each half is priced at the limit, and nothing is spent."""
    land_truncated(simulator, tmp_path, 700, stream_id=simulator.stream_id)
    before = spent(simulator)
    run = run_dag(
        estimating(
            object_storage_path=f"file://{tmp_path}",
            limit=700,
            stop="2024-02-01",
            stream_id=simulator.stream_id,
            on_truncated="split",
        )
    )
    found = [(it["map_name"], it["expected"], it["credits"]) for it in run.results["estimate"]]
    assert found == [
        ("2024-01-01 to 2024-01-16T12:00", None, 700),
        ("2024-01-16T12:00 to 2024-02-01", None, 700),
    ]
    assert "Of 2 windows the volume is unknown" in run.log
    assert spent(simulator) == before


def test_counting_a_remainder_is_not_paid_again_by_a_retry(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """No more than counting anything else."""
    land_truncated(simulator, tmp_path, 2_500)
    before = spent(simulator)
    simulator.faults({"match": HISTOGRAM, "fault": "lost_answer"})
    root = f"file://{tmp_path}"
    run = run_dag(estimating(object_storage_path=root, limit=2_500, stop="2024-02-01", on_truncated="split"))
    assert (run.states["estimate"], run.tries["estimate"]) == ("failed", 1)
    assert "Clear this task to pay for the count once more." in run.log
    assert spent(simulator) == before + 10
