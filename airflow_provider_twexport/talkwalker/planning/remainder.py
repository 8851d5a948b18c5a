"""The rest of truncated exports: what matched beyond their limit, in windows that can be bought.

Results are not in the order of time, so an export does not tell which are missing. But the histogram counts each day,
and what landed tells its dates: days of which less landed than was counted are bought, again, as whole days. What of
them landed before is paid for again; no order can leave it out. Days of which as much landed as was counted are not.

What nobody can count is bought once more in two halves; how the results are spread over them nobody knows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

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
from airflow_provider_twexport.talkwalker.planning.volume_counts import ask, runs
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of, window_in
from airflow_provider_twexport.talkwalker.purchasing.order_matching import recognized, windows_bought

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder


class Dated(Protocol):
    """When the results of a landing were published."""

    def within(self, window: Window) -> tuple[int, int]:
        """Return how many were surely published in a window, and how many more may have been."""


@dataclass(frozen=True, slots=True)
class Truncated:
    """A window that landed, but for what matched beyond its limit.

    :param window: the time of publication.
    :param collectors: those whose landings hold some of its results; its own is the last.
    :param bought: the windows of its rest that were bought before, in order and apart.
    :param planned: in how many windows its rest was planned, as landings of some tell; ``None`` if none does.
    """

    window: Window
    collectors: tuple[str, ...]
    bought: tuple[Window, ...] = ()
    planned: int | None = None

    @property
    def is_known(self) -> bool:
        """Tell whether all of its rest was bought, so that nothing is to be counted."""
        return self.planned is not None and len(self.bought) >= self.planned

    def price_of_counting(self, order: ExportOrder) -> int:
        """Return the credits that :func:`remainder_of` spends at least."""
        if self.is_known or why_uncountable(replace(order, window=self.window), pendulum.now("UTC")):
            return 0
        return HISTOGRAM_CREDITS * len(requests_for(self.window, "day"))


@dataclass(frozen=True, slots=True)
class Remainder:
    """What one window of a plan has to do with a truncated landing.

    :param of: collectors whose landings hold some of its results; the truncated one is the last.
    :param windows: how many windows the rest of that one has.
    :param landed: about how many of the window's results these landings hold.
    """

    of: tuple[str, ...]
    windows: int
    landed: int = 0


@dataclass(frozen=True, slots=True)
class RemainderCount:
    """The windows of a rest that are to be bought, and what asking for them cost.

    :param windows: each with its expected results; ``None`` where nobody can tell.
    :param asked_credits: what asking cost.
    """

    windows: tuple[tuple[Window, int | None], ...]
    asked_credits: int = 0


def unfold(
    order: ExportOrder,
    window: Window,
    landed: Mapping[str, Manifest],
    names: Collection[str],
    above: tuple[str, ...] = (),
) -> Iterator[Truncated]:
    """Yield the window if it landed truncated, then those windows of its rest that did.

    :param order: scope, query, topics and limit.
    :param window: one that was bought.
    :param landed: what has landed, by collector.
    :param names: collectors that were bought or landed.
    :param above: collectors of the truncated landings that it is a rest of.
    """
    name = collector_id_of(replace(order, window=window))
    landing = landed.get(name)
    if not (landing and landing.complete and landing.truncated):
        return
    within = {it for it in names if (told := window_in(it)) and window.contains(told[1])}
    inside = windows_bought(replace(order, window=window), within - {name, *above})
    yield Truncated(window, (*above, name), inside, _planned(name, landed.values()))
    for part in inside:
        yield from unfold(order, part, landed, names, (*above, name))


def truncated_around(order: ExportOrder, landed: Mapping[str, Manifest]) -> tuple[str, ...]:
    """Return the collectors of truncated landings that an order is a rest of, the widest window first.

    :param order: what was ordered.
    :param landed: what has landed, by collector.
    """
    found = [
        (part.window.seconds, name)
        for name, landing in landed.items()
        if landing.complete and landing.truncated and (part := recognized(name, [order]))
        if part.window != order.window and part.window.contains(order.window)
    ]
    return tuple(name for _, name in sorted(found, reverse=True))


def remainder_of(
    client: TalkwalkerClient,
    order: ExportOrder,
    truncated: Truncated,
    dated: Sequence[Dated],
    headroom: float = HEADROOM,
) -> RemainderCount:
    """Return the windows that are still to be bought of a rest; 10 credits for each request.

    :param client: who is asked.
    :param order: scope, query, topics and limit.
    :param truncated: what landed.
    :param dated: the dates of all landings that hold some of its results.
    :param headroom: the share of the limit to keep free for results that are indexed later.
    """
    part = replace(order, window=truncated.window)
    if truncated.is_known:
        return RemainderCount(())
    if why_uncountable(part, pendulum.now("UTC")):
        window, bought = truncated.window, truncated.bought
        pieces = between(window, bought) if bought else halves(window)
        return RemainderCount(tuple((piece, None) for piece in pieces))
    days, price = ask(client, part, [truncated.window], "day")
    coarse = [day for day in days if _needs_hours(day, truncated, order.limit, headroom)]
    hours, more = ask(client, part, runs(coarse), "hour") if coarse else ([], 0)
    buckets = refined(days, hours)
    return RemainderCount(windows_of(buckets, truncated, dated, order.limit, headroom), price + more)


def windows_of(
    buckets: Sequence[Volume],
    truncated: Truncated,
    dated: Sequence[Dated],
    most: int,
    headroom: float = HEADROOM,
) -> tuple[Volume, ...]:
    """Return the fewest windows below a limit that hold each bucket of which less landed than was counted.

    :param buckets: the counts of the truncated window, in order.
    :param truncated: what landed.
    :param dated: the dates of all landings that hold some of its results.
    :param most: results that one export may bring.
    :param headroom: the share of it to keep free.
    """
    wanted = [
        bucket
        for bucket in _short(buckets, dated)
        if not any(bought.contains(bucket.window) for bought in truncated.bought)
    ]
    found = [window for run in _touching(wanted) for window in split_by_volume(run, most, headroom).windows]
    if [window for window, _ in found] == [truncated.window]:
        # it was counted lower now than the export found; the same window would be the same order
        return tuple(Volume(half, -(-found[0].expected // 2)) for half in halves(truncated.window))
    return tuple(found)


def halves(window: Window) -> tuple[Window, ...]:
    """Return the halves of a window, cut at an hour, or else at a minute; none of one that is too short."""
    for unit in ("hour", "minute"):
        middle = window.start.add(seconds=round(window.seconds / 2)).start_of(unit)
        if window.start < middle < window.stop:
            return Window(window.start, middle), Window(middle, window.stop)
    return ()


def landed_in(window: Window, dated: Iterable[Dated]) -> int:
    """Return about how many results of a window have landed.

    :param window: the time of publication.
    :param dated: the dates of the landings.
    """
    return sum(sum(dates.within(window)) for dates in dated)


def _planned(name: str, landings: Iterable[Manifest]) -> int | None:
    told = [
        int(landing.source["remainder_windows"])
        for landing in landings
        if (landing.source.get("remainder_of") or [None])[-1] == name
        and landing.source.get("remainder_windows")
    ]
    return max(told, default=None)


def _needs_hours(day: Volume, truncated: Truncated, limit: int, headroom: float) -> bool:
    """Tell whether a day is too large for one export, is all that was ordered, or was bought in part."""
    if any(bought.contains(day.window) for bought in truncated.bought):
        return False
    crossed = any(bought.overlaps(day.window) for bought in truncated.bought)
    return crossed or day.expected > int(limit * (1 - headroom)) or day.window == truncated.window


def _short(buckets: Iterable[Volume], dated: Sequence[Dated]) -> Iterator[Volume]:
    """Yield the buckets of which less landed than was counted.

    A result without a date counts where it was indexed, unless less landed of the bucket before than was counted: it
    may be missing there.
    """
    doubt = False
    for bucket in buckets:
        counts = [dates.within(bucket.window) for dates in dated]
        sure = sum(count for count, _ in counts)
        perhaps = sum(count for _, count in counts)
        if (sure if doubt else sure + perhaps) < bucket.expected:
            yield bucket
        doubt = sure + perhaps < bucket.expected


def _touching(buckets: Iterable[Volume]) -> list[list[Volume]]:
    found: list[list[Volume]] = []
    for bucket in buckets:
        if found and found[-1][-1].window.stop == bucket.window.start:
            found[-1].append(bucket)
        else:
            found.append([bucket])
    return found
