"""Splitting a range into windows: by the calendar, or by volume so that none meets the limit of an export."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

import pendulum

from airflow_provider_twexport.core.window import CalendarUnit, Window
from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.talkwalker.histogram import Volume
from airflow_provider_twexport.talkwalker.models import MAX_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SplitBy = Literal[CalendarUnit, "auto"]
CALENDAR_UNITS: tuple[str, ...] = get_args(CalendarUnit)
# room for what is indexed between counting and exporting
HEADROOM = 0.05


@dataclass(frozen=True, slots=True)
class VolumeSplit:
    """The fewest windows that stay below a limit.

    :param windows: they tile the range, in order, each with what it is expected to bring.
    :param too_large: the buckets that alone bring more than an export may; each is a window by itself, which an
        export would truncate. Count them by a shorter interval, merge that with :func:`refined`, and split again.
    """

    windows: tuple[Volume, ...]
    too_large: tuple[Volume, ...] = ()


def split(window: Window, by: CalendarUnit) -> list[Window]:
    """Return the calendar's windows of a range, in UTC and in order; the first and last are clipped to the range.

    :param window: the range.
    :param by: ``month``, ``week`` (from Monday), ``day`` or ``hour``.
    :raises InvalidRequestError: if there is no such unit.
    """
    if by not in CALENDAR_UNITS:
        raise InvalidRequestError(
            f"split={by!r} is unknown. Choose one of {', '.join(CALENDAR_UNITS)}, auto."
        )
    return window.cut(by)


def split_by_volume(
    volumes: Sequence[Volume], most: int = MAX_LIMIT, headroom: float = HEADROOM
) -> VolumeSplit:
    """Return the fewest windows of whole buckets that each bring at most ``most`` results, less the headroom.

    :param volumes: buckets that touch, in order.
    :param most: results that one export may bring.
    :param headroom: share of ``most`` to keep free for results that are indexed later, from 0 up to below 1.
    :raises InvalidRequestError: if there is no bucket, or they do not touch, or nothing would be allowed.
    """
    allowed = allowed_results(most, headroom)
    if not volumes:
        raise InvalidRequestError("There is nothing to split: give the counts of at least one bucket.")
    _check_touching(volumes)
    windows = [volumes[0]]
    for bucket in volumes[1:]:
        together = windows[-1].expected + bucket.expected
        if together <= allowed:
            windows[-1] = Volume(Window(windows[-1].window.start, bucket.window.stop), together)
        else:
            windows.append(bucket)
    return VolumeSplit(tuple(windows), tuple(bucket for bucket in volumes if bucket.expected > allowed))


def allowed_results(most: int, headroom: float) -> int:
    """Return how many results a window may be expected to bring.

    :param most: results that one export may bring.
    :param headroom: share of it to keep free, from 0 up to below 1.
    :raises InvalidRequestError: if that is none.
    """
    if not 0 <= headroom < 1:
        raise InvalidRequestError(f"headroom={headroom} is not a share: give 0 or more, and less than 1.")
    allowed = int(most * (1 - headroom))
    if allowed < 1:
        raise InvalidRequestError(
            f"split='auto' keeps {headroom:.0%} of limit free for results that are indexed later, and limit={most:,} "
            f"leaves no result for a window. Raise limit to {math.ceil(1 / (1 - headroom)):,} or more, or split by "
            "month, week, day or hour."
        )
    return allowed


def refined(volumes: Iterable[Volume], finer: Sequence[Volume]) -> list[Volume]:
    """Return buckets with some of them replaced by shorter ones that cover the same time.

    :param volumes: buckets in order.
    :param finer: the shorter ones, in order.
    """
    starts = [bucket.window.start for bucket in finer]
    kept = [
        bucket
        for bucket in volumes
        if bisect_left(starts, bucket.window.start) == bisect_left(starts, bucket.window.stop)
    ]
    return sorted([*kept, *finer], key=lambda bucket: bucket.window.start)


def expected_in(windows: Sequence[Window], volumes: Iterable[Volume]) -> list[Volume]:
    """Return what each window is expected to bring: the sum of its buckets.

    :param windows: windows in order.
    :param volumes: buckets in order, each within one of the windows.
    :raises InvalidRequestError: if a bucket lies across the edge of a window.
    """
    totals, place = [0] * len(windows), 0
    for bucket in volumes:
        while place < len(windows) and windows[place].stop <= bucket.window.start:
            place += 1
        inside = place < len(windows) and windows[place].contains(bucket.window)
        if not inside:
            raise InvalidRequestError(
                f"The bucket {bucket.window} lies in none of the windows: count by a shorter interval."
            )
        totals[place] += bucket.expected
    return [Volume(window, total) for window, total in zip(windows, totals, strict=True)]


class Union:
    """The time of some windows, however they overlap."""

    def __init__(self) -> None:
        self._starts: list[float] = []
        self._stops: list[float] = []

    def holds(self, window: Window) -> bool:
        """Return whether all of a window lies in it."""
        place = bisect_right(self._starts, window.start.timestamp()) - 1
        return place >= 0 and self._stops[place] >= window.stop.timestamp()

    def overlaps(self, window: Window) -> bool:
        """Return whether some of a window lies in it."""
        place = bisect_right(self._stops, window.start.timestamp())
        return place < len(self._starts) and self._starts[place] < window.stop.timestamp()

    def within(self, window: Window) -> tuple[Window, ...]:
        """Return what of a window lies in it, in order and apart."""
        first = bisect_right(self._stops, window.start.timestamp())
        last = bisect_left(self._starts, window.stop.timestamp())
        edges = zip(self._starts[first:last], self._stops[first:last], strict=True)
        return tuple(
            Window(pendulum.from_timestamp(start), pendulum.from_timestamp(stop)).within(window)
            for start, stop in edges
        )

    def add(self, window: Window) -> None:
        """Add the time of a window."""
        start, stop = window.start.timestamp(), window.stop.timestamp()
        first, last = bisect_left(self._stops, start), bisect_right(self._starts, stop)
        if first < last:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        self._starts[first:last], self._stops[first:last] = [start], [stop]


def between(whole: Window, kept: Iterable[Window]) -> Iterator[Window]:
    """Yield the time between some windows.

    :param whole: the range.
    :param kept: windows that overlap it, in order.
    """
    start = whole.start
    for window in kept:
        if start < window.start:
            yield Window(start, window.start)
        start = max(start, window.stop)
    if start < whole.stop:
        yield Window(start, whole.stop)


def _check_touching(volumes: Sequence[Volume]) -> None:
    for earlier, later in pairwise(volumes):
        if earlier.window.stop != later.window.start:
            raise InvalidRequestError(
                f"{earlier.window} and {later.window} do not touch: give all buckets, in order."
            )
