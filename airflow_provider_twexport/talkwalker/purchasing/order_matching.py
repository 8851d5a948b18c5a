"""Finding the order behind a collector's name: the service echoes nothing of an order, but the name holds its hash.

An order that was placed once is likely to have been placed for other windows too, so the orders of manifests are tried.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.talkwalker.models import MAX_LIMIT, ExportOrder
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of, window_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ANY_WINDOW = Window(pendulum.datetime(2000, 1, 1), pendulum.datetime(2000, 1, 2))


def known_orders(sources: Iterable[Mapping[str, Any]], project_id: str | None = None) -> set[ExportOrder]:
    """Return the orders that landings came from; their windows mean nothing.

    :param sources: ``source`` of manifests.
    :param project_id: a project that may have been ordered from as a whole.
    """
    orders = {ExportOrder(_ANY_WINDOW, project_id=project_id)} if project_id else set()
    for source in sources:
        is_ours = source.get("system", "talkwalker") == "talkwalker"
        if is_ours and any(source.get(key) for key in ("project_id", "stream_id", "query")):
            orders |= {_order(source, limit) for limit in {source.get("limit") or MAX_LIMIT, MAX_LIMIT}}
    return orders


def match_order(collector_id: str, orders: Iterable[ExportOrder]) -> ExportOrder | None:
    """Return the order that a collector's name stands for, with its window; ``None`` if it is none of these.

    :param collector_id: any collector.
    :param orders: candidates; their windows do not matter.
    """
    named = window_in(collector_id)
    if named is None:
        return None
    candidates = (replace(order, window=named[1]) for order in orders)
    return next((order for order in candidates if collector_id_of(order) == collector_id), None)


def orders_but_for_blanks(order: ExportOrder, sources: Iterable[Mapping[str, Any]]) -> set[ExportOrder]:
    """Return the orders whose query differs from that of an order by blanks only; their windows mean nothing.

    :param sources: ``source`` of manifests, whose queries are tried beside the tidied one.
    """
    query = order.query or ""
    tried = {query.strip(), " ".join(query.split()), *(source.get("query") or "" for source in sources)}
    alike = {each for each in tried if each != query and "".join(each.split()) == "".join(query.split())}
    return {replace(order, query=each) for each in alike}


class BoughtWindows:
    """The windows that orders of the same content were bought for; they may overlap.

    :param order: scope, query, topics and limit; its own window does not matter.
    :param collector_ids: collectors of whatever content.
    """

    def __init__(self, order: ExportOrder, collector_ids: Iterable[str]) -> None:
        matched = {part.window for each in collector_ids if (part := match_order(each, [order]))}
        self._windows = sorted(matched, key=lambda it: (it.start, -it.stop.timestamp()))
        self._starts = [window.start for window in self._windows]

    def overlapping(self, window: Window) -> list[Window]:
        """Return those that have some time in common with a window, in order; of equal starts the longer one first."""
        before = self._windows[: bisect_left(self._starts, window.stop)]
        return [it for it in before if it.stop > window.start]

    def within(self, window: Window) -> list[Window]:
        """Return those that lie in a window and are not equal to it, in the same order."""
        first, last = bisect_left(self._starts, window.start), bisect_left(self._starts, window.stop)
        return [it for it in self._windows[first:last] if it.stop <= window.stop and it != window]


def _order(source: Mapping[str, Any], limit: int) -> ExportOrder:
    return ExportOrder(
        _ANY_WINDOW,
        project_id=source.get("project_id"),
        stream_id=source.get("stream_id"),
        query=source.get("query"),
        topics=tuple(source.get("topics") or ()),
        limit=limit,
    )
