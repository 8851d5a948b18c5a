"""Which tasks use which export or landing: told by what tasks of this package returned, and by ledgers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.plugin.landed import job_name, place_in
from airflow_provider_twexport.storage.ledger import TaskRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airflow_provider_twexport.plugin.landed import Landed

MOST = 50_000
EVERY_SECONDS = 10.0
# a run that ends has just landed what it had to, and nobody has looked there yet
_STILL_BUSY = timedelta(minutes=3)

Uses = dict[str, tuple[TaskRef, ...]]


@dataclass(frozen=True, eq=False)
class Returned:
    """What Airflow's database tells.

    :param uses: the tasks that returned an export's id or a manifest's address, the latest first, by id and place.
    :param busy: the runs that are at work, or were until a moment ago.
    """

    uses: Uses = field(default_factory=dict)
    busy: frozenset[tuple[str, str]] = frozenset()


def look() -> Returned:
    """Ask Airflow's database."""
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    columns = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index, XComModel.value)

    # our tasks return what they did as a dictionary, and Airflow stores the value of each key by itself
    def told(key: str) -> Iterator[tuple[TaskRef, str]]:
        latest = select(*columns).where(XComModel.key == key).order_by(XComModel.timestamp.desc()).limit(MOST)
        for row in session.execute(latest):
            value: Any = XComModel.deserialize_value(row)
            yield TaskRef(row.dag_id, row.run_id, row.task_id, row.map_index), str(value)

    at_work = select(DagRun.dag_id, DagRun.run_id).where(
        DagRun.state.in_(["queued", "running"]) | (DagRun.end_date > pendulum.now("UTC") - _STILL_BUSY)
    )
    found: defaultdict[str, list[TaskRef]] = defaultdict(list)
    with create_session() as session:
        for teller, export_id in told("export_id"):
            found[export_id].append(teller)
        for teller, address in told("manifest"):
            found[place_in(address)].append(teller)
        datasets = dict(told("dataset_id"))
        for teller, job_id in told("job_id"):
            if teller in datasets:
                found[job_name(job_id, datasets[teller])].append(teller)
        busy = frozenset((dag_id, run_id) for dag_id, run_id in session.execute(at_work))
    return Returned({export_id: tuple(tellers) for export_id, tellers in found.items()}, busy)


def together(returned: Uses, landed: Landed) -> Uses:
    """Return the tasks that use an export or a landing; whoever has landed an export uses it.

    :param returned: what :func:`look` found of them.
    :param landed: landings, and what ledgers tell.
    """
    found: defaultdict[str, list[TaskRef]] = defaultdict(list)
    for name, tellers in returned.items():
        found[name] += tellers
    for landing in landed.landings:
        *export, place = landing.known_as
        for name in export:
            found[name] += returned.get(place, ())
    for export_id, entry in landed.entries.items():
        found[export_id] += (it.by for it in entry.entries)
    return {name: tuple(dict.fromkeys(tellers)) for name, tellers in found.items() if tellers}


def belonging(
    uses: Mapping[str, Iterable[TaskRef]],
    dag_id: str,
    run_id: str | None = None,
    task_id: str | None = None,
    map_index: int = -1,
) -> set[str]:
    """Return the exports and landings of a DAG, a run, or a task; while a task has told nothing, its pipeline's.

    :param uses: the tasks that use an export or a landing, by id and place.
    :param dag_id: the DAG.
    :param run_id: one of its runs; ``None`` for all.
    :param task_id: a task of the run; ``None`` for all.
    :param map_index: which of the mapped ones; -1 if it is not mapped.
    """
    group = (task_id or "").rpartition(".")[0]
    own, pipeline = set(), set()
    for export_id, tellers in uses.items():
        for by in tellers:
            if by.dag_id != dag_id or (run_id is not None and by.run_id != run_id):
                continue
            if task_id is None or (by.task_id == task_id and by.map_index == map_index):
                own.add(export_id)
            elif by.task_id.rpartition(".")[0] == group and by.map_index == map_index:
                pipeline.add(export_id)
    return own or pipeline
