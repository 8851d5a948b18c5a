"""What a landing tells the assets of its task, in a real Airflow: the DAGs that are scheduled on them read it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, Asset, AssetAlias, ObjectStoragePath, task

from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export
from airflow_provider_twexport.telemetry.assets import dataset_uri
from airflow_provider_twexport.transfers.talkwalker_orphans import TalkwalkerLandOrphansOperator
from airflow_provider_twexport.transfers.x_search_to_object_storage import XSearchToObjectStorageOperator
from tests.service_clients import JANUARY as MONTH

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "x_connection", "quick_timing")

JANUARY = {"start": "2024-01-01", "stop": "2024-02-01"}
WINDOW = {"start": "2024-01-01T00:00:00Z", "stop": "2024-02-01T00:00:00Z"}


def told(run_dag: DagRunner, of: Asset | AssetAlias) -> list[dict[str, Any]]:
    """Return what a DAG reads of an asset's events: their extra, and the asset's address."""
    with DAG("reading", schedule=None) as dag:

        @task(inlets=[of])
        def read(*, inlet_events: Any = None) -> list[dict[str, Any]]:
            return [{"uri": event.asset.uri, **event.extra} for event in inlet_events[of]]

        read()
    found: list[dict[str, Any]] = run_dag(dag).results["read"]
    return found


def pipeline(place: dict[str, str], **arguments: Any) -> DAG:
    """Return a pipeline of 200 results."""
    with DAG("landing", schedule=None, default_args={"retries": 1, "retry_delay": timedelta(0)}) as dag:
        talkwalker_export("export", limit=200, poke_interval=0.2, **JANUARY, **place, **arguments)
    return dag


def test_each_landing_is_an_event_that_tells_of_it(
    run_dag: DagRunner, airflow_bucket: dict[str, str]
) -> None:
    """The asset's own, and that of an alias, whose asset is the directory, without the connection that leads there."""
    mentions, directories = Asset("mentions"), AssetAlias("directories")
    run = run_dag(pipeline(airflow_bucket, outlets=[mentions, directories]))
    assert run.state == "success"
    landed = run.results["export.to_object_storage"]
    facts = {
        "system": "talkwalker",
        "window": WINDOW,
        **landed,
        "excluded": 0,
        "truncated": True,
        "missing": manifest.read(_directory(airflow_bucket)).missing,
        "complete": True,
    }
    assert told(run_dag, mentions) == [{"uri": "mentions", **facts}]
    assert told(run_dag, directories) == [{"uri": airflow_bucket["object_storage_path"], **facts}]


def test_an_odd_address_is_an_asset_too(run_dag: DagRunner, tmp_path: Path) -> None:
    """Airflow takes only ASCII, and would cut the address at the number sign; the landing succeeds in any case."""
    alias = AssetAlias("odd_directories")
    run = run_dag(pipeline({"object_storage_path": f"file://{tmp_path}/café #1"}, outlets=alias))
    assert run.state == "success"
    assert [it["uri"] for it in told(run_dag, alias)] == [f"file://{tmp_path}/caf%C3%A9%20%231"]


def test_a_landing_that_was_there_before_is_told_again(run_dag: DagRunner, tmp_path: Path) -> None:
    """This run succeeded, too, and what waits for it must run."""
    asset = Asset("mentions_twice")
    dag = pipeline({"object_storage_path": f"file://{tmp_path}"}, outlets=[asset], delete_collector=False)
    assert [run_dag(dag).state, run_dag(dag).state] == ["success", "success"]
    first, second = told(run_dag, asset)
    assert first == second
    assert first["results"] == 200


