"""Counting results before any is bought: Talkwalker's histogram of the time of publication.

Vendor pages: "search histograms" inside and outside of projects, and "use the histogram API". Each response costs 10
credits, however much it counts. A stream has no histogram. Out of scope: breakdowns, other metrics, forecasts.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pendulum

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import UnexpectedResponseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_twexport.talkwalker.models import ExportOrder

Interval = Literal["hour", "day"]

HISTOGRAM_CREDITS = 10
REACH_OUTSIDE_PROJECTS = pendulum.duration(days=30)
# no limit of buckets is published; these numbers of them, 366 and 744, stay near what vendor examples ask for
DAYS_PER_REQUEST: dict[Interval, int] = {"day": 366, "hour": 31}


class Volume(NamedTuple):
    """How many results a window is expected to bring."""

    window: Window
    expected: int


def requests_for(window: Window, interval: Interval) -> list[Window]:
    """Return the windows of the requests that count ``window`` by the hour or the day.

    :param window: what to count.
    :param interval: ``hour``, 31 days a request, or ``day``, 366 days a request.
    """
    days = window.cut("day")
    starts = [day.start for day in days[:: DAYS_PER_REQUEST[interval]]]
    return [Window(start, stop) for start, stop in pairwise([*starts, window.stop.in_timezone("UTC")])]


def why_uncountable(order: ExportOrder, now: pendulum.DateTime) -> str | None:
    """Return why an order cannot be counted; ``None`` if it can.

    :param order: what would be exported.
    :param now: the present moment.
    """
    if order.stream_id:
        return (
            f"Talkwalker has no histogram of a stream, so the results of stream {order.stream_id} cannot be counted. "
            "Give a project_id or a query, or let limit be the maximum price."
        )
    if not order.project_id and order.window.start < now - REACH_OUTSIDE_PROJECTS:
        return (
            f"Outside of projects Talkwalker counts the last 30 days only, and {order.window} begins before. "
            "Give a project_id, or let limit be the maximum price."
        )
    return None


def read_volumes(bins: Any, window: Window, interval: Interval) -> list[Volume]:
    """Return the volumes of all buckets of a window, in order; buckets that the service omits are empty.

    :param bins: the ``data`` of the service's response.
    :param window: what was counted.
    :param interval: how long a bucket is.
    :raises UnexpectedResponseError: if a bin is not one of the window's.
    """
    buckets = window.cut(interval)
    indexes = _indexes(buckets, interval)
    counts = [0] * len(buckets)
    if not isinstance(bins, list | tuple):
        raise UnexpectedResponseError(
            f"Talkwalker's histogram has no list of bins, but {str(bins)[:200]}. Report this to Talkwalker."
        )
    for item in bins:
        begin, count = _bin(item)
        if begin not in indexes:
            if not count:
                continue
            raise UnexpectedResponseError(
                f"Talkwalker counted {count:,} results in the {interval} at {begin} ms, which is not in {window}. "
                "Report this to Talkwalker, and split by month, week, day or hour meanwhile."
            )
        counts[indexes[begin]] += count
    return [Volume(bucket, count) for bucket, count in zip(buckets, counts, strict=True)]


def _indexes(buckets: Sequence[Window], interval: Interval) -> dict[int, int]:
    """Return each bucket's index by its start, the first also by its calendar start, which may be before the window."""
    starts = [buckets[0].start.start_of(interval), *(bucket.start for bucket in buckets)]
    return {round(start.timestamp() * 1000): max(0, index - 1) for index, start in enumerate(starts)}


def _bin(item: Any) -> tuple[int, int]:
    try:
        count = item["v"]
        begin, number = int(item["t"]), int(count[0] if isinstance(count, list) else count)
        if number < 0:
            raise ValueError(number)
        return begin, number
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        msg = f"Talkwalker's histogram has a bin that cannot be read: {str(item)[:200]}. Report this to Talkwalker."
        raise UnexpectedResponseError(msg) from None
