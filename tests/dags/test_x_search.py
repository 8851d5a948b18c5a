"""The example DAGs of X search, in a real Airflow, as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pendulum
import pytest

from airflow_provider_twexport.storage import discovery
from tests.running_dags import dags_in

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]
QUARTER = {"start": "2024-01-01", "stop": "2024-04-01"}
DAY_AFTER = pendulum.datetime(2024, 1, 6)

pytestmark = pytest.mark.usefixtures("x_connection", "quick_timing")


def example(dag_id: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> DAG:
    """Return a DAG, parsed anew, that lands below a directory."""
    monkeypatch.setenv("TWEXPORT_DESTINATION", f"file://{path}")
    return dags_in(ROOT / "dags").dags[dag_id]


def landed(path: Path) -> dict[str, int]:
    """Return the posts of each landing by its directory."""
    found = discovery.find_landings([path]).manifests
    return {Path(name).parent.name: manifest.results for name, manifest in found.items()}


def test_a_day_is_counted_and_landed(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests for a quiet day; run again, the landing is left as it is."""
    dag = example("x_search_daily", tmp_path, monkeypatch)
    run = run_dag(dag, logical_date=DAY_AFTER)
    assert run.state == "success", run.log
    assert landed(tmp_path) == {"day=05": run.results["count"]["total"]}
    assert simulator.ledger()["x"]["billed"] == {"fullarchive counts": 1, "fullarchive data": 1}
    run_dag(dag, logical_date=DAY_AFTER)
    assert simulator.ledger()["x"]["billed"]["fullarchive data"] == 1


def test_a_day_beyond_the_budget_is_not_searched(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The count is all that is paid for."""
    simulator.settings(x_posts_per_day=1_000_000)
    dag = example("x_search_daily", tmp_path, monkeypatch)
    run = run_dag(dag, logical_date=DAY_AFTER)
    assert (run.state, run.states["affordable"], run.states["land"]) == (
        "failed",
        "failed",
        "upstream_failed",
    )
    assert simulator.ledger()["x"]["billed"] == {"fullarchive counts": 1}


def test_a_quarter_lands_month_by_month_and_once(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All posts that were counted; again, nothing is spent."""
    dag = example("x_search_backfill", tmp_path, monkeypatch)
    run = run_dag(dag, run_conf=QUARTER)
    assert run.state == "success", run.log
    months = {name: posts for name, posts in landed(tmp_path).items() if name.startswith("month=")}
    assert list(months) == ["month=01", "month=02", "month=03"]
    assert sum(months.values()) == run.results["count"]["total"]
    billed = simulator.ledger()["x"]["billed"]
    again = run_dag(example("x_search_backfill", tmp_path, monkeypatch), run_conf=QUARTER)
    assert again.state == "success", again.log
    assert simulator.ledger()["x"]["billed"] == billed
