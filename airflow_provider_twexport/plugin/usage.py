"""Which tasks use which export or landing, by what tasks of this package returned and by ledgers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.plugin.accounts import KINDS
from airflow_provider_twexport.plugin.landed import location_of
from airflow_provider_twexport.storage.ledger import TaskRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_provider_twexport.plugin.landed import Landed

MAX_RESULTS = 50_000
READ_SECONDS = 10.0
# a run that ends has just landed its results, and they are found by the next scan only
_ACTIVE_UNTIL = timedelta(minutes=3)

# the tasks that use an export or a landing, by its key; the latest first
Usage = dict[str, tuple[TaskRef, ...]]


@dataclass(frozen=True, eq=False)
class AirflowUsage:
    """What Airflow's database knows.

    :param usage: by what tasks returned.
    :param active_runs: the runs that are queued or running, or were until a moment ago.
    """

    usage: Usage = field(default_factory=dict)
    active_runs: frozenset[tuple[str, str]] = frozenset()


def read_airflow() -> AirflowUsage:
    """Query Airflow's database."""
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    columns = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index, XComModel.value)

    # our tasks return a dictionary, and Airflow stores the value of each of its keys by itself
    def returned(name: str) -> Iterator[tuple[TaskRef, str]]:
        latest = (
            select(*columns)
            .where(XComModel.key == name)
            .order_by(XComModel.timestamp.desc())
            .limit(MAX_RESULTS)
        )
        for row in session.execute(latest):
            value: Any = XComModel.deserialize_value(row)
            yield TaskRef(row.dag_id, row.run_id, row.task_id, row.map_index), str(value)

    is_active = DagRun.state.in_(["queued", "running"]) | (
        DagRun.end_date > pendulum.now("UTC") - _ACTIVE_UNTIL
    )
    found: defaultdict[str, list[TaskRef]] = defaultdict(list)
    with create_session() as session:
        for task, address in returned("manifest"):
            found[location_of(address)].append(task)
        for kind in KINDS:
            facts: defaultdict[TaskRef, dict[str, str]] = defaultdict(dict)
            for name in kind.key_fields:
                for task, value in returned(name):
                    facts[task][name] = value
            for task, known in facts.items():
                if key := kind.key(known):
                    found[key].append(task)
        runs = session.execute(select(DagRun.dag_id, DagRun.run_id).where(is_active))
        active_runs = frozenset((dag_id, run_id) for dag_id, run_id in runs)
    return AirflowUsage({key: tuple(tasks) for key, tasks in found.items()}, active_runs)


def merged(returned: Usage, landed: Landed) -> Usage:
    """Return the tasks that use an export or a landing; whoever has landed an export uses it.

    :param returned: by what tasks returned.
    :param landed: landings and ledgers.
    """
    found: defaultdict[str, list[TaskRef]] = defaultdict(list)
    for key, tasks in returned.items():
        found[key] += tasks
    for landing in landed.landings:
        if landing.export_key:
            found[landing.export_key] += returned.get(landing.keys[-1], ())
    for export_id, history in landed.histories.items():
        found[export_id] += (entry.by for entry in history.entries)
    return {key: tuple(dict.fromkeys(tasks)) for key, tasks in found.items() if tasks}


def keys_used_by(
    usage: Mapping[str, Iterable[TaskRef]],
    dag_id: str,
    run_id: str | None = None,
    task_id: str | None = None,
    map_index: int = -1,
) -> set[str]:
    """Return the exports and landings of a DAG, a run, or a task; of a task without any, those of its task group.

    :param usage: the tasks that use an export or a landing, by its key.
    :param dag_id: the DAG.
    :param run_id: one of its runs; ``None`` for all.
    :param task_id: a task of the run; ``None`` for all.
    :param map_index: which of the mapped tasks; -1 if it is not mapped.
    """
    group = (task_id or "").rpartition(".")[0]
    own, of_group = set(), set()
    for key, tasks in usage.items():
        for task in tasks:
            if task.dag_id != dag_id or (run_id is not None and task.run_id != run_id):
                continue
            if task_id is None or (task.task_id == task_id and task.map_index == map_index):
                own.add(key)
            elif task.task_id.rpartition(".")[0] == group and task.map_index == map_index:
                of_group.add(key)
    return own or of_group
