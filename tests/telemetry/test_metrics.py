"""The numbers that a real Airflow sends to a StatsD, over a socket, as its tasks run."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG

from airflow_provider_twexport.core.retry import WireEvent
from airflow_provider_twexport.operators.x_enterprise import XSearchCountsOperator
from airflow_provider_twexport.sensors.talkwalker import TalkwalkerExportSensor
from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export
from airflow_provider_twexport.telemetry import metrics
from airflow_provider_twexport.transfers.x_search_to_object_storage import XSearchToObjectStorageOperator
from airflow_provider_twexport.triggers.talkwalker import TalkwalkerExportTrigger
from tests.collecting_metrics import StatsD, statsd
from tests.triggers.conftest import event

if TYPE_CHECKING:
    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

__all__ = ["statsd"]

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "x_connection", "quick_timing")

JANUARY = {"start": "2024-01-01", "stop": "2024-02-01"}
RESULTS = {"path": "/results$"}


def pipeline(tmp_path: Path, **arguments: Any) -> DAG:
    """Return a pipeline of 500 results."""
    with DAG("counted", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(0)}) as dag:
        talkwalker_export(
            "export",
            object_storage_path=f"file://{tmp_path}/landing",
            limit=500,
            poke_interval=0.2,
            **JANUARY,
            **arguments,
        )
    return dag


def test_a_pipeline_tells_what_it_waited_for_landed_and_paid(
    run_dag: DagRunner, simulator: Simulator, statsd: StatsD, tmp_path: Path
) -> None:
    """Results, bytes, credits, waiting time and requests, each with the task that tells it, and once."""
    simulator.settings(queue_seconds=3)
    # Airflow tells a deferred task its first start, but not in this process, without a supervisor
    run = run_dag(pipeline(tmp_path, deferrable=False))
    assert run.state == "success"
    counts, landed = statsd.counts(), run.results["export.to_object_storage"]
    told = ("landings", "landings.truncated", "results", "bytes", "credits")
    assert [counts[name] for name in told] == [1, 1, 500, landed["bytes"], 500]
    assert counts["read_requests"] == 2
    assert counts["requests"] > counts["read_requests"]
    assert counts.keys() == {*told, "requests", "read_requests"}
    (waited,) = [metric for metric in statsd.came if metric.name == "wait"]
    assert waited.kind == "ms"
    assert waited.value >= 1_000
    assert waited.tags == {
        "dag_id": "counted",
        "task_id": "export.wait_for_export",
        "system": "talkwalker",
        "outcome": "ended",
    }
    assert {metric.tags["system"] for metric in statsd.came} == {"talkwalker"}


def test_throttles_and_retries_are_counted_as_they_happen_also_where_the_task_fails(
    run_dag: DagRunner, simulator: Simulator, statsd: StatsD, tmp_path: Path
) -> None:
    """A retry of the task lands what is left, and the landing is counted once."""
    simulator.faults(
        {"match": RESULTS, "fault": "error", "code": 8},
        *[{"match": RESULTS, "fault": "html", "status": 502}] * 4,
        {"match": RESULTS, "fault": "html", "status": 502},
    )
    run = run_dag(pipeline(tmp_path, on_truncated="warn"))
    assert run.state == "success"
    counts = statsd.counts()
    assert (counts["throttles"], counts["landings"], counts["results"]) == (1, 1, 500)
    assert counts["retries"] >= 5


def test_a_landing_that_was_there_is_not_counted_again(
    run_dag: DagRunner, statsd: StatsD, tmp_path: Path
) -> None:
    """The second run adopts the export, which cost nothing, and lands nothing."""
    dag = pipeline(tmp_path, delete_collector=False)
    assert [run_dag(dag).state, run_dag(dag).state] == ["success", "success"]
    counts = statsd.counts()
    assert (counts["landings"], counts["results"], counts["credits"]) == (1, 500, 500)


def test_a_search_pays_by_the_request(run_dag: DagRunner, statsd: StatsD, tmp_path: Path) -> None:
    """Counting does, too."""
    what = {"query": "coffee", "start": "2024-01-01", "stop": "2024-01-08"}
    with DAG("searching", schedule=None) as dag:
        count = XSearchCountsOperator(task_id="count", **what)
        land = XSearchToObjectStorageOperator(
            task_id="land", object_storage_path=f"file://{tmp_path}/x", **what
        )
        count >> land
    run = run_dag(dag)
    requests = run.results["count"]["requests"] + run.results["land"]["requests"]
    counts = statsd.counts()
    assert counts["credits"] == counts["read_requests"] == requests
    assert counts["results"] == run.results["land"]["results"]
    assert {metric.tags["system"] for metric in statsd.came} == {"x_search"}


def test_a_wait_that_times_out_says_so(
    run_dag: DagRunner, simulator: Simulator, statsd: StatsD, tmp_path: Path
) -> None:
    """With the time it took."""
    simulator.settings(queue_seconds=1_000)
    dag = pipeline(tmp_path, salvage=False)
    sensor = dag.get_task("export.wait_for_export")
    assert isinstance(sensor, TalkwalkerExportSensor)
    sensor.timeout, sensor.retries = 1.0, 0
    run_dag(dag)
    (waited,) = [metric for metric in statsd.came if metric.name == "wait"]
    assert waited.tags["outcome"] == "timeout"


def test_a_triggerer_counts_without_a_task(simulator: Simulator, statsd: StatsD) -> None:
    """It asks for many tasks at once, and in its process Airflow sets up another Stats than in a task's."""
    from airflow.sdk._shared.observability.metrics import stats
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger

    stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
    trigger = TalkwalkerExportTrigger("not-an-export", "talkwalker_default", 0.1, time.time() + 60)
    asyncio.run(event(trigger))
    assert statsd.counts()["requests"] == 2
    assert {tuple(metric.tags.items()) for metric in statsd.came} == {(("system", "talkwalker"),)}


def test_a_broken_collector_of_numbers_fails_no_task(
    run_dag: DagRunner, statsd: StatsD, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results that have landed stay landed."""
    from airflow.sdk.observability.stats import Stats

    def broken(name: str, *args: Any, **kwargs: Any) -> None:
        if name.startswith("twexport."):
            raise OSError("no such collector")

    monkeypatch.setattr(Stats, "incr", broken)
    monkeypatch.setattr(Stats, "timing", broken)
    assert run_dag(pipeline(tmp_path)).state == "success"


def test_the_documents_list_every_metric() -> None:
    """And no other."""
    text = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()
    listed = set(re.findall(r"^\| `twexport\.([a-z_.]+)`", text, re.MULTILINE))
    code = Path(metrics.__file__).read_text()
    names = set(re.findall(r'meter\.count\("([a-z_.]+)"|\.(?:count|time)\("([a-z_.]+)"', code))
    assert listed == {name for pair in names for name in pair if name} | set(WireEvent)
