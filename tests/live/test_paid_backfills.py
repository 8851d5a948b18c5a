"""Ranges of the past in a real Airflow: a person decides about the price, and nothing is ever bought twice."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.storage import manifest
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from demo.api import AirflowApi, Json
    from tests.live.pipeline import Live

pytestmark = pytest.mark.live

DAG_ID = "talkwalker_backfill"
RANGES = {"approved": ("2022-01-01", "2022-04-01"), "rejected": ("2022-07-01", "2022-10-01")}
MAY, JUNE = datetime(2022, 5, 1, tzinfo=UTC), datetime(2022, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def asked(live: Live) -> dict[str, Json]:
    """Trigger a run for each range, above the threshold, and return what each asks a person."""
    live.talkwalker.settings(queue_seconds=0)
    api = live.stack.api
    api.wait_for_dag(DAG_ID)
    api.unpause(DAG_ID)
    for name, (start, stop) in RANGES.items():
        form = {"start": start, "stop": stop, "split": "month", "approve_above": 1_000, "max_credits": 50_000}
        api.trigger(DAG_ID, run_id=name, conf=form)
    return {name: question(api, name) for name in RANGES}


def question(api: AirflowApi, run_id: str) -> Json:
    """Return what a run asks, as soon as it waits for the answer."""
    api.wait_for_task(DAG_ID, run_id, "approve", ["awaiting_input", "deferred"], PATIENCE)
    found: Json = wait_until(lambda: api.question(DAG_ID, run_id, "approve"))
    return found


def decide(live: Live, run_id: str, option: str) -> str:
    """Answer when the run asks, and return how it ended.

    As late as a person does: Airflow 3.3.2 fails a task, and all its tries, that is answered before the scheduler has
    heard from the executor that the worker is done with asking.
    """
    api = live.stack.api
    heard = f"TaskInstance Finished: dag_id={DAG_ID}, task_id=approve, run_id={run_id},"
    wait_until(lambda: heard in live.stack.log_of("scheduler").read_text())
    api.answer(DAG_ID, run_id, "approve", option)
    return str(api.wait_for_run(DAG_ID, run_id, PATIENCE)["state"])


def bought(live: Live, days: tuple[str, str]) -> list[dict[str, Any]]:
    """Return the exports that were ordered of a range, as the ledger has them."""
    first, last = (day.replace("-", "")[:6] for day in days)
    exports = live.talkwalker.ledger()["exports"]
    return [each for each in exports if first <= str(each["target"]).split("-")[-3][:6] < last]


def test_a_price_above_the_threshold_waits_for_a_person(asked: dict[str, Json], live: Live) -> None:
    """The question tells price, balance and windows; until it is answered nothing is bought."""
    for name, days in RANGES.items():
        plan = live.stack.api.xcom(DAG_ID, name, "estimate", "plan")
        assert f"**{plan['credits']:,} credits** for 3 windows" in asked[name]["body"]
        rows = [line for line in asked[name]["body"].splitlines() if line.startswith("| 20")]
        assert [row.split(" ")[1] for row in rows] == [window["start"] for window in plan["windows"]]
        assert all(f"{window['credits']:,}" in row for window, row in zip(plan["windows"], rows, strict=True))
        assert asked[name]["options"] == ["Approve", "Reject"]
        assert bought(live, days) == []


def test_an_approved_price_is_paid_once_and_everything_lands(
    asked: dict[str, Json], live: Live, landing: Path
) -> None:
    """Each month is one export, whole in its directory; the mapped tasks are called by their month."""
    api = live.stack.api
    assert decide(live, "approved", "Approve") == "success"
    exports = {each["target"]: each for each in bought(live, RANGES["approved"])}
    assert len(exports) == len(bought(live, RANGES["approved"])) == 3
    for target, export in exports.items():
        directory = landing / DAG_ID / target
        assert manifest.verify(directory) == []
        assert manifest.read(directory).results == export["charged"] > 0
    plan, report = (
        api.xcom(DAG_ID, "approved", "estimate", "plan"),
        api.xcom(DAG_ID, "approved", "report"),
    )
    assert report["landed"] == report["days"] == 90
    assert report["results"] == plan["credits"] == sum(each["charged"] for each in exports.values())
    names = Counter(task["rendered_map_index"] for task in api.tasks(DAG_ID, "approved"))
    assert {name: names[name] for name in ("2022-01-01", "2022-02-01", "2022-03-01")} == dict.fromkeys(
        ("2022-01-01", "2022-02-01", "2022-03-01"), 6
    )


def test_a_rejected_price_buys_nothing(asked: dict[str, Json], live: Live, landing: Path) -> None:
    """The run ends with everything after the question skipped."""
    api = live.stack.api
    assert decide(live, "rejected", "Reject") == "success"
    states = {task["task_id"]: task["state"] for task in api.tasks(DAG_ID, "rejected")}
    after = {task: state for task, state in states.items() if task.startswith(("buy", "window", "report"))}
    assert set(after.values()) == {"skipped"}
    assert bought(live, RANGES["rejected"]) == []


def test_a_backfill_in_either_direction_and_again_buys_each_month_once(live: Live) -> None:
    """Forwards, then the same months again from the last to the first: what is there is found, not ordered."""
    live.talkwalker.settings(queue_seconds=0)
    api, dag_id = live.stack.api, "talkwalker_export"
    api.wait_for_dag(dag_id)
    api.unpause(dag_id)
    backfill(api, dag_id)
    once = exports_of_spring(live)
    assert len(once) == 2
    backfill(api, dag_id, reprocess="completed", backwards=True)
    assert {run["run_type"] for run in spring(api, dag_id)} == {"backfill"}
    assert [
        api.xcom(dag_id, run["dag_run_id"], "export.create_export")["adopted"] for run in spring(api, dag_id)
    ] == [
        True,
        True,
    ]
    assert exports_of_spring(live) == once


def exports_of_spring(live: Live) -> list[dict[str, Any]]:
    """Return what the ledger has of May and June."""
    return bought(live, ("2022-05-01", "2022-07-01"))


def spring(api: AirflowApi, dag_id: str) -> list[Json]:
    """Return the runs of May and June."""
    wanted = {"2022-05", "2022-06"}
    return [run for run in api.runs(dag_id) if str(run["data_interval_start"])[:7] in wanted]


def backfill(api: AirflowApi, dag_id: str, **how: Any) -> None:
    """Order a backfill of May and June and wait for its end."""
    api.end_backfills(dag_id)
    before = {run["dag_run_id"]: run["start_date"] for run in spring(api, dag_id)}
    api.backfill(dag_id, MAY, JUNE, **how)

    def ended() -> bool:
        runs = spring(api, dag_id)
        started = [run for run in runs if run["start_date"] != before.get(run["dag_run_id"])]
        return len(started) == 2 and all(run["state"] in ("success", "failed") for run in started)

    wait_until(ended)
    assert {run["state"] for run in spring(api, dag_id)} == {"success"}
