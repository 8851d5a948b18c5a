"""Exports that were paid for and of which no manifest is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_twexport.talkwalker.purchasing.collector_names import window_in
from airflow_provider_twexport.talkwalker.purchasing.order_matching import orders_in, recognized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.models import ExportTask
from airflow_provider_twexport.coverage.coverage import LandedSpan, _named_scope


def unlanded(
    exports: Iterable[ExportTask], manifests: Iterable[Manifest], project_id: str | None = None
) -> list[LandedSpan]:
    """Return a piece without results for each paid export of ours that no manifest tells of.

    The service does not echo what was ordered. What is not recognized by its collector's name is told under the
    part of that name that stands for the scope.

    :param exports: the service's list of exports.
    :param manifests: what has landed.
    :param project_id: a project that may have been exported as a whole.
    """
    sources = [manifest.source for manifest in manifests]
    landed = {str(source.get(key)) for source in sources for key in ("export_id", "collector_id")}
    orders = orders_in(sources, project_id)
    pieces = []
    for task in exports:
        told = window_in(task.collector_id or "")
        if told and task.collector_id and not landed & {task.id, task.collector_id} and _is_paid(task):
            order = recognized(task.collector_id, orders)
            scope = (order and (order.project_id or order.stream_id)) or _named_scope(task.collector_id)
            topics, query = (order.topics, order.query) if order else ((), None)
            pieces.append(LandedSpan(told[1], scope, task.id, 0, complete=False, topics=topics, query=query))
    return pieces


def _is_paid(task: ExportTask) -> bool:
    return task.is_adoptable or bool(task.ready if task.ready is not None else task.processed)
