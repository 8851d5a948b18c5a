"""Counting how much a range would bring, at a price that is known before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import pendulum

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import (
    InvalidRequestError,
    PaidCallFailedError,
    RetriableError,
    ThrottledError,
    TwexportError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.histogram import HISTOGRAM_CREDITS, requests_for, why_uncountable
from airflow_provider_twexport.talkwalker.planning.splitting import (
    HEADROOM,
    allowed_results,
    expected_in,
    refined,
    split,
    split_by_volume,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_twexport.talkwalker.histogram import Interval, Volume
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from airflow_provider_twexport.talkwalker.planning.splitting import SplitBy


@dataclass(frozen=True, slots=True)
class VolumeCounts:
    """Windows, and how many results each is expected to bring.

    :param windows: in order, each with its expected results; ``None`` where they cannot be counted.
    :param counting_credits: what counting cost.
    :param uncountable: why they cannot be counted; ``None`` where they can.
    """

    windows: tuple[tuple[Window, int | None], ...]
    counting_credits: int = 0
    uncountable: str | None = None


class CountsVolumes(Protocol):
    """What volumes are counted with, such as a client."""

    def histogram(self, order: ExportOrder, interval: Interval = "day") -> list[Volume]:
        """Return how many results an order would match, by day or hour; 10 credits."""


class PaidCounter:
    """Counts with a client, and remembers what that has cost.

    :param client: of the account that pays.
    """

    def __init__(self, client: CountsVolumes) -> None:
        self._client = client
        self._sent = 0

    @property
    def spent(self) -> int:
        """Return the credits that counting has cost; where no response came, at most."""
        return HISTOGRAM_CREDITS * self._sent

    def histogram(self, order: ExportOrder, interval: Interval = "day") -> list[Volume]:
        """Return how many results an order would match, by day or hour; 10 credits.

        :raises PaidCallFailedError: if it failed after something may have been charged; it says how much.
        """
        self._sent += 1
        try:
            return self._client.histogram(order, interval)
        except TwexportError as error:
            # only these may come after the charge
            if not isinstance(error, RetriableError | UnexpectedResponseError) or isinstance(
                error, ThrottledError
            ):
                self._sent -= 1
            if not self._sent:
                raise
            raise PaidCallFailedError(
                f"{error.message} Counting may have cost {self.spent:,} credits, so it is not repeated. No export was "
                "bought.",
                error.evidence,
                error.facts | {"spent": self.spent},
            ) from error


def check_splittable(order: ExportOrder, by: SplitBy, headroom: float = HEADROOM) -> None:
    """Check, for free, that the window of an order can be split.

    :raises InvalidRequestError: if ``auto`` is to split what cannot be counted, or by a limit that leaves nothing.
    """
    if by != "auto":
        return
    if uncountable := why_uncountable(order, pendulum.now("UTC")):
        raise InvalidRequestError(
            f"split='auto' splits by volume. {uncountable} Or split by month, week, day or hour."
        )
    allowed_results(order.limit, headroom)


def counting_price(window: Window, by: SplitBy) -> int:
    """Return the credits that :func:`count_volumes` spends; with ``auto`` at least, as it may count days by the hour.

    :param window: the range.
    :param by: how it is split.
    """
    return HISTOGRAM_CREDITS * len(requests_for(window, _interval(by)))


def count_volumes(
    client: CountsVolumes, order: ExportOrder, by: SplitBy = "month", headroom: float = HEADROOM
) -> VolumeCounts:
    """Split the window of an order and count what each part would bring; 10 credits for each request.

    A year takes one request by month, week, day or auto, and twelve by the hour. With ``auto``, days that alone bring
    more than an export may are counted by the hour, in one more request for each run of up to 31 such days.

    :param client: the client to count with.
    :param order: the range as its window, the scope, and the limit of each export.
    :param by: ``month``, ``week``, ``day``, ``hour``, or ``auto`` for as few windows as stay below the limit.
    :param headroom: with ``auto``, the share of the limit to keep free for results that are indexed later.
    :raises InvalidRequestError: if there is no such split, or ``auto`` is to split what cannot be counted.
    """
    check_splittable(order, by, headroom)
    if by == "auto":
        return _by_volume(client, order, headroom)
    windows = split(order.window, by)
    if uncountable := why_uncountable(order, pendulum.now("UTC")):
        return VolumeCounts(tuple((window, None) for window in windows), uncountable=uncountable)
    volumes, price = count_buckets(client, order, [order.window], _interval(by))
    return VolumeCounts(tuple(expected_in(windows, volumes)), price)


def _by_volume(client: CountsVolumes, order: ExportOrder, headroom: float) -> VolumeCounts:
    days, price = count_buckets(client, order, [order.window], "day")
    coarse = split_by_volume(days, order.limit, headroom)
    if not coarse.too_large:
        return VolumeCounts(coarse.windows, price)
    hours, more = count_buckets(client, order, merge_touching(coarse.too_large), "hour")
    return VolumeCounts(split_by_volume(refined(days, hours), order.limit, headroom).windows, price + more)


def count_buckets(
    client: CountsVolumes, order: ExportOrder, ranges: Sequence[Window], interval: Interval
) -> tuple[list[Volume], int]:
    """Return the counts of some ranges, in order, and what counting cost; 10 credits for each request.

    :param client: the client to count with.
    :param order: the scope; its own window does not matter.
    :param ranges: in order and apart.
    :param interval: ``hour`` or ``day``.
    """
    requests = [request for window in ranges for request in requests_for(window, interval)]
    histograms = [client.histogram(replace(order, window=window), interval) for window in requests]
    return [bucket for buckets in histograms for bucket in buckets], HISTOGRAM_CREDITS * len(requests)


def count_whole(client: CountsVolumes, order: ExportOrder, windows: Sequence[Window]) -> dict[Window, int]:
    """Return how many results windows would bring that are not split; as few requests as possible.

    :param client: the client to count with.
    :param order: the scope; its own window does not matter.
    :param windows: in order and apart.
    """
    found: dict[Window, int] = {}
    for whole in _together(windows):
        days, _ = count_buckets(client, order, [whole], "day")
        found.update(expected_in([it for it in windows if whole.contains(it)], days))
    return found


def price_of_whole(windows: Sequence[Window]) -> int:
    """Return the credits that :func:`count_whole` spends."""
    return HISTOGRAM_CREDITS * sum(len(requests_for(whole, "day")) for whole in _together(windows))


def _together(windows: Sequence[Window]) -> list[Window]:
    """Return windows as those that one count covers: where they touch at midnight, no bucket lies in two of them."""
    together: list[Window] = []
    for window in windows:
        at_midnight = window.start == window.start.start_of("day")
        if together and together[-1].stop == window.start and at_midnight:
            together[-1] = Window(together[-1].start, window.stop)
        else:
            together.append(window)
    return together


def merge_touching(buckets: Sequence[Volume]) -> list[Window]:
    """Return the windows of buckets in order, those that touch as one, so that one request counts them."""
    windows = [bucket.window for bucket in buckets]
    breaks = [i for i, (a, b) in enumerate(pairwise(windows), start=1) if a.stop != b.start]
    edges = [0, *breaks, len(windows)]
    return [Window(windows[first].start, windows[last - 1].stop) for first, last in pairwise(edges)]


def _interval(by: SplitBy) -> Interval:
    return "hour" if by == "hour" else "day"
