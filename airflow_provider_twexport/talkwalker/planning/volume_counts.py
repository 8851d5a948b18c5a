"""Asking how much a range would bring, at a price that is known before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.talkwalker.histogram import HISTOGRAM_CREDITS, requests_for, why_uncountable
from airflow_provider_twexport.talkwalker.planning.splitting import (
    HEADROOM,
    expected_in,
    refined,
    split,
    split_by_volume,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.histogram import Interval, Volume
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from airflow_provider_twexport.talkwalker.planning.splitting import SplitBy


@dataclass(frozen=True, slots=True)
class Count:
    """The windows of a range, and what each is expected to bring.

    :param windows: in order, each with its expected results; ``None`` where nobody can tell.
    :param asked_credits: what asking cost.
    :param uncountable: why nobody can tell; ``None`` where somebody can.
    """

    windows: tuple[tuple[Window, int | None], ...]
    asked_credits: int = 0
    uncountable: str | None = None


def price_of_counting(window: Window, by: SplitBy) -> int:
    """Return the credits that :func:`count` spends; for ``auto`` the least, as days may have to be looked into.

    :param window: the range.
    :param by: how it is split.
    """
    return HISTOGRAM_CREDITS * len(requests_for(window, _interval(by)))


def count(
    client: TalkwalkerClient, order: ExportOrder, by: SplitBy = "month", headroom: float = HEADROOM
) -> Count:
    """Split the window of an order and ask what each part would bring; 10 credits for each request.

    A year takes one request by month, week, day or auto, and twelve by the hour. With ``auto``, days that alone bring
    more than an export may are counted by the hour, in one more request for each run of up to 31 such days.

    :param client: who is asked.
    :param order: the range as its window, the scope, and the limit of each export.
    :param by: ``month``, ``week``, ``day``, ``hour``, or ``auto`` for as few windows as stay below the limit.
    :param headroom: with ``auto``, the share of the limit to keep free for results that are indexed later.
    :raises InvalidRequestError: if there is no such split, or ``auto`` is to split what nobody can count.
    """
    uncountable = why_uncountable(order, pendulum.now("UTC"))
    if uncountable and by == "auto":
        raise InvalidRequestError(
            f"split='auto' goes by volume. {uncountable} Or split by month, week, day or hour."
        )
    if by == "auto":
        return _by_volume(client, order, headroom)
    windows = split(order.window, by)
    if uncountable:
        return Count(tuple((window, None) for window in windows), uncountable=uncountable)
    volumes, price = ask(client, order, [order.window], _interval(by))
    return Count(tuple(expected_in(windows, volumes)), price)


def _by_volume(client: TalkwalkerClient, order: ExportOrder, headroom: float) -> Count:
    days, price = ask(client, order, [order.window], "day")
    coarse = split_by_volume(days, order.limit, headroom)
    if not coarse.too_large:
        return Count(coarse.windows, price)
    hours, more = ask(client, order, runs(coarse.too_large), "hour")
    return Count(split_by_volume(refined(days, hours), order.limit, headroom).windows, price + more)


def ask(
    client: TalkwalkerClient, order: ExportOrder, ranges: Sequence[Window], interval: Interval
) -> tuple[list[Volume], int]:
    """Return the counts of some ranges, in order, and what asking cost; 10 credits for each request.

    :param client: who is asked.
    :param order: the scope; its own window does not matter.
    :param ranges: in order and apart.
    :param interval: ``hour`` or ``day``.
    """
    asked = [request for window in ranges for request in requests_for(window, interval)]
    answers = [client.histogram(replace(order, window=window), interval) for window in asked]
    return [bucket for answer in answers for bucket in answer], HISTOGRAM_CREDITS * len(asked)


def runs(buckets: Sequence[Volume]) -> list[Window]:
    """Return the windows of buckets in order, those that touch as one, so that they are asked for together."""
    windows = [bucket.window for bucket in buckets]
    breaks = [i for i, (a, b) in enumerate(pairwise(windows), start=1) if a.stop != b.start]
    edges = [0, *breaks, len(windows)]
    return [Window(windows[first].start, windows[last - 1].stop) for first, last in pairwise(edges)]


def _interval(by: SplitBy) -> Interval:
    return "hour" if by == "hour" else "day"
