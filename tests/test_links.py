"""Buttons that are there before a task has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_twexport.links.exports_page import ManifestLink
from airflow_provider_twexport.links.talkwalker import TalkwalkerConsoleLink
from airflow_provider_twexport.transfers.talkwalker_to_object_storage import TalkwalkerToObjectStorageOperator
from airflow_provider_twexport.transfers.x_search_to_object_storage import XSearchToObjectStorageOperator

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import BaseOperator

    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "x_connection", "quick_timing")


def address(task: BaseOperator, key: str) -> str | None:
    """Return where a button leads, as the API server reads it."""
    with create_session() as session:
        wanted = (
            select(XComModel)
            .where(XComModel.dag_id == task.dag_id, XComModel.task_id == task.task_id, XComModel.key == key)
            .order_by(XComModel.timestamp.desc())
        )
        found = session.scalars(wanted).first()
        return found and str(XComModel.deserialize_value(found))


def test_a_landing_that_fails_has_its_buttons_all_the_same(
    run_dag: DagRunner, simulator: Simulator, tmp_path: Path
) -> None:
    """They are there from the task's start on; the manifest's address is quoted."""
    directory = f"file://{tmp_path}/mit Leerzeichen&x=1"
    with DAG("broken", schedule=None) as dag:
        TalkwalkerToObjectStorageOperator(
            task_id="results", collector_id="none", object_storage_path=directory
        )
        XSearchToObjectStorageOperator(
            task_id="posts",
            query="coffee",
            max_requests=0,
            start="2024-01-01",
            stop="2024-01-02",
            object_storage_path=directory + "/x",
        )
    assert run_dag(dag).states == {"results": "failed", "posts": "failed"}
    for task, ending in ((dag.get_task("results"), ""), (dag.get_task("posts"), "%2Fx")):
        page = address(task, ManifestLink.xcom_key)
        assert page is not None
        assert page.startswith("plugin/exports?view=landings&manifest=file%3A%2F%2F%2F")
        assert page.endswith(f"mit%20Leerzeichen%26x%3D1{ending}%2F_manifest.json")
    console = address(dag.get_task("results"), TalkwalkerConsoleLink.xcom_key)
    assert console == "https://app.talkwalker.com/app/login"
