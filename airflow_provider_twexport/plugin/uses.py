"""Which tasks use which export: told by what tasks of this package returned, and by ledgers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.storage.ledger import Teller

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_twexport.storage.ledger import Entry

# our operators and sensors return what they did as a dictionary with this key, and Airflow stores each by itself
_KEY = "export_id"
MOST = 50_000
EVERY_SECONDS = 10.0
# a run that ends has just landed what it had to, and nobody has looked there yet
_STILL_BUSY = timedelta(minutes=3)

Uses = dict[str, tuple[Teller, ...]]


@dataclass(frozen=True, eq=False)
class Returned:
    """What Airflow's database tells.

    :param uses: the tasks that returned an export's id, the latest first, by export.
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
    latest = select(*columns).where(XComModel.key == _KEY).order_by(XComModel.timestamp.desc()).limit(MOST)
    at_work = select(DagRun.dag_id, DagRun.run_id).where(
        DagRun.state.in_(["queued", "running"]) | (DagRun.end_date > pendulum.now("UTC") - _STILL_BUSY)
    )
    found: defaultdict[str, list[Teller]] = defaultdict(list)
    with create_session() as session:
        for row in session.execute(latest):
            export_id: Any = XComModel.deserialize_value(row)
            found[str(export_id)].append(Teller(row.dag_id, row.run_id, row.task_id, row.map_index))
        busy = frozenset((dag_id, run_id) for dag_id, run_id in session.execute(at_work))
    return Returned({export_id: tuple(tellers) for export_id, tellers in found.items()}, busy)


def together(returned: Uses, entries: Mapping[str, Entry]) -> Uses:
    """Return the tasks that returned an export's id or told a ledger of it, by export.

    :param returned: what :func:`look` found of them.
    :param entries: what ledgers tell, by export.
    """
    told = {export_id: tuple(fact.by for fact in entry.facts) for export_id, entry in entries.items()}
    return {
        export_id: tuple(dict.fromkeys((*returned.get(export_id, ()), *told.get(export_id, ()))))
        for export_id in returned.keys() | told.keys()
    }


def belonging(
    uses: Mapping[str, Iterable[Teller]],
    dag_id: str,
    run_id: str | None = None,
    task_id: str | None = None,
    map_index: int = -1,
) -> set[str]:
    """Return the exports of a DAG, a run, or a task instance; while a task has told nothing, those of its pipeline.

    :param uses: the tasks that use an export, by export.
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
