"""The remainder of truncated exports: what matched beyond their limit, in windows that can be bought.

Results are not in the order of time, so an export does not show which are missing. But the histogram counts each day,
and what landed has dates. Days with fewer landed results than counted ones are bought once more, as whole days. What
of them landed before is paid for again; no order can leave it out. Days that landed completely are not bought.

A window that cannot be counted is bought once more in two halves, of unknown volume.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.talkwalker.histogram import (
    HISTOGRAM_CREDITS,
    Volume,
    requests_for,
    why_uncountable,
)
from airflow_provider_twexport.talkwalker.planning.splitting import (
    HEADROOM,
    between,
    refined,
    split_by_volume,
)
from airflow_provider_twexport.talkwalker.planning.volume_counts import (
    VolumeCounts,
    count_buckets,
    merge_touching,
)
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from airflow_provider_twexport.talkwalker.purchasing.order_matching import match_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_twexport.storage.already_landed import LandedHours
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from airflow_provider_twexport.talkwalker.planning.volume_counts import CountsVolumes


@dataclass(frozen=True, slots=True)
class TruncatedWindow:
    """A window that landed without what matched beyond its limit.

    :param window: the time of publication.
    :param collector_ids: collectors whose landings hold some of its results; its own is the last.
    :param bought: the windows of its remainder that were bought before, in order.
    :param held: other windows that have all results of their time, in order: of that time nothing remains.
    :param planned: in how many windows its remainder was planned, by landings of some of them; ``None`` if unknown.
    """

    window: Window
    collector_ids: tuple[str, ...]
    bought: tuple[Window, ...] = ()
    planned: int | None = None
    held: tuple[Window, ...] = ()

    @property
    def is_bought(self) -> bool:
        """Return whether all of its remainder was bought, so that nothing has to be counted."""
        if self.held and not any(between(self.window, self.held)):
            return True
        return self.planned is not None and len(self.bought) >= self.planned

    @property
    def settled(self) -> list[Window]:
        """Return the windows in order of which nothing remains to be bought."""
        return sorted({*self.bought, *self.held}, key=lambda it: (it.start, it.stop))

    def counting_price(self, order: ExportOrder) -> int:
        """Return the credits that :func:`count_remainder` spends at least."""
        if self.is_bought or why_uncountable(replace(order, window=self.window), pendulum.now("UTC")):
            return 0
        return HISTOGRAM_CREDITS * len(requests_for(self.window, "day"))


@dataclass(frozen=True, slots=True)
class Remainder:
    """How one window of a plan belongs to truncated landings.

    :param collector_ids: collectors whose landings hold some of its results; the truncated one is the last.
    :param windows: in how many windows the remainder of that one is planned.
    :param repeats: about how many of the window's results these landings hold.
    """

    collector_ids: tuple[str, ...]
    windows: int
    repeats: int = 0


def truncated_windows(
    order: ExportOrder,
    window: Window,
    landed: Mapping[str, Manifest],
    parts_of: Callable[[Window], Iterable[Window]],
    planned: Mapping[str, int],
    outer: tuple[str, ...] = (),
) -> Iterator[TruncatedWindow]:
    """Yield the window if it landed truncated, then those windows of its remainder that did.

    :param order: scope, query, topics and limit.
    :param window: one that was bought.
    :param landed: what has landed, by collector.
    :param parts_of: returns the windows within another one that were bought or landed and are kept, in order.
    :param planned: what :func:`planned_windows` returned.
    :param outer: collectors of the truncated landings that the window belongs to the remainder of.
    """
    collector_id = collector_id_of(replace(order, window=window))
    landing = landed.get(collector_id)
    if not (landing and landing.complete and landing.truncated):
        return
    chain = (*outer, collector_id)
    parts = tuple(parts_of(window))
    yield TruncatedWindow(window, chain, parts, planned.get(collector_id))
    for part in parts:
        yield from truncated_windows(order, part, landed, parts_of, planned, chain)


def planned_windows(landings: Iterable[Manifest]) -> dict[str, int]:
    """Return in how many windows the remainder of each truncated landing was planned, by its collector."""
    planned: dict[str, int] = {}
    for source in (landing.source for landing in landings):
        windows = source.get("remainder_windows")
        if windows and (remainder_of := source.get("remainder_of")):
            planned[remainder_of[-1]] = max(windows, planned.get(remainder_of[-1], 0))
    return planned


def truncated_around(order: ExportOrder, landed: Mapping[str, Manifest]) -> tuple[str, ...]:
    """Return the collectors of truncated landings that an order belongs to the remainder of, the widest window first.

    :param order: what was ordered.
    :param landed: what has landed, by collector.
    """
    found = [
        (part.window.seconds, collector_id)
        for collector_id, landing in landed.items()
        if landing.complete and landing.truncated and (part := match_order(collector_id, [order]))
        if part.window != order.window and part.window.contains(order.window)
    ]
    return tuple(collector_id for _, collector_id in sorted(found, reverse=True))


def count_remainder(
    client: CountsVolumes,
    order: ExportOrder,
    truncated: TruncatedWindow,
    landed: Sequence[LandedHours],
    headroom: float = HEADROOM,
) -> VolumeCounts:
    """Return the windows of a remainder that are still to be bought; 10 credits for each request.

    :param client: the client to count with.
    :param order: scope, query, topics and limit.
    :param truncated: what landed truncated.
    :param landed: the results by hour of all landings that hold some of its results.
    :param headroom: the share of the limit to keep free for results that are indexed later.
    """
    part = replace(order, window=truncated.window)
    if truncated.is_bought:
        return VolumeCounts(())
    if why_uncountable(part, pendulum.now("UTC")):
        window, settled = truncated.window, truncated.settled
        pieces = between(window, settled) if settled else halves(window)
        return VolumeCounts(tuple((piece, None) for piece in pieces))
    days, price = count_buckets(client, part, [truncated.window], "day")
    coarse = [day for day in days if _needs_hours(day, truncated, order.limit, headroom)]
    hours, more = count_buckets(client, part, merge_touching(coarse), "hour") if coarse else ([], 0)
    buckets = refined(days, hours)
    return VolumeCounts(windows_to_buy(buckets, truncated, landed, order.limit, headroom), price + more)


def windows_to_buy(
    buckets: Sequence[Volume],
    truncated: TruncatedWindow,
    landed: Sequence[LandedHours],
    most: int,
    headroom: float = HEADROOM,
) -> tuple[Volume, ...]:
    """Return the fewest windows below a limit that hold each bucket with fewer landed results than counted ones.

    :param buckets: the counts of the truncated window, in order.
    :param truncated: what landed truncated.
    :param landed: the results by hour of all landings that hold some of its results.
    :param most: results that one export may bring.
    :param headroom: the share of it to keep free.
    """
    short = [
        bucket
        for bucket in _short_buckets(buckets, landed)
        if not any(window.contains(bucket.window) for window in truncated.settled)
    ]
    found = [
        window for run in _group_touching(short) for window in split_by_volume(run, most, headroom).windows
    ]
    if [window for window, _ in found] == [truncated.window]:
        # the count is lower now than when it was exported; the same window would be the same order
        return tuple(Volume(half, -(-found[0].expected // 2)) for half in halves(truncated.window))
    return tuple(found)


def halves(window: Window) -> tuple[Window, ...]:
    """Return the halves of a window, cut at an hour, or else at a minute; none of one that is too short."""
    for unit in ("hour", "minute"):
        middle = window.start.add(seconds=round(window.seconds / 2)).start_of(unit)
        if window.start < middle < window.stop:
            return Window(window.start, middle), Window(middle, window.stop)
    return ()


def count_landed(window: Window, landed: Iterable[LandedHours]) -> int:
    """Return about how many results of a window have landed.

    :param window: the time of publication.
    :param landed: the results by hour of the landings.
    """
    return sum(sum(hours.within(window)) for hours in landed)


def _needs_hours(day: Volume, truncated: TruncatedWindow, limit: int, headroom: float) -> bool:
    """Return whether a day is too large for one export, is all that was ordered, or was bought in part."""
    if any(window.contains(day.window) for window in truncated.settled):
        return False
    crossed = any(window.overlaps(day.window) for window in truncated.settled)
    return crossed or day.expected > int(limit * (1 - headroom)) or day.window == truncated.window


def _short_buckets(buckets: Iterable[Volume], landed: Sequence[LandedHours]) -> Iterator[Volume]:
    """Yield the buckets with fewer landed results than counted ones.

    A result without a date counts in the bucket where it was indexed, unless the bucket before is short: it may be
    missing there.
    """
    doubt = False
    for bucket in buckets:
        counts = [hours.within(bucket.window) for hours in landed]
        sure = sum(count for count, _ in counts)
        perhaps = sum(count for _, count in counts)
        if (sure if doubt else sure + perhaps) < bucket.expected:
            yield bucket
        doubt = sure + perhaps < bucket.expected


def _group_touching(buckets: Iterable[Volume]) -> list[list[Volume]]:
    found: list[list[Volume]] = []
    for bucket in buckets:
        if found and found[-1][-1].window.stop == bucket.window.start:
            found[-1].append(bucket)
        else:
            found.append([bucket])
    return found
