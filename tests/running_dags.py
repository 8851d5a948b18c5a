"""Run a DAG in a real Airflow, in this process: a database, the execution API, and triggers in line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG


@dataclass(frozen=True)
class Run:
    """What became of a DAG run."""

    state: str
    states: dict[str, str]
    tries: dict[str, int]
    results: dict[str, Any]
    log: str


def dags_in(directory: Path) -> DagBag:
    """Return the DAGs of a directory, parsed anew."""
    DagBag, _ = _dagbag()  # noqa: N806
    return DagBag(directory)


def _dagbag() -> tuple[Any, Any]:
    """Return ``DagBag`` and ``sync_bag_to_db``, which Airflow 3.2 has moved."""
    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ModuleNotFoundError:
        from airflow.models.dagbag import DagBag, sync_bag_to_db
    return DagBag, sync_bag_to_db


class DagRunner:
    """Runs DAGs, one after the other."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, dag: DAG, **options: Any) -> Run:
        """Return what became of a run of ``dag``."""
        from airflow.dag_processing.bundles.manager import DagBundlesManager

        DagBag, sync_bag_to_db = _dagbag()  # noqa: N806
        DagBundlesManager().sync_bundles_to_db()
        bag = DagBag("/dev/null")
        bag.dags[dag.dag_id] = dag
        sync_bag_to_db(bag, "dags-folder", None)
        self._capfd.readouterr()
        run = dag.test(**options)
        captured = self._capfd.readouterr()
        tasks = run.get_task_instances()
        return Run(
            state=str(run.state),
            states={task.task_id: str(task.state) for task in tasks},
            tries={task.task_id: task.try_number for task in tasks},
            results={task.task_id: task.xcom_pull(task_ids=task.task_id) for task in tasks},
            log=captured.out + captured.err,
        )


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """An empty Airflow database."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def run_dag(airflow_database: None, capfd: pytest.CaptureFixture[str]) -> DagRunner:
    """A real Airflow to run DAGs in."""
    return DagRunner(capfd)
