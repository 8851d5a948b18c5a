"""The backfill of the example DAG, and the outcome of each month."""

import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from airflow_provider_twexport.exceptions import TwexportError
from airflow_provider_twexport.storage import manifest
from demo.api import FINISHED, AirflowApi, Json
from demo.months import Month
from demo.simulator import PROJECT_ID, TOKEN, Simulator
from demo.stack import AirflowStack

DAG_ID = "talkwalker_export"
CONNECTION_ID = "talkwalker_default"
TIMEOUT = 180.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one month."""

    month: Month
    exported: int | None = None
    landed: int | None = None
    credits: int | None = None
    where: str | None = None
    problem: str | None = None


def connect(api: AirflowApi, simulator: Simulator) -> None:
    """Create the connection that the DAG uses."""
    api.create_connection(
        connection_id=CONNECTION_ID,
        conn_type="talkwalker",
        host=simulator.url,
        password=TOKEN,
        extra=json.dumps({"project_id": PROJECT_ID}),
    )


def backfill(stack: AirflowStack, simulator: Simulator, months: list[Month]) -> None:
    """Run the DAG for the months and wait until each has succeeded or failed, or the time is up."""
    # Before the DAG is unpaused, so that the scheduler starts no run of its own for the last month.
    stack.api.backfill(DAG_ID, months[0].start, months[-1].start, max_active_runs=len(months))
    stack.api.unpause(DAG_ID)
    deadline = time.monotonic() + TIMEOUT
    while not all(run["state"] in FINISHED for run in stack.api.runs(DAG_ID)):
        stack.check_alive()
        simulator.check_alive()
        if time.monotonic() > deadline:
            return
        time.sleep(0.5)


def outcomes(stack: AirflowStack, simulator: Simulator, months: list[Month]) -> list[Outcome]:
    """Return the outcome of each month, by Airflow, the manifests and the simulator's ledger."""
    runs = {datetime.fromisoformat(run["data_interval_start"]): run for run in stack.api.runs(DAG_ID)}
    bought = simulator.exports()
    return [_outcome(stack, bought, month, runs.get(month.start)) for month in months]


def _outcome(stack: AirflowStack, bought: dict[str, Json], month: Month, run: Json | None) -> Outcome:
    if run is None:
        return Outcome(month=month, problem="Airflow created no run for it")
    run_id = run["dag_run_id"]
    if run["state"] != "success":
        return Outcome(month=month, problem=_failure(stack, run))
    waited = stack.api.xcom(DAG_ID, run_id, "export.wait_for_export")
    moved = stack.api.xcom(DAG_ID, run_id, "export.to_object_storage")
    try:
        landed = manifest.read(moved["manifest"])
    except TwexportError as error:
        return Outcome(month=month, problem=str(error))
    export = bought[waited["export_id"]]
    return Outcome(
        month=month,
        exported=export["exported"],
        landed=landed.results,
        credits=export["charged"],
        where=str(Path(moved["manifest"].removeprefix("file://")).parent),
        problem=_shortfall(landed, export["exported"]),
    )


def _shortfall(landed: manifest.Manifest, exported: int) -> str | None:
    if landed.results != exported:
        return f"{exported:,} results were exported and {landed.results:,} landed"
    return None if landed.complete else "the manifest says that not everything landed"


def _failure(stack: AirflowStack, run: Json) -> str:
    """Return the task that has failed, and where its log is."""
    for task in stack.api.tasks(DAG_ID, run["dag_run_id"]):
        if task["state"] not in (None, "success", "upstream_failed"):
            log = stack.task_log(DAG_ID, run["dag_run_id"], task["task_id"], task["try_number"])
            return f"task {task['task_id']} is {task['state'].replace('_', ' ')}; its log is {log}"
    return f"its run is {run['state']}"
