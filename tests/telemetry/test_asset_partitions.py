"""Whom a landing starts: a keyed event DAGs with partitioned schedules, one without a key all others, never both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import airflow.sdk
import pytest
from airflow.sdk import DAG, Asset, AssetAlias, task_group

from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export
from airflow_provider_twexport.transfers.x_search_to_object_storage import XSearchToObjectStorageOperator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.running_dags import DagRunner

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "x_connection", "quick_timing")
needs_keys = pytest.mark.skipif(
    not hasattr(airflow.sdk, "PartitionedAtRuntime"),
    reason="Before Airflow 3.3, events have no key of their own.",
)

WINDOWS = [{"start": f"2024-01-0{day}", "stop": f"2024-01-0{day + 1}"} for day in (1, 2)]


@pytest.fixture
def started(run_dag: DagRunner) -> Callable[[DAG, Asset], tuple[set[str | None], set[str]]]:
    """Run a DAG and return the keys of an asset's events, and the DAGs that they start."""
    from airflow.models.asset import AssetDagRunQueue, AssetEvent, AssetModel, AssetPartitionDagRun
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    def run(dag: DAG, asset: Asset) -> tuple[set[str | None], set[str]]:
        plain, partitioned = (f"{kind}_{asset.name}" for kind in ("plain", "partitioned"))
        run_dag(DAG(plain, schedule=[asset]))
        run_dag(DAG(partitioned, schedule=airflow.sdk.PartitionedAssetTimetable(assets=asset)))
        with create_session() as session:
            session.query(DagModel).update({"is_paused": False})
        assert run_dag(dag).state == "success"
        with create_session() as session:
            (found,) = session.query(AssetModel).filter_by(name=asset.name)
            events = session.query(AssetEvent).filter_by(asset_id=found.id).all()
            queued = {it.target_dag_id for it in session.query(AssetDagRunQueue)}
            queued |= {it.target_dag_id for it in session.query(AssetPartitionDagRun)}
            return {it.partition_key for it in events}, queued & {plain, partitioned}

    return run


def search(asset: Asset, path: Path, **arguments: Any) -> DAG:
    """Return a DAG that lands a search of one day."""
    with DAG(f"search_{asset.name}", schedule=None) as dag:
        XSearchToObjectStorageOperator(
            task_id="land",
            query="coffee",
            object_storage_path=f"file://{path}",
            outlets=[asset, AssetAlias(f"alias_{asset.name}")],
            **WINDOWS[0],
            **arguments,
        )
    return dag


@needs_keys
def test_without_a_key_a_landing_starts_plain_consumers(started: Any, tmp_path: Path) -> None:
    """That is the default; a DAG that is scheduled on partitions waits."""
    asset = Asset("unkeyed")
    assert started(search(asset, tmp_path), asset) == ({None}, {"plain_unkeyed"})


@needs_keys
def test_with_a_key_a_landing_starts_partitioned_consumers(started: Any, tmp_path: Path) -> None:
    """By the start of its window, in the form of Airflow's own keys; a plain consumer waits."""
    asset = Asset("keyed")
    dag = search(asset, tmp_path, asset_partitions=True)
    assert started(dag, asset) == ({"2024-01-01T00:00:00"}, {"partitioned_keyed"})


@needs_keys
def test_each_mapped_window_has_its_own_key(started: Any, tmp_path: Path) -> None:
    """One run lands several partitions."""
    asset = Asset("mapped")
    with DAG("mapping", schedule=None) as dag:

        @task_group
        def window(start: Any, stop: Any) -> None:
            talkwalker_export(
                "export",
                start=start,
                stop=stop,
                limit=20,
                poke_interval=0.2,
                object_storage_path=f"file://{tmp_path}",
                partition_by="day",
                outlets=asset,
                asset_partitions=True,
            )

        window.expand_kwargs(WINDOWS)
    keys = {f"{window['start']}T00:00:00" for window in WINDOWS}
    assert started(dag, asset) == (keys, {"partitioned_mapped"})


def test_an_older_airflow_says_so_when_the_dag_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not after the landing, where nothing could be started."""
    if hasattr(airflow.sdk, "PartitionedAtRuntime"):
        original = airflow.sdk.__getattr__

        def older(name: str) -> Any:
            if name == "PartitionedAtRuntime":
                raise AttributeError(name)
            return original(name)

        monkeypatch.delitem(vars(airflow.sdk), "PartitionedAtRuntime", raising=False)
        monkeypatch.setattr(airflow.sdk, "__getattr__", older)
    with pytest.raises(InvalidRequestError, match=r"asset_partitions needs Airflow 3\.3"):
        search(Asset("old"), tmp_path, asset_partitions=True)
