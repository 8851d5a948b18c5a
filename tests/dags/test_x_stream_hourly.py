"""The example DAG of the streams, in a real Airflow, as it is, in simulated time."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pendulum
import pytest

from airflow_provider_twexport.core import timing
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.x.streams.messages import X_EPOCH_MS
from tests.running_dags import dags_in
from tests.transfers.test_x_stream_to_object_storage import landed
from tests.waiting import QUICK
from tests.x.streams.test_client import SimulatedClock, truth

if TYPE_CHECKING:
    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("x_connection")


def seconds(gap: dict[str, str]) -> float:
    """Return how long a gap is."""
    start, stop = (datetime.fromisoformat(gap[edge]) for edge in ("start", "stop"))
    return (stop - start).total_seconds()


def iso(moment_ms: int) -> str:
    """Write the minute of a moment as a report does."""
    return datetime.fromtimestamp(moment_ms // 60_000 * 60, UTC).isoformat(timespec="milliseconds")


def test_an_hour_that_began_late_is_whole_in_the_end(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captured from its middle on, cut, and away for ten minutes: what Backfill cannot bring is recovered.

    In the end each minute holds what there was of it, and nothing is there twice.
    """
    hour = pendulum.now("UTC").start_of("hour")
    simulator.control("time", {"offset_seconds": hour.timestamp() + 1_800 - time.time()})
    simulator.settings(x_connects_per_minute=None, x_stream_per_minute=30)
    first, second = ({"match": {"query": f"partition={one}"}} for one in (1, 2))
    simulator.faults(
        {"fault": "disconnect", "after_seconds": 120, "because": "full_buffer", **first},
        {"fault": "disconnect", "after_seconds": 300, **second},
        {"fault": "error", "http": 503, "message": "no", "times": 7, **second},
    )
    monkeypatch.setattr(timing, "DEFAULT", replace(QUICK, clock=SimulatedClock(simulator, speed=100)))
    monkeypatch.setenv("TWEXPORT_DESTINATION", f"file://{tmp_path}")
    dag = dags_in(ROOT / "dags").dags["x_stream_hourly"]
    run = run_dag(dag, logical_date=hour)
    assert run.state == "success", run.log
    captured, recovered = (
        tmp_path / "x_stream_hourly" / kind / hour.format("[year=]YYYY/[month=]MM/[day=]DD/[hour=]HH")
        for kind in ("capture", "recovered")
    )
    report = manifest.read(captured).report
    assert report is not None
    assert {gap["partition"] for gap in report["gaps"] if gap["reason"] == "started later"} == {1, 2}
    assert next(seconds(gap) for gap in report["gaps"] if gap["reason"] == "operational, then HTTP 503") > 300
    assert "full buffer" in {gap["reason"] for gap in report["gaps"]}
    keys = landed(captured) + landed(recovered)
    assert len(keys) == len(set(keys))
    posts = truth(simulator, hour.timestamp(), hour.timestamp() + 3_540)
    assert set(keys) >= set(posts)
    stored = Counter[str]()
    for landing in (captured, recovered):
        stored.update(
            {at: one["stored"] for at, one in (manifest.read(landing).report or {})["minutes"].items()}
        )
    there = Counter(iso((int(key) >> 22) + X_EPOCH_MS) for key in posts)
    assert len(there) == 59
    assert {at: stored[at] for at in there} == there
