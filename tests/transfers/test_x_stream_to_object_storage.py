"""A bounded time of a stream lands, each message once, and the manifest tells what is missing."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from airflow.sdk import DAG

from airflow_provider_twexport.core import timing
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.formats import FORMATS
from airflow_provider_twexport.transfers.x_stream_to_object_storage import XStreamToObjectStorageOperator
from airflow_provider_twexport.x.streams.messages import message_key
from tests.simulator_process import ROOT
from tests.waiting import QUICK, wait_until
from tests.x.streams.test_client import SimulatedClock, truth

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_dags import DagRunner, Run
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("x_connection")


@pytest.fixture
def clock(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> SimulatedClock:
    """Twenty simulated seconds in a real one, from the begin of the task on."""
    simulator.settings(x_connects_per_minute=None)
    clock = SimulatedClock(simulator, speed=20)
    monkeypatch.setattr(timing, "DEFAULT", replace(QUICK, clock=clock))
    return clock


def land(run_dag: DagRunner, path: Path, **arguments: Any) -> Run:
    """Return what became of a capture."""
    with DAG("capturing", schedule=None) as dag:
        XStreamToObjectStorageOperator(task_id="land", object_storage_path=f"file://{path}", **arguments)
    return run_dag(dag)


def landed(path: Path) -> list[str]:
    """Return what identifies the messages that a reader of the manifest sees."""
    assert list(manifest.verify(path)) == []
    found, keys = manifest.read(path), []
    for part in found.parts:
        with (path / part.name).open("rb") as file:
            for lines in FORMATS[found.file_format].decode(file):
                keys += [message_key(one).decode() for one in lines]
    return keys


def iso(moment: float) -> str:
    """Write epoch seconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat()


def test_a_stream_cut_50_times_in_10_minutes_lands_every_post_once(
    run_dag: DagRunner, simulator: Simulator, clock: SimulatedClock, tmp_path: Path
) -> None:
    """Both partitions; what was received and stored is told for each minute."""
    simulator.settings(x_disconnect_every_seconds=9)
    start = clock.stop()
    run = land(run_dag, tmp_path, start=iso(start), duration=timedelta(minutes=10))
    assert run.state == "success", run.log
    keys, report = landed(tmp_path), manifest.read(tmp_path).report
    assert len(keys) == len(set(keys))
    assert set(keys) >= set(truth(simulator, start, start + 590))
    assert report is not None
    # only the last cut may have come too late to connect again
    assert all(datetime.fromisoformat(gap["start"]).timestamp() > start + 590 for gap in report["gaps"])
    cuts = [sum(partition["disconnected"].values()) for partition in report["partitions"].values()]
    assert sum(cuts) >= 50
    minutes = report["minutes"].values()
    assert min(one["stored"] for one in minutes) > 0
    assert sum(one["received"] for one in minutes) > sum(one["stored"] for one in minutes) == len(keys)
    assert run.results["land"]["parts"] >= 4


def test_a_task_that_failed_goes_on_where_it_was(
    run_dag: DagRunner, simulator: Simulator, clock: SimulatedClock, tmp_path: Path
) -> None:
    """What came is kept, and Backfill brings what was missed meanwhile."""
    start, stop = clock.stop(), clock.stop() + 240
    what = {"start": iso(start), "stop": iso(stop)}
    simulator.faults({"fault": "disconnect", "after_seconds": 60})
    simulator.faults({"fault": "error", "http": 401, "message": "Unauthorized", "skip": 1})
    run = land(run_dag, tmp_path, **what)
    assert (run.state, "refuses the login" in run.log) == ("failed", True)
    assert simulator.x_password not in run.log
    assert not (tmp_path / "_manifest.json").exists()
    clock.stop()
    run = land(run_dag, tmp_path, **what)
    assert run.state == "success", run.log
    keys = landed(tmp_path)
    assert len(keys) == len(set(keys))
    assert set(keys) >= set(truth(simulator, start, stop - 10))
    assert run.results["land"]["gaps"] == 0
    assert land(run_dag, tmp_path, **what).results["land"] == run.results["land"]


def test_a_hole_shows(
    run_dag: DagRunner, simulator: Simulator, clock: SimulatedClock, tmp_path: Path
) -> None:
    """As a gap, and as minutes in which nothing came."""
    now = clock.stop()
    start = now - 1_200
    run = land(run_dag, tmp_path, start=iso(start), stop=iso(now + 60), partitions=[2])
    assert run.results["land"]["gaps"] == 1
    report = manifest.read(tmp_path).report
    assert report is not None
    (gap,) = report["gaps"]
    assert gap["start"][:19] == iso(start)[:19]
    assert min(report["minutes"]) > gap["stop"][:16]


def test_likes_and_unlikes_have_their_columns(
    run_dag: DagRunner, clock: SimulatedClock, tmp_path: Path
) -> None:
    """Exactly as many as are wanted."""
    run = land(run_dag, tmp_path, stream="likes", max_results="100", file_format="parquet")
    assert run.state == "success", run.log
    assert run.results["land"]["results"] == 100
    rows = [row for part in sorted(tmp_path.glob("*.parquet")) for row in pq.read_table(part).to_pylist()]
    likes = [row for row in rows if row["id"]]
    unlikes = [row for row in rows if row["unliked_post_id"]]
    assert len(likes) + len(unlikes) == 100
    assert unlikes
    assert all(row["created_at"] and row["post_id"] and row["user"]["id_str"] for row in likes)
    assert all(row["unliked_by_user_id"] and row["unliked_at_ms"].isdigit() for row in unlikes)
    assert not any(part.coercion_failures for part in manifest.read(tmp_path).parts)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "has no end"),
        ({"duration": timedelta(minutes=1), "stop": "2099-01-01"}, "Give one of them"),
        ({"start": "2099-01-01", "duration": timedelta(minutes=1)}, "in the future"),
        ({"max_results": 1, "partitions": [3]}, "Choose from 1 and 2"),
        ({"max_results": 1, "stream": "firehose"}, "one of decahose, likes"),
    ],
)
def test_what_cannot_be_meant_is_told_before_anything_is_read(
    arguments: dict[str, Any], words: str, run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """Not one connection is made."""
    run = land(run_dag, tmp_path, **arguments)
    assert (run.state, words in run.log) == ("failed", True)
    assert simulator.ledger()["x"]["streams"] == []


def test_a_task_that_was_killed_goes_on_and_loses_nothing(
    run_dag: DagRunner, simulator: Simulator, clock: SimulatedClock, tmp_path: Path
) -> None:
    """Its open part is gone; Backfill brings it again."""
    start, stop = clock.stop(), clock.stop() + 300
    arguments = [str(tmp_path), iso(start), iso(stop), simulator.url]
    command = [sys.executable, "-m", "tests.transfers.dying_capture", *arguments]
    with subprocess.Popen(command, cwd=ROOT) as process:
        wait_until(lambda: len(list(tmp_path.glob("part-*"))) == 1)
        process.kill()
    clock.stop()
    assert not (tmp_path / "_manifest.json").exists()
    run = land(run_dag, tmp_path, start=iso(start), stop=iso(stop))
    assert run.state == "success", run.log
    keys = landed(tmp_path)
    assert len(keys) == len(set(keys))
    assert (run.results["land"]["gaps"], run.tries) == (0, {"land": 1})
    assert set(keys) >= set(truth(simulator, start, stop - 10))
