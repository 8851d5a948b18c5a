"""What a collector was ordered for, told by its name: the service echoes nothing of an order, but the name hashes it.

An order that was placed once is likely to have been placed for other windows too, so what manifests tell of is tried.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.talkwalker.models import MAX_LIMIT, ExportOrder
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of, window_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ANY = Window(pendulum.datetime(2000, 1, 1), pendulum.datetime(2000, 1, 2))


def orders_in(sources: Iterable[Mapping[str, Any]], project_id: str | None = None) -> set[ExportOrder]:
    """Return the orders, less their windows, that landings came from.

    :param sources: of manifests.
    :param project_id: a project that may have been ordered from as a whole.
    """
    orders = {ExportOrder(_ANY, project_id=project_id)} if project_id else set()
    for source in sources:
        if source.get("search_id"):  # of another service
            continue
        if any(source.get(key) for key in ("project_id", "stream_id", "query")):
            orders |= {_order(source, limit) for limit in {source.get("limit") or MAX_LIMIT, MAX_LIMIT}}
    return orders


def recognized(name: str, orders: Iterable[ExportOrder]) -> ExportOrder | None:
    """Return the order that a collector's name stands for, with its window; ``None`` if it is none of these.

    :param name: the collector's id.
    :param orders: what it may be; their windows do not matter.
    """
    told = window_in(name)
    if told is None:
        return None
    placed = (replace(order, window=told[1]) for order in orders)
    return next((order for order in placed if collector_id_of(order) == name), None)


def windows_bought(order: ExportOrder, names: Iterable[str]) -> tuple[Window, ...]:
    """Return the windows, within the order's or across its edges, that collectors of the same content were named for.

    :param order: the range as its window, scope and limit.
    :param names: collectors of whatever content.
    :returns: in order and apart; of two that overlap, the one that begins earlier, else the longer one.
    """
    told = [part.window for name in names if (part := recognized(name, [order]))]
    inside = [it for it in told if order.window.overlaps(it)]
    apart: list[Window] = []
    for window in sorted(inside, key=lambda it: (it.start, -it.stop.timestamp())):
        if not apart or window.start >= apart[-1].stop:
            apart.append(window)
    return tuple(apart)


def _order(source: Mapping[str, Any], limit: int) -> ExportOrder:
    return ExportOrder(
        _ANY,
        project_id=source.get("project_id"),
        stream_id=source.get("stream_id"),
        query=source.get("query"),
        topics=tuple(source.get("topics") or ()),
        limit=limit,
    )
