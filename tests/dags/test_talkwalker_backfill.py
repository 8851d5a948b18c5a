"""The backfill DAG below its threshold, in a real Airflow; tests/live has what needs approval."""

from __future__ import annotations

import re
import time
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.storage import discovery, ledger
from airflow_provider_twexport.storage.already_landed import read
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.record_identity import identity
from tests.running_dags import dags_in

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]
QUARTER = {"start": "2024-01-01", "stop": "2024-04-01", "split": "month", "approve_above": 1_000_000}

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "quick_timing")


@pytest.fixture(autouse=True)
def _looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWEXPORT_POKE_SECONDS", "0.3")


def backfill() -> DAG:
    """Return the DAG, parsed again: a run in this process leaves its configuration in the DAG."""
    return dags_in(ROOT / "dags").dags["talkwalker_backfill"]


def conf(path: Path, **changes: Any) -> dict[str, Any]:
    """Return what somebody fills into the form."""
    return QUARTER | {"destination": f"file://{path}"} | changes


def landed(path: Path) -> dict[str, int]:
    """Return the results of each landing by the start of its window."""
    return {
        found.source["window"]["start"][:10]: found.results
        for found in discovery.find_landings([path]).manifests.values()
    }


def test_a_quarter_lands_month_by_month_and_once(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """Three months are estimated, bought without an approval, landed and reported; again, nothing is spent."""
    run = run_dag(backfill(), run_conf=conf(tmp_path))
    assert run.state == "success", run.log
    assert run.states["approve"] == "skipped"
    assert list(landed(tmp_path)) == ["2024-01-01", "2024-02-01", "2024-03-01"]
    spent = simulator.ledger()["credits"]["charged_total"]
    results = sum(landed(tmp_path).values())
    assert spent == results + 10
    assert run.results["report"] == {
        "days": 91,
        "landed": 91,
        "truncated": 0,
        "partial": 0,
        "missing": 0,
        "results": results,
    }
    again = run_dag(backfill(), run_conf=conf(tmp_path))
    assert again.state == "success", again.log
    assert again.results["estimate"] == []
    assert simulator.ledger()["credits"]["charged_total"] == spent


def test_what_failed_is_reported_and_bought_by_the_next_run(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """Two of three months would leave too few credits and fail; the report runs and says what is missing."""
    run = run_dag(backfill(), run_conf=conf(tmp_path, min_credits_left=898_000))
    assert (run.state, run.states["report"]) == ("failed", "failed")
    (month,) = landed(tmp_path)
    assert re.search(r"Of 91 days 6[0-2] are missing and 0 have landed in part", run.log)
    again = run_dag(backfill(), run_conf=conf(tmp_path))
    assert again.state == "success", again.log
    bought = [window["map_name"] for window in again.results["estimate"]]
    assert sorted([*bought, month[:7]]) == ["2024-01", "2024-02", "2024-03"]
    # whichever month was first: what lies on both sides of February is counted by two requests
    counted = 3 if month.startswith("2024-02") else 2
    assert simulator.ledger()["credits"]["charged_total"] == sum(landed(tmp_path).values()) + counted * 10


def test_more_windows_than_the_scheduler_can_handle_are_refused(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """A year of hours is refused before anything is spent, and the error says what to do instead."""
    run = run_dag(backfill(), run_conf=conf(tmp_path, stop="2025-01-01", split="hour"))
    assert run.state == "failed"
    assert "8,784 windows need something, and no more than 400 may be mapped at once. Make longer" in run.log
    assert simulator.ledger()["credits"]["charged_total"] == 0


def abort_one(client: TalkwalkerClient) -> None:
    """Abort the first export that is seen to have brought something, as somebody at the service might."""
    while True:
        for task in client.list_exports():
            if task.is_unfinished and task.exported():
                client.abort_export(task.id)
                return
        time.sleep(0.05)


def test_a_window_that_broke_off_lands_in_part_and_is_bought_again_alone(
    run_dag: DagRunner, simulator: Simulator, client: TalkwalkerClient, tmp_path: Path
) -> None:
    """What it had brought is paid for and lands; the next run buys this window completely, and no other."""
    simulator.settings(results_per_second=500)
    somebody = Thread(target=abort_one, args=(client,), daemon=True)
    somebody.start()
    run = run_dag(backfill(), run_conf=conf(tmp_path))
    somebody.join()
    assert (run.state, run.states["report"]) == ("failed", "failed")
    assert re.search(r"Of 91 days 0 are missing and (29|31) have landed in part", run.log)
    (part,) = [
        found for found in discovery.find_landings([tmp_path]).manifests.values() if not found.complete
    ]
    assert part.results > 0
    simulator.settings(results_per_second=None)
    again = run_dag(backfill(), run_conf=conf(tmp_path))
    assert again.state == "success", again.log
    (window,) = again.results["estimate"]
    assert (window["state"], window["collector_id"]) == ("partial", part.source["collector_id"])
    assert all(found.complete for found in discovery.find_landings([tmp_path]).manifests.values())
    spent = simulator.ledger()["credits"]["charged_total"]
    assert spent == sum(landed(tmp_path).values()) + part.results + 10
    entries = ledger.read(tmp_path / "_ledger").exports
    assert sorted(str(entry.state) for entry in entries) == ["landed", "landed", "landed", "partial"]
    assert sum(entry.credits or 0 for entry in entries) == spent - 10


def test_the_dag_of_the_documentation_runs(run_dag: DagRunner, simulator: Simulator, tmp_path: Path) -> None:
    """What docs/backfill.md shows works as it stands, but for the bucket and the range."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "backfill.md").read_text(), re.DOTALL)
    (code,) = (it for it in blocks if "coffee_by_week" in it)
    shorter = code.replace("s3://lake/", f"file://{tmp_path}/").replace(
        'stop="2024-07-01"', 'stop="2024-01-15"'
    )
    (tmp_path / "mapped.py").write_text(shorter)
    bag = dags_in(tmp_path)
    assert not bag.import_errors
    run = run_dag(bag.dags["coffee_by_week"])
    assert run.state == "success", run.log
    assert list(landed(tmp_path)) == ["2024-01-01", "2024-01-08"]


def keys(path: Path) -> list[bytes]:
    """Return the identity of each result in the manifests below a directory."""
    found: list[bytes] = []
    for address in discovery.find_landings([path]).directories.values():
        read(address, lambda records: found.extend(map(identity, records)))
    return found


def test_what_met_the_limit_is_split_and_lands_once(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """A month above the limit lands in part; its short days are bought, and all of it is there exactly once."""
    month = {"stop": "2024-02-01", "limit": 2_500, "on_truncated": "split"}
    run = run_dag(backfill(), run_conf=conf(tmp_path, **month))
    assert run.state == "success", run.log
    assert run.states["approve_remainder"] == "skipped"
    january = pendulum.datetime(2024, 1, 1)
    client = TalkwalkerClient(simulator.token, simulator.url)
    order = ExportOrder(
        Window(january, january.add(months=1)), project_id=simulator.project_id, query='"coffee" AND lang:en'
    )
    client.put_collector("all")
    whole = client.create_export(order, "all")
    truth = len(simulator.documents(whole.id))
    results = keys(tmp_path)
    assert len(results) == len(set(results)) == truth > 2_500
    manifests = list(discovery.find_landings([tmp_path]).manifests.values())
    assert all(found.complete and found.results + found.excluded == found.exported for found in manifests)
    assert run.results["report"] == {
        "days": 31,
        "landed": 31,
        "truncated": 0,
        "partial": 0,
        "missing": 0,
        "results": truth,
    }
    spent = simulator.ledger()["credits"]["charged_total"]
    again = run_dag(backfill(), run_conf=conf(tmp_path, **month))
    assert again.state == "success", again.log
    assert again.results["estimate"] == []
    assert simulator.ledger()["credits"]["charged_total"] == spent


def test_the_budget_of_the_run_holds_for_the_remainder(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """What the first stage spent is gone; the report shows what is short, and another run buys only that."""
    month = {"stop": "2024-02-01", "limit": 2_500, "on_truncated": "split"}
    run = run_dag(backfill(), run_conf=conf(tmp_path, max_credits=2_600, **month))
    assert (run.state, run.states["estimate_remainder"], run.states["report"]) == (
        "failed",
        "failed",
        "failed",
    )
    assert "and max_credits=100. Nothing was bought." in run.log
    assert "Of 31 days 31 are truncated" in run.log
    (before,) = discovery.find_landings([tmp_path]).manifests.values()
    again = run_dag(backfill(), run_conf=conf(tmp_path, max_credits=2_600, **month))
    assert again.state == "success", again.log
    assert again.results["report"]["landed"] == 31
    assert before.missing is not None
    assert again.results["report"]["results"] == before.results + before.missing


def test_a_remainder_above_the_threshold_needs_approval(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """The threshold is that of the whole run: neither price is above it, both together are."""
    month = {"stop": "2024-02-01", "limit": 2_500, "on_truncated": "split", "approve_above": 3_000}
    run = run_dag(backfill(), run_conf=conf(tmp_path, **month), mark_success_pattern="approve_remainder")
    assert run.state == "success", run.log
    assert (run.states["approve"], run.states["approve_remainder"]) == ("skipped", "success")
    assert run.results["report"]["landed"] == 31
