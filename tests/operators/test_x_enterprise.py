"""Counting posts in a real Airflow."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from airflow.sdk import DAG

from airflow_provider_twexport.operators.x_enterprise import XSearchCountsOperator, XUsageOperator
from airflow_provider_twexport.storage import manifest
from tests.service_clients import JANUARY
from tests.x.search.test_client import failing, truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.running_dags import DagRunner, Run
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("x_connection", "quick_timing")

YEAR = {"start": "2023-02-01", "stop": "2024-02-01"}


def count(run_dag: DagRunner, **arguments: Any) -> Run:
    """Return what became of counting."""
    with DAG("counting", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(0)}) as dag:
        XSearchCountsOperator(
            task_id="count", **{"query": "coffee", "start": "2024-01-01", "stop": "2024-02-01", **arguments}
        )
    return run_dag(dag)


def test_the_total_says_what_a_search_needs(run_dag: DagRunner, simulator: Simulator) -> None:
    """The count of a month costs one request and returns a small result."""
    run = count(run_dag)
    total = len(truth(simulator, "coffee", JANUARY))
    assert run.results["count"] == {
        "total": total,
        "requests": 1,
        "search_requests": total // 500 + 2,
        "start": "2024-01-01T00:00:00Z",
        "stop": "2024-02-01T00:00:00Z",
    }
    assert simulator.ledger()["x"]["billed"] == {"fullarchive counts": 1}


@pytest.mark.parametrize("file_format", ["jsonl.gz", "parquet"])
def test_the_series_lands_and_a_retry_pays_for_no_page_again(
    file_format: str, run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """Each bucket lands once, and the total covers all attempts."""
    simulator.faults({"fault": "lost_answer", "skip": 5})
    place = {"object_storage_path": f"file://{tmp_path}/counts", "file_format": file_format}
    run = count(run_dag, bucket="day", **YEAR, **place)
    assert (run.state, run.tries["count"]) == ("success", 2), run.log
    counted = run.results["count"]
    assert (counted["buckets"], counted["requests"]) == (365, 12)
    assert simulator.ledger()["x"]["billed"] == {"fullarchive counts": 13}
    landed = manifest.read(tmp_path / "counts")
    assert (landed.estimated_total, landed.results) == (counted["total"], 365)
    again = count(run_dag, bucket="day", **YEAR, **place)
    assert again.results["count"] == counted
    assert simulator.ledger()["x"]["billed"] == {"fullarchive counts": 13}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"query": "is:retweet"}, "position 1"),
        ({"start": "2024-01-01T00:30"}, "whole hour"),
        ({"start": None, "stop": None}, "Give the DAG a schedule"),
        ({"max_requests": "3", **YEAR}, "max_requests=3 are used up"),
        ({"max_requests": "few"}, "max_requests='few'"),
    ],
)
def test_what_no_retry_helps_fails_at_once(
    arguments: dict[str, Any], words: str, run_dag: DagRunner, simulator: Simulator
) -> None:
    """The error says what to change."""
    run = count(run_dag, **arguments)
    assert (run.state, run.tries["count"]) == ("failed", 1)
    assert words in run.log
    assert simulator.ledger()["x"]["billed"].get("fullarchive counts", 0) == (3 if "3" in words else 0)


def test_an_account_without_counts_is_an_error(
    run_dag: DagRunner, simulator: Simulator, x_connection: Callable[..., None]
) -> None:
    """The error contains the service's message."""
    x_connection(extra={"account": "demo", "label": "data-only"})
    assert "Stream is not enabled for count requests" in count(run_dag).log


def test_a_refusal_shows_the_services_message(run_dag: DagRunner, simulator: Simulator) -> None:
    """A refusal is not retried."""
    simulator.faults(failing(422, message="There were errors processing your request: missing EOF at ')'"))
    run = count(run_dag)
    assert (run.state, run.tries["count"]) == ("failed", 1)
    assert "missing EOF at" in run.log


def test_a_window_settles_before_it_is_counted(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """Not before then, and counts that were made earlier are not taken for complete ones; nothing is requested."""
    now = pendulum.now("UTC").start_of("hour")
    window = {"start": str(now.subtract(days=1)), "stop": str(now.subtract(hours=2))}
    early = count(run_dag, settle=timedelta(hours=8), **window)
    assert (early.state, early.tries["count"]) == ("failed", 3)
    assert "settles until" in early.log
    assert simulator.ledger()["x"]["billed"] == {}
    place = f"file://{tmp_path}/counts"
    assert count(run_dag, object_storage_path=place, **window).state == "success"
    billed = simulator.ledger()["x"]["billed"]
    moved = tmp_path / "counts" / "_manifest.json"
    late = {"created_at": str(now.subtract(hours=1))}
    moved.write_text(json.dumps(json.loads(moved.read_text()) | late))
    again = count(run_dag, object_storage_path=place, settle=timedelta(hours=1, minutes=30), **window)
    assert (again.state, again.tries["count"]) == ("failed", 1)
    assert "so it lacks what was indexed later. Nothing was requested" in again.log
    assert simulator.ledger()["x"]["billed"] == billed


def usage(run_dag: DagRunner, **arguments: Any) -> Run:
    """Return what became of asking for the usage, after counting."""
    with DAG("using", schedule=None) as dag:
        XUsageOperator(task_id="usage", **arguments)
    return run_dag(dag)


def test_the_usage_is_by_period_product_and_label(run_dag: DagRunner, simulator: Simulator) -> None:
    """A count and a search of today, free to ask for."""
    count(run_dag)
    simulator.advance(86_400)
    now = pendulum.from_timestamp(simulator.control("time")["now"])
    window = {
        "start": now.subtract(days=3).format("YYYY-MM-DDTHH:mm"),
        "stop": now.format("YYYY-MM-DDTHH:mm"),
    }
    run = usage(run_dag, bucket="day", **window)
    assert run.state == "success", run.log
    result = run.results["usage"]
    assert (result["bucket"], result["activities"], result["requests"]) == ("day", 0, 1)
    used = [row for row in result["rows"] if row["requests"]]
    product = "Search API (Full-Archive)"
    day = now.subtract(days=1).format("YYYY-MM-DD")
    assert used == [
        {"period": day, "product": product, "label": label, "activities": 0, "requests": 1}
        for label in (None, "prod")
    ]
    assert simulator.ledger()["x"]["billed"] == {"fullarchive counts": 1}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"bucket": "week"}, "Choose one of day, month"), ({"start": "2024-01-01"}, "Give both, or neither")],
)
def test_a_usage_that_does_not_exist_is_refused(
    arguments: dict[str, Any], words: str, run_dag: DagRunner, simulator: Simulator
) -> None:
    """Before a call."""
    run = usage(run_dag, **arguments)
    assert (run.state, words in run.log) == ("failed", True)
    assert simulator.ledger()["counts"] == {}


@pytest.mark.parametrize(("pool", "state"), [("x_search", "success"), ("default_pool", "failed")])
def test_a_connection_may_name_the_pool_of_its_tasks(
    pool: str,
    state: str,
    run_dag: DagRunner,
    simulator: Simulator,
    x_connection: Callable[..., None],
) -> None:
    """So that several machines keep its limit together: a task in another pool sends no request."""
    x_connection(extra={"account": "demo", "label": "prod", "pool": "x_search"})
    run = count(run_dag, pool=pool)
    assert run.state == state, run.log
    assert ("Give the task pool='x_search'" in run.log) == (state == "failed")
    assert bool(simulator.ledger()["counts"]) == (state == "success")
