"""One try of the pipeline, through the real operators, in a process of its own that may be killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import traceback
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

# operators import these when they run; imported here, a fork has them
import airflow_provider_twexport.storage.landing
import airflow_provider_twexport.storage.parquet
import airflow_provider_twexport.talkwalker.landing
import airflow_provider_twexport.talkwalker.purchasing.buy_once  # noqa: F401
from airflow_provider_twexport.core import timing
from airflow_provider_twexport.operators.talkwalker import (
    TalkwalkerCreateCollectorOperator,
    TalkwalkerCreateExportOperator,
)
from airflow_provider_twexport.sensors.talkwalker import TalkwalkerExportSensor
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.transfers.talkwalker_to_object_storage import TalkwalkerToObjectStorageOperator
from tests.waiting import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.simulator_process import Simulator

FORK = multiprocessing.get_context("fork")
# the bounds of the real timing in the same relation to what the service does, whose lists lag for 1.5 s at most
TIMING = replace(
    QUICK,
    order_listed=(0.0, 0.2, 0.4),
    lock_settle=0.15,
    lock_valid=5.0,
    lock_dead=10.0,
    lock_patience=40.0,
    clock_skew=0.5,
    budget_recheck=1.0,
    read_stalled=3.0,
)
WHOLE_SECONDS = replace(TIMING, lock_settle=1.2)


class TaskOfNoAirflow:
    """A task instance that no Airflow knows."""

    map_index, max_tries, try_number = -1, 3, 1

    def __init__(self, task_id: str, run_id: str) -> None:
        self.dag_id, self.task_id, self.run_id = "hostile", task_id, run_id
        self.start_date = datetime.now(UTC)

    def xcom_push(self, key: str, value: object) -> None:
        """Keep nothing: there is no UI."""

    def get_first_reschedule_date(self, context: Any) -> None:
        """Return that it was never rescheduled."""


@dataclass(frozen=True)
class Pipeline:
    """The tasks of one DAG run.

    :param folder: keeps what its tasks returned, what became of the last try, and its log.
    :param whole_seconds: whether the service cuts creation dates, so that a lock takes longer to settle.
    :param run_id: the DAG run; another one begins from the start.
    """

    simulator: Simulator
    folder: Path
    place: Path
    order: dict[str, Any]
    budget: bool
    landing: dict[str, Any]
    whole_seconds: bool
    run_id: str

    def start(self) -> multiprocessing.process.BaseProcess:
        """Return the process of one try, which resumes where the last one of this DAG run ended."""
        process = FORK.Process(target=self._try)
        process.start()
        return process

    @property
    def outcome(self) -> str | None:
        """Return what became of the last try; empty if it succeeded, ``None`` if it was killed."""
        path = self.folder / "outcome"
        return path.read_text() if path.exists() else None

    def forget_outcome(self) -> None:
        """Wait for the outcome of the next try."""
        (self.folder / "outcome").unlink(missing_ok=True)

    @property
    def results(self) -> dict[str, Any]:
        """Return what the tasks of this DAG run returned that have succeeded."""
        path = self.folder / f"{self.run_id}.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def delete_collector(self) -> None:
        """Delete the collector that its export filled."""
        client = TalkwalkerClient(self.simulator.token, self.simulator.url, TIMING)
        client.delete_collector(self.results["create_collector"])

    def _try(self) -> None:
        log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        timing.DEFAULT = WHOLE_SECONDS if self.whole_seconds else TIMING
        connection = {
            "conn_type": "talkwalker",
            "host": self.simulator.url,
            "password": self.simulator.token,
            "extra": {"project_id": self.simulator.project_id},
        }
        os.environ["AIRFLOW_CONN_TALKWALKER_DEFAULT"] = json.dumps(connection)
        try:
            self._run_tasks()
            outcome = ""
        except Exception as error:
            traceback.print_exc()
            outcome = f"{type(error).__name__} {error}"
        _write(self.folder / "outcome", outcome)
        os._exit(0)

    def _run_tasks(self) -> None:
        place = f"file://{self.place}"
        collector_id = self._run(
            "create_collector", lambda: TalkwalkerCreateCollectorOperator(task_id="c", **self.order)
        )
        export = self._run(
            "create_export",
            lambda: TalkwalkerCreateExportOperator(
                task_id="e",
                collector_id=collector_id,
                object_storage_path=place,
                min_credits_left=0 if self.budget else None,
                **self.order,
            ),
        )
        self._run(
            "wait",
            lambda: TalkwalkerExportSensor(
                task_id="w",
                export_id=export["export_id"],
                limit=export["limit"],
                manifest=export["manifest"],
                poke_interval=0.2,
                deferrable=False,
            ),
        )
        if export["manifest"]:
            return
        self._run(
            "land",
            lambda: TalkwalkerToObjectStorageOperator(
                task_id="l",
                collector_id=collector_id,
                export_id=export["export_id"],
                object_storage_path=place,
                **{**self.order, "limit": export["limit"]},
                **self.landing,
            ),
        )

    def _run(self, name: str, operator: Callable[[], Any]) -> Any:
        """Return what a task returns, or returned in an earlier try."""
        results = self.results
        if name not in results:
            ti = TaskOfNoAirflow(name, self.run_id)
            dag_run = SimpleNamespace(dag_id=ti.dag_id, run_id=ti.run_id, conf={})
            context = {"ti": ti, "task_instance": ti, "dag_run": dag_run}
            results[name] = operator().execute(context)
            _write(self.folder / f"{self.run_id}.json", json.dumps(results))
        return results[name]


def _write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