def test_what_was_salvaged_says_that_it_is_not_whole(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """A reader decides whether to wait for the rest."""
    simulator.settings(results_per_second=5)
    asset = Asset("salvaged")
    dag = pipeline({"object_storage_path": f"file://{tmp_path}"}, outlets=[asset])
    sensor: Any = dag.get_task("export.wait_for_export")
    sensor.timeout, sensor.retries = 1.0, 0
    assert run_dag(dag).state == "failed"
    (found,) = told(run_dag, asset)
    assert found["complete"] is False
    assert 0 < found["results"] < 200


def test_several_landings_of_one_task_are_one_event(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """An asset gets one event for each task; an alias gets each directory."""
    client = TalkwalkerClient(simulator.token, simulator.url)
    orders = [ExportOrder(MONTH, project_id=simulator.project_id, limit=limit) for limit in (20, 30)]
    simulator.control("time", {"offset_seconds": -2 * 86_400})
    for order in orders:
        client.put_collector(collector_id_of(order))
        client.create_export(order, collector_id_of(order))
    simulator.control("time", {"offset_seconds": 0})
    asset, alias = Asset("orphans"), AssetAlias("orphan_directories")
    with DAG("janitor", schedule=None) as dag:
        TalkwalkerLandOrphansOperator(
            task_id="land",
            landed_paths=[],
            object_storage_path=f"file://{tmp_path}/orphans",
            outlets=[asset, alias],
        )
    assert run_dag(dag).results["land"]["landed"] == 2
    (event,) = told(run_dag, asset)
    assert sorted(one["results"] for one in event["landings"]) == [20, 30]
    directories = {f"file://{tmp_path}/orphans/{collector_id_of(order)}" for order in orders}
    assert {one["uri"] for one in told(run_dag, alias)} == directories


def test_a_search_tells_of_its_window(run_dag: DagRunner, tmp_path: Path) -> None:
    """And not of its query."""
    asset = Asset("posts")
    with DAG("searching", schedule=None) as dag:
        XSearchToObjectStorageOperator(
            task_id="land",
            query="coffee",
            object_storage_path=f"file://{tmp_path}",
            outlets=[asset],
            **JANUARY,
        )
    run_dag(dag)
    (event,) = told(run_dag, asset)
    assert (event["system"], event["window"]) == ("x_search", WINDOW)
    assert "coffee" not in str(event)


def test_the_lineage_of_a_landing_is_its_directory(
    run_dag: DagRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One output, however many parts there are."""
    from airflow.sdk import lineage

    collector = lineage.HookLineageCollector()
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: collector)
    run = run_dag(pipeline({"object_storage_path": f"file://{tmp_path}/lake"}, max_part_bytes=10_000))
    assert run.results["export.to_object_storage"]["parts"] >= 3
    assert [one.asset.uri for one in collector.collected_assets.outputs] == [f"file://{tmp_path}/lake"]


def test_a_listener_that_fails_fails_nothing_else(
    run_dag: DagRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The landing succeeds, and those who wait for its event get it."""
    from airflow.sdk import lineage

    class Broken(lineage.HookLineageCollector):
        """Cannot be reached."""

        def add_output_asset(self, *_: Any, **__: Any) -> None:
            failed.append(1)
            raise ConnectionError("nobody listens")

    failed: list[int] = []
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", Broken)
    asset = Asset("in_spite_of_lineage")
    run = run_dag(pipeline({"object_storage_path": f"file://{tmp_path}/lake"}, outlets=asset))
    assert (run.state, run.tries["export.to_object_storage"]) == ("success", 1)
    assert failed
    assert [it["results"] for it in told(run_dag, asset)] == [200]


def test_an_address_has_no_connection_in_it(airflow_bucket: dict[str, str], tmp_path: Path) -> None:
    """It may end in a slash, or not."""
    path = airflow_bucket["object_storage_path"]
    assert dataset_uri(ObjectStoragePath(path.replace("s3://", "s3://lake@") + "/")) == path
    assert dataset_uri(ObjectStoragePath(f"file://{tmp_path}/a")) == f"file://{tmp_path}/a"


def _directory(place: dict[str, str]) -> ObjectStoragePath:
    return ObjectStoragePath(place["object_storage_path"], conn_id=place["object_storage_conn_id"])
