"""The Adobe DAG, as it is, in a real Airflow against the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pendulum
import pytest

from airflow_provider_twexport.storage import manifest
from tests.adobe_account import SECRET
from tests.running_dags import dags_in

if TYPE_CHECKING:
    from tests.running_dags import DagRunner, Run
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("adobe_connection", "quick_timing")


@pytest.fixture
def run_day(run_dag: DagRunner, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of one day."""
    simulator.settings(adobe_queue_seconds=0.5, adobe_job_seconds=0.5)
    monkeypatch.setenv("TWEXPORT_POKE_SECONDS", "0.3")
    monkeypatch.setenv("TWEXPORT_DESTINATION", f"file://{tmp_path}")
    dag = dags_in(ROOT / "dags" / "adobe_segment_export.py").dags["adobe_segment_export"]
    return run_dag(dag, logical_date=pendulum.datetime(2024, 1, 6))


def test_a_day_lands(run_day: Run, simulator: Simulator, tmp_path: Path) -> None:
    """Ordered for that day's profiles, waited for, and landed whole, in a directory named by the day."""
    assert run_day.state == "success", run_day.log
    (job,) = simulator.ledger()["adobe"]["jobs"]
    qualified = job["order"]["filter"]["segmentQualificationTime"]
    assert qualified == {"startTime": "2024-01-05T00:00:00+00:00", "endTime": "2024-01-06T00:00:00+00:00"}
    place = tmp_path / "adobe_segment_export" / "2024-01-05"
    landed = manifest.read(place)
    assert manifest.verify(place) == []
    assert landed.source["job_id"] == str(job["id"])
    truth = simulator.control(f"adobe/jobs/{job['id']}/files")
    assert [part.sha256 for part in landed.parts] == [file["sha256"] for file in truth]
    assert run_day.results["land_files"] == {
        "manifest": f"file://{place}/_manifest.json",
        "results": 3,
        "profiles": 1_000,
        "bytes": landed.bytes,
        "parts": 3,
    }
    assert not [secret for secret in (SECRET, "demo-adobe-token") if secret in run_day.log]
