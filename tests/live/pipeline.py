"""What the live tests say about one run of the pipeline: its tasks, its export at Talkwalker, and what it landed."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from airflow_provider_twexport.storage import manifest
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from demo.stack import AirflowStack
    from tests.simulator_process import Simulator


@dataclass(frozen=True)
class Live:
    """An Airflow that is connected to a Talkwalker."""

    stack: AirflowStack
    talkwalker: Simulator

    def start(self, dag_id: str, name: str, days: tuple[str, str], **scope: str) -> Run:
        """Trigger a DAG for a window, from the connection's project unless another scope is given."""
        start, stop = days
        scope = scope or {"project_id": self.talkwalker.project_id}
        self.stack.api.wait_for_dag(dag_id)
        self.stack.api.unpause(dag_id)
        self.stack.api.trigger(dag_id, run_id=name, conf={"start": start, "stop": stop, **scope})
        return Run(self, dag_id, name)


@dataclass(frozen=True)
class Run:
    """One run of a DAG that consists of the task group `export`."""

    live: Live
    dag_id: str
    run_id: str

    # Airflow

    def task(self, name: str) -> dict[str, Any]:
        """Return a task instance."""
        return self.live.stack.api.task(self.dag_id, self.run_id, f"export.{name}")

    def wait_for(self, name: str, *states: str) -> dict[str, Any]:
        """Wait until a task is in one of the states."""
        api = self.live.stack.api
        return api.wait_for_task(self.dag_id, self.run_id, f"export.{name}", states, PATIENCE)

    def wait_for_end(self) -> str:
        """Wait until the run has ended and return how."""
        return str(self.live.stack.api.wait_for_run(self.dag_id, self.run_id, PATIENCE)["state"])

    def mark(self, name: str, state: str) -> None:
        """Mark a task as a user does in the UI."""
        self.live.stack.api.set_task_state(self.dag_id, self.run_id, f"export.{name}", state)

    def clear(self, *names: str, downstream: bool = True) -> None:
        """Clear tasks as a user does in the UI."""
        tasks = [f"export.{name}" for name in names]
        self.live.stack.api.clear(self.dag_id, self.run_id, tasks, downstream=downstream)

    def xcom(self, name: str) -> Any:
        """Return what a task returned."""
        return self.live.stack.api.xcom(self.dag_id, self.run_id, f"export.{name}")

    def log(self, name: str, attempt: int = 1) -> str:
        """Return the log of a task's attempt."""
        return self.live.stack.api.log(self.dag_id, self.run_id, f"export.{name}", attempt)

    def process(self, name: str) -> psutil.Process:
        """Return the process in which a task runs."""
        return self.live.stack.task_process(self.dag_id, self.run_id, f"export.{name}")

    def holds_worker(self, name: str) -> bool:
        """Tell whether the process in which a task ran last is still there."""
        return psutil.pid_exists(self.task(name)["pid"])

    # Talkwalker

    @property
    def collector_id(self) -> str:
        """The collector of this run."""
        return str(self.xcom("create_collector"))

    @property
    def export_id(self) -> str:
        """The export of this run."""
        return str(self.xcom("create_export")["export_id"])

    @property
    def exports(self) -> list[dict[str, Any]]:
        """Every export that was ever ordered into the collector, as the ledger has it."""
        ordered = self.live.talkwalker.ledger()["exports"]
        return [export for export in ordered if export["target"] == self.collector_id]

    @property
    def export(self) -> dict[str, Any]:
        """The export of this run, as the ledger has it; every other order into the collector was aborted, free."""
        ordered = {export["id"]: export for export in self.exports}
        export = ordered.pop(self.export_id)
        assert {twin["status"] for twin in ordered.values()} <= {"aborted"}
        assert sum(twin["charged"] for twin in ordered.values()) == 0
        return export

    # what was landed

    @property
    def directory(self) -> Path:
        """Where the results are."""
        return Path(self.xcom("to_object_storage")["manifest"].removeprefix("file://")).parent

    def check_landed_once(self) -> None:
        """Everything that was exported, and nothing else, is there once and whole, and was paid for once."""
        landed, bought = manifest.read(self.directory), self.export
        truth = [result["sha256"] for result in self.live.talkwalker.documents(bought["id"])]
        assert landed.complete
        assert manifest.verify(self.directory) == []
        assert sorted(digests(self.directory)) == sorted(truth)
        assert landed.results == len(truth) == bought["charged"] > 0


def digests(directory: Path) -> list[str]:
    """Return the SHA-256 of each result in the parts that the manifest names."""
    return [
        hashlib.sha256(line).hexdigest()
        for part in manifest.read(directory).parts
        for line in gzip.decompress((directory / part.name).read_bytes()).split(b"\n")
        if line
    ]


def checkpoint(directory: Path) -> dict[str, Any] | None:
    """Return how far a landing has come that has not ended."""
    try:
        return dict(json.loads((directory / "_checkpoint.json").read_text()))
    except FileNotFoundError:
        return None


def files_with(directory: Path, text: str) -> list[str]:
    """Return the files below a directory that hold a text."""
    files = (file for file in directory.rglob("*") if file.is_file())
    return [str(file) for file in files if text.encode() in file.read_bytes()]


def kill_task(task: psutil.Process) -> None:
    """Kill a task, as a machine that is out of memory would."""
    task.kill()


def kill_with_worker(task: psutil.Process) -> None:
    """Kill a task together with the executor's worker that watches it, as a machine that dies would."""
    worker = task.parent()
    assert worker is not None
    worker.kill()
    task.kill()
