"""The janitor's DAG, in a real Airflow: what was paid for lands before it is forgotten."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.storage import discovery, ledger, manifest
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from tests.running_dags import dags_in
from tests.service_clients import JANUARY

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import DAG

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]
DAY = 24 * 3600
MONTHS = Window(JANUARY.start, JANUARY.start.add(months=6)).cut("month")

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "quick_timing")


def janitor() -> DAG:
    """Return the DAG, parsed again: a run in this process leaves its configuration in the DAG."""
    return dags_in(ROOT / "dags").dags["talkwalker_janitor"]


def conf(path: Path, **changes: Any) -> dict[str, Any]:
    """Return what somebody fills into the form."""
    return {"landed_paths": [f"file://{path}"], "destination": f"file://{path}/backfill"} | changes


def reported() -> list[dict[str, Any]]:
    """Return the list that the last report left for other tasks."""
    with create_session() as session:
        newest = select(XComModel).where(XComModel.key == "orphans").order_by(XComModel.timestamp.desc())
        report: list[dict[str, Any]] = XComModel.deserialize_value(session.scalars(newest).first())
        return report


@pytest.fixture
def bought(simulator: Simulator, client: TalkwalkerClient) -> Callable[..., str]:
    """Buy a month as it was some days ago, and return its collector."""

    def buy(month: int, days_ago: float, *, abort: bool = False) -> str:
        order = ExportOrder(MONTHS[month], project_id=simulator.project_id, limit=500)
        name = collector_id_of(order)
        simulator.control("time", {"offset_seconds": -DAY * days_ago})
        simulator.settings(results_per_second=50 if abort else None)
        client.put_collector(name)
        task = client.create_export(order, name)
        if abort:
            simulator.advance(2)
            client.abort_export(task.id)
        simulator.settings(results_per_second=None)
        client.get_export(task.id)  # it ends then, and not when the time is set back
        simulator.control("time", {"offset_seconds": 0})
        return name

    return buy


def test_by_default_it_changes_nothing_and_reports(
    run_dag: DagRunner,
    simulator: Simulator,
    client: TalkwalkerClient,
    bought: Callable[..., str],
    tmp_path: Path,
) -> None:
    """An unread export near its deadline fails the run, at its first try; the list is in an XCom, urgent ones first."""
    later, urgent, expired = bought(0, 2), bought(1, 5.5), bought(2, 9)
    before = {collector.id for collector in client.list_collectors()}
    run = run_dag(janitor(), run_conf=conf(tmp_path))
    assert (run.states["land"], run.states["delete"], run.states["report"]) == (
        "success",
        "success",
        "failed",
    )
    assert run.tries["report"] == 1
    assert "1 unread export of 500 credits can be read for less than 48 hours more" in run.log
    assert re.search(
        rf"Lost: expired {expired}, export \S+, 500 credits.*Buying it again costs about as much", run.log
    )
    assert f"Would land readable {urgent}" in run.log
    assert f"Would delete expired {expired}" in run.log
    assert [orphan["collector_id"] for orphan in reported()] == [urgent, later, expired]
    assert discovery.find_landings([tmp_path]).manifests == {}
    assert {collector.id for collector in client.list_collectors()} == before


def test_it_lands_in_the_order_of_deadlines_and_clears_away(
    run_dag: DagRunner,
    simulator: Simulator,
    client: TalkwalkerClient,
    bought: Callable[..., str],
    tmp_path: Path,
) -> None:
    """What is paid for lands, an aborted export's part too; then nobody needs the collectors, and all is well."""
    later, urgent, broken, expired = bought(0, 2), bought(1, 5.5), bought(2, 3, abort=True), bought(3, 9)
    fresh = bought(4, 0.1)
    client.put_collector("somebody-elses")
    spent = simulator.ledger()["credits"]["charged_total"]
    run = run_dag(janitor(), run_conf=conf(tmp_path, dry_run=False))
    assert run.state == "success", run.log
    assert simulator.ledger()["credits"]["charged_total"] == spent
    assert re.findall(r"Landed readable (twx-[\w-]+)", run.log) == [urgent, broken, later]
    assert {
        name: manifest.read(tmp_path / "backfill" / name).complete for name in (urgent, broken, later)
    } == {
        urgent: True,
        broken: False,
        later: True,
    }
    assert {collector.id for collector in client.list_collectors()} == {"somebody-elses", fresh}
    assert run.results["delete"] == 4
    assert run.results["report"] == {
        "urgent": 0,
        "readable": 1,
        "running": 0,
        "expired": 0,
        "lost": 1,
        "credits": 1_000,
    }
    entries = ledger.read(tmp_path / "backfill" / "_ledger").exports
    assert sorted(str(entry.state) for entry in entries) == ["ordered", "partial", "truncated", "truncated"]
    assert all(entry.to_json()["deleted_at"] for entry in entries)
    assert expired in run.log


def test_one_that_cannot_be_landed_does_not_keep_the_others(
    run_dag: DagRunner, client: TalkwalkerClient, bought: Callable[..., str], tmp_path: Path
) -> None:
    """It fails the task, keeps its collector, and is in the report again."""
    urgent, later = bought(0, 6), bought(1, 3)
    (tmp_path / "backfill").mkdir()
    (tmp_path / "backfill" / urgent).write_text("in the way")
    dag = janitor()
    dag.get_task("land").retries = 0
    run = run_dag(dag, run_conf=conf(tmp_path, dry_run=False))
    assert (run.states["land"], run.states["delete"], run.states["report"]) == ("failed", "success", "failed")
    assert "1 of 2 exports could not be landed" in run.log
    assert manifest.read(tmp_path / "backfill" / later).complete
    assert {collector.id for collector in client.list_collectors()} == {urgent}


def test_the_form_may_ask_for_one_thing_and_another_deadline(
    run_dag: DagRunner, client: TalkwalkerClient, bought: Callable[..., str], tmp_path: Path
) -> None:
    """Only delete; nothing is urgent 24 hours before the deadline that was so 48 hours before."""
    readable, expired = bought(0, 5.5), bought(1, 9)
    run = run_dag(janitor(), run_conf=conf(tmp_path, dry_run=False, land=False, warn_hours=24))
    assert run.state == "success", run.log
    assert discovery.find_landings([tmp_path]).manifests == {}
    assert {collector.id for collector in client.list_collectors()} == {readable}
    assert expired in run.log


def test_what_can_be_read_after_all_lands(
    run_dag: DagRunner,
    simulator: Simulator,
    client: TalkwalkerClient,
    bought: Callable[..., str],
    tmp_path: Path,
) -> None:
    """Nine days after it was ordered, a free read still brings results: they land, and only then the collector goes."""
    simulator.settings(retention_days=30)
    late = bought(0, 9)
    run = run_dag(janitor(), run_conf=conf(tmp_path, dry_run=False))
    assert run.state == "success", run.log
    assert manifest.read(tmp_path / "backfill" / late).results == 500
    assert client.list_collectors() == []
    assert simulator.ledger()["credits"]["charged_total"] == 500
