"""Exports that were paid for and have no known manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_twexport.coverage.coverage import LandedSpan
from airflow_provider_twexport.talkwalker.purchasing.collector_names import scope_in, window_in
from airflow_provider_twexport.talkwalker.purchasing.order_matching import known_orders, match_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.models import ExportTask


def unlanded(
    exports: Iterable[ExportTask], manifests: Iterable[Manifest], project_id: str | None = None
) -> list[LandedSpan]:
    """Return a span without results for each paid export of ours that has no manifest.

    The service does not echo what was ordered. Where the collector's name matches no known order, the part of it that
    stands for the scope is the scope.

    :param exports: the service's list of exports.
    :param manifests: what has landed.
    :param project_id: a project that may have been exported as a whole.
    """
    sources = [manifest.source for manifest in manifests]
    landed = {str(source.get(key)) for source in sources for key in ("export_id", "collector_id")}
    orders = known_orders(sources, project_id)
    spans = []
    for task in exports:
        collector_id = task.collector_id or ""
        named = window_in(collector_id)
        if named and not landed & {task.id, collector_id} and _is_paid(task):
            order = match_order(collector_id, orders)
            scope = (order and (order.project_id or order.stream_id)) or scope_in(collector_id)
            topics, query = (order.topics, order.query) if order else ((), None)
            spans.append(LandedSpan(named[1], scope, task.id, 0, complete=False, topics=topics, query=query))
    return spans


def _is_paid(task: ExportTask) -> bool:
    return task.is_adoptable or bool(task.ready if task.ready is not None else task.processed)
