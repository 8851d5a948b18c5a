"""What of a range was bought before, and what buying the remainder would cost.

Time that was bought before keeps the windows it was bought in, however the range is split now. Otherwise a histogram
that counts a little more today would move the edges of windows, and the time between old and new edges would be paid
twice. Looking up what was bought is free; only what was not is counted, and that costs credits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import PermissionDeniedError
from airflow_provider_twexport.talkwalker.histogram import why_uncountable
from airflow_provider_twexport.talkwalker.planning.plan import (
    PlannedWindow,
    WindowState,
    newest_by_collector,
    plan,
    window_states,
)
from airflow_provider_twexport.talkwalker.planning.remainder import (
    Remainder,
    count_landed,
    count_remainder,
    planned_windows,
    truncated_windows,
)
from airflow_provider_twexport.talkwalker.planning.splitting import HEADROOM, Union, between, split
from airflow_provider_twexport.talkwalker.planning.volume_counts import (
    PaidCounter,
    check_splittable,
    count_volumes,
    count_whole,
    counting_price,
    price_of_whole,
)
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from airflow_provider_twexport.talkwalker.purchasing.order_matching import BoughtWindows, match_order
from airflow_provider_twexport.talkwalker.purchasing.receipts import list_exports

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from airflow_provider_twexport.storage.already_landed import LandedHours
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder, ExportTask
    from airflow_provider_twexport.talkwalker.planning.plan import Plan
    from airflow_provider_twexport.talkwalker.planning.remainder import TruncatedWindow
    from airflow_provider_twexport.talkwalker.planning.splitting import SplitBy


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of a range before anything is spent.

    :param order: the range as its window, the scope, and the limit of each export.
    :param by: how what was not bought is split.
    :param exports: the service's list of exports.
    :param collectors: ids of the collectors that exist; ``None`` where the token may not list them.
    :param landed: what has landed, by collector.
    :param kept: the windows of the range that were bought or landed before, in order.
    :param gaps: the time that none of them holds.
    :param known: how many results match each of those kept, and of the windows of their remainders, by what was bought;
        ``None`` if that is unknown.
    :param uncounted: those kept that are bought again, and whose results have to be counted for that.
    :param readable: collectors whose 7 days have passed and that can still be read.
    :param buy_expired: whether to buy again what was bought and is lost.
    :param truncated: of those kept, and of the windows of their remainders, those that landed truncated.
    :param landed_hours: returns the results by hour of a collector's landing.
    :param resold: the windows that were bought before, and may be bought again.
    """

    order: ExportOrder
    by: SplitBy
    exports: Sequence[ExportTask]
    collectors: frozenset[str] | None
    landed: Mapping[str, Manifest]
    kept: tuple[Window, ...]
    gaps: tuple[Window, ...]
    known: Mapping[Window, int | None]
    uncounted: tuple[Window, ...] = ()
    readable: frozenset[str] = frozenset()
    buy_expired: bool = False
    truncated: tuple[TruncatedWindow, ...] = ()
    landed_hours: Callable[[str], LandedHours] | None = None
    resold: frozenset[Window] = frozenset()

    @property
    def counting_price(self) -> int:
        """Return the credits that :meth:`count` spends; with ``auto``, and for a remainder, the least."""
        now = pendulum.now("UTC")
        countable = [gap for gap in self.gaps if not why_uncountable(replace(self.order, window=gap), now)]
        remainders = sum(part.counting_price(self.order) for part in self.truncated)
        return (
            sum(counting_price(gap, self.by) for gap in countable)
            + price_of_whole(self.uncounted)
            + remainders
        )

    def count_todo(self) -> int:
        """Return how many windows need something, as far as is known; with ``auto``, of those bought before only."""
        pieces = [] if self.by == "auto" else [part for gap in self.gaps for part in split(gap, self.by)]
        replaced = {part.window for part in self.truncated}
        bought = [window for part in self.truncated for window in part.bought]
        windows = {*self.kept, *pieces, *bought} - replaced
        unpriced = self._plan([(window, None) for window in windows], balance=0)
        return len(self.todo(unpriced))

    def count(
        self, client: TalkwalkerClient, headroom: float = HEADROOM, now: pendulum.DateTime | None = None
    ) -> Plan:
        """Count what was not bought before, 10 credits a request, and return what all of it would cost.

        A window that landed truncated is replaced by the windows of its remainder, unless it has none.

        :param client: the client to count with.
        :param headroom: with ``auto``, the share of the limit to keep free for results that are indexed later.
        :param now: the present moment; by default the clock's.
        """
        # what may fail for free comes first
        for gap in self.gaps:
            check_splittable(replace(self.order, window=gap), self.by, headroom)
        landed_hours = self._hours_of_truncated()
        balance = client.get_credits().remaining
        counter = PaidCounter(client)
        counts = [
            count_volumes(counter, replace(self.order, window=gap), self.by, headroom) for gap in self.gaps
        ]
        windows: dict[Window, int | None] = {window: self.known[window] for window in self.kept}
        windows.update(count_whole(counter, self.order, self.uncounted))
        windows.update(part for counted in counts for part in counted.windows)
        remainders: dict[Window, Remainder] = {}
        for part, hours in landed_hours.items():
            part = self._beside(part, remainders)
            counted = count_remainder(counter, self.order, part, hours, headroom)
            found = dict(counted.windows) | {window: self.known[window] for window in part.bought}
            if found:
                del windows[part.window]
                remainders.pop(part.window, None)
            windows.update(found)
            remainders |= {
                it: Remainder(part.collector_ids, len(found), count_landed(it, hours)) for it in found
            }
        return self._plan(
            windows.items(),
            balance=None if balance is None else balance - counter.spent,
            counting_credits=counter.spent,
            remainders=remainders,
            now=now,
        )

    def _beside(self, part: TruncatedWindow, remainders: Iterable[Window]) -> TruncatedWindow:
        """Return a truncated window that leaves to others what they buy: truncated windows may overlap."""
        others = [it for it in remainders if it != part.window and it.overlaps(part.window)]
        if not others:
            return part
        bought = tuple(it for it in part.bought if it not in self.resold or not any(map(it.overlaps, others)))
        held = (*part.held, *(it.within(part.window) for it in others))
        return replace(part, bought=bought, held=held)

    def _hours_of_truncated(self) -> dict[TruncatedWindow, list[LandedHours]]:
        """Return the landed results by hour of each truncated window; none where its remainder is known without."""
        if self.landed_hours is None:
            return {}
        landed_hours = cache(self.landed_hours)
        return {
            part: []
            if part.is_bought
            else [landed_hours(collector_id) for collector_id in part.collector_ids]
            for part in self.truncated
        }

    def todo(self, planned: Plan) -> list[PlannedWindow]:
        """Return the windows of a plan that need something: to be bought, waited for or landed."""
        return [window for window in planned.windows if not self._is_settled(window)]

    def _is_settled(self, window: PlannedWindow) -> bool:
        landing = self.landed.get(window.collector_id)
        if landing and landing.complete:
            return True
        return window.state is WindowState.EXPIRED and not self.buy_expired

    def _plan(
        self,
        windows: Iterable[tuple[Window, int | None]],
        *,
        balance: float | None,
        counting_credits: int = 0,
        remainders: Mapping[Window, Remainder] | None = None,
        now: pendulum.DateTime | None = None,
    ) -> Plan:
        return plan(
            self.order,
            sorted(windows, key=lambda part: part[0].start),
            exports=self.exports,
            balance=balance,
            landed=self.landed.get,
            landed_ids=self.landed,
            collectors=self.collectors,
            readable=self.readable,
            counting_credits=counting_credits,
            buy_expired=self.buy_expired,
            remainders=remainders,
            now=now,
        )


# how far on each is: of two windows of the same time, the lower one is kept
_RANKS = {
    WindowState.LANDED: 0,
    WindowState.READABLE: 1,
    WindowState.RUNNING: 2,
    WindowState.TRUNCATED: 3,
    WindowState.PARTIAL: 4,
    WindowState.EXPIRED: 5,
}


# these have, or will have, all results of their time
_WHOLE = (WindowState.LANDED, WindowState.READABLE, WindowState.RUNNING)


def survey(
    client: TalkwalkerClient,
    order: ExportOrder,
    by: SplitBy = "auto",
    *,
    landed: Mapping[str, Manifest] | None = None,
    buy_expired: bool = False,
    landed_hours: Callable[[str], LandedHours] | None = None,
) -> Survey:
    """Look up what was bought of a range, for free.

    :param client: the client to list exports and collectors with.
    :param order: the range as its window, the scope, and the limit of each export.
    :param by: ``month``, ``week``, ``day``, ``hour``, or ``auto`` for as few windows as stay below the limit.
    :param landed: manifests of what has landed, by collector.
    :param buy_expired: whether to buy again what was bought and is lost.
    :param landed_hours: returns the results by hour of a collector's landing; with it, a window that landed truncated
        is replaced by the windows of its remainder.
    """
    landings = landed or {}
    collectors = _list_collectors(client)
    exports = [task for _, task in list_exports(client, collectors or ())]
    bought_ids = {task.collector_id for task in exports if task.collector_id and task.is_adoptable}
    bought = BoughtWindows(order, bought_ids | set(landings))
    states = window_states(
        order,
        _around(order.window, bought),
        exports=exports,
        landed=landings.get,
        collectors=collectors,
        now=pendulum.now("UTC"),
    )
    readable = _still_readable(client, order, states, exports, collectors)
    states |= dict.fromkeys(readable, WindowState.READABLE)
    passed = _passed(order, states, exports, landings)
    kept = kept_windows(order.window, states, passed, buy_expired=buy_expired)
    gaps = tuple(between(order.window, kept.values()))
    planned = planned_windows(landings.values())

    def parts_of(window: Window) -> Iterable[Window]:
        inside = {it: passed[it] for it in bought.within(window) if it in passed}
        parts = kept_windows(window, states, inside, buy_expired=buy_expired)
        return [it for it in parts if it not in resold or not whole.overlaps(it)]

    resold = frozenset(it for it, state in states.items() if _is_sold(state, buy_expired=buy_expired))
    whole = Union()
    for window, extent in passed.items():
        if states[window] in _WHOLE:
            whole.add(extent)
    truncated = [
        replace(part, held=whole.within(part.window))
        for window in (kept if landed_hours else ())
        for part in truncated_windows(order, window, landings, parts_of, planned)
    ]
    known = known_results(
        order, [*kept, *(it for part in truncated for it in part.bought)], exports, landings
    )
    return Survey(
        order,
        by,
        exports,
        collectors,
        landings,
        tuple(kept),
        gaps,
        known,
        _uncounted(order, [it for it in kept if it in resold], known),
        frozenset(readable.values()),
        buy_expired,
        tuple(truncated),
        landed_hours,
        resold,
    )


def _around(whole: Window, bought: BoughtWindows) -> list[Window]:
    """Return the windows that were bought of a range, and those that have time in common with one across its edges.

    A window across an edge is bought again as a whole, if at all, so what was bought beside the range matters, too.
    """
    inside = bought.overlapping(whole)
    edges = [edge for it in inside for edge in (it.start, it.stop)]
    return bought.overlapping(Window(min(whole.start, *edges), max(whole.stop, *edges)) if edges else whole)


def _still_readable(
    client: TalkwalkerClient,
    order: ExportOrder,
    states: Mapping[Window, WindowState],
    exports: Iterable[ExportTask],
    collectors: Collection[str] | None,
) -> dict[Window, str]:
    """Try to read what would count as lost, for free; return the windows that can be read, and their collectors."""
    newest = newest_by_collector(exports)
    found = {}
    for window in (it for it, state in states.items() if state is WindowState.EXPIRED):
        collector_id = collector_id_of(replace(order, window=window))
        task = newest.get(collector_id)
        if task and (collectors is None or collector_id in collectors):
            # a token that may not read is good enough for a plan
            with suppress(PermissionDeniedError):
                if client.can_be_read(collector_id, task.id):
                    found[window] = collector_id
    return found


def _matches(landing: Manifest) -> int | None:
    """Return how many results match a window that landed completely, more than landed if it is truncated."""
    if not landing.complete:
        return None
    if landing.truncated:
        return landing.estimated_total
    return landing.results if landing.exported is None else landing.exported


def _estimated(tasks: Iterable[ExportTask], limit: int) -> int | None:
    """Return how many results match by the newest export that is whole, else by the newest that says anything."""
    first = pendulum.DateTime.min.replace(tzinfo=pendulum.UTC)
    newest = sorted(tasks, key=lambda it: (it.status.has_results, it.created or first), reverse=True)
    return next((total for it in newest if (total := it.estimated_total(limit)) is not None), None)


def _uncounted(
    order: ExportOrder, sold: Iterable[Window], known: Mapping[Window, int | None]
) -> tuple[Window, ...]:
    """Return the windows of unknown results that can be counted.

    :param sold: the windows that are bought again.
    """
    now = pendulum.now("UTC")
    unknown = (it for it in sold if known[it] is None)
    return tuple(it for it in unknown if not why_uncountable(replace(order, window=it), now))


def _is_sold(state: WindowState, *, buy_expired: bool) -> bool:
    """Return whether a window that was bought before is bought again."""
    return state is WindowState.PARTIAL or (state is WindowState.EXPIRED and buy_expired)


def known_results(
    order: ExportOrder,
    windows: Iterable[Window],
    exports: Iterable[ExportTask],
    landed: Mapping[str, Manifest],
) -> dict[Window, int | None]:
    """Return how many results match windows that were bought; ``None`` if that is unknown."""
    by_collector: defaultdict[str, list[ExportTask]] = defaultdict(list)
    for task in exports:
        by_collector[task.collector_id or ""].append(task)
    found = {}
    for window in windows:
        collector_id = collector_id_of(replace(order, window=window))
        landing = landed.get(collector_id)
        of_landing = _matches(landing) if landing else None
        found[window] = (
            of_landing if of_landing is not None else _estimated(by_collector[collector_id], order.limit)
        )
    return found


def kept_windows(
    whole: Window,
    states: Mapping[Window, WindowState],
    passed: Mapping[Window, Window],
    *,
    buy_expired: bool = False,
) -> dict[Window, Window]:
    """Return the windows that a plan keeps, and the time that each holds, so that no time is sold twice.

    What is usable is kept, unless windows that are further on or larger hold all of it. What is bought again is kept
    only if it lies apart from those: a part of a window cannot be bought under the name of the whole.

    :param whole: the range.
    :param states: the windows that were bought or landed before, and how far each is; they may overlap, and lie beside
        the range.
    :param passed: of each, the part that had passed when it was ordered; without one, it holds nothing.
    :param buy_expired: whether to buy again what was bought and is lost.
    :returns: in order; they may overlap. What is bought again holds all of its window.
    """
    held = Union()
    kept: dict[Window, Window] = {}
    for window in sorted(passed, key=lambda it: (_RANKS[states[it]], -it.seconds, it.start)):
        state = states[window]
        is_sold = _is_sold(state, buy_expired=buy_expired)
        extent = window if is_sold else passed[window]
        if not extent.overlaps(whole):
            if not is_sold:
                held.add(extent)
        elif not (held.overlaps(extent) if is_sold else held.holds(extent.within(whole))):
            held.add(extent)
            kept[window] = extent
    return dict(sorted(kept.items(), key=lambda it: (it[0].start, -it[0].seconds)))


def _passed(
    order: ExportOrder,
    windows: Iterable[Window],
    exports: Iterable[ExportTask],
    landed: Mapping[str, Manifest],
) -> dict[Window, Window]:
    """Return the part of each window that had passed when its newest export was ordered."""
    newest = newest_by_collector(exports)
    found: dict[Window, Window] = {}
    for window in windows:
        collector_id = collector_id_of(replace(order, window=window))
        task, landing = newest.get(collector_id), landed.get(collector_id)
        moment = (task and task.created) or (landing.ordered_at if landing else None)
        extent = window if moment is None else window.passed_at(moment)
        if extent:
            found[window] = extent
    return found


def is_part_of(order: ExportOrder, collector_id: str) -> bool:
    """Return whether a collector is named for the same scope, query, topics and limit, whatever its window."""
    return match_order(collector_id, [order]) is not None


def window_name(window: Window) -> str:
    """Return what people call a window: ``2024-01``, ``2024-01-31``, ``2024-01-31T05``, or its two ends."""
    start = window.start
    for unit, pattern in (("month", "YYYY-MM"), ("day", "YYYY-MM-DD"), ("hour", "YYYY-MM-DD[T]HH")):
        if start == start.start_of(unit) and window.stop == start.add(**{f"{unit}s": 1}):
            return start.format(pattern)
    return f"{_short_date(start)} to {_short_date(window.stop)}"


def count_states(planned: Plan) -> dict[str, int]:
    """Return the number of windows of a plan by state."""
    return {str(state): number for state, number in Counter(it.state for it in planned.windows).items()}


def _list_collectors(client: TalkwalkerClient) -> frozenset[str] | None:
    try:
        return frozenset(collector.id for collector in client.list_collectors())
    except PermissionDeniedError:
        # a token that may only read is good enough for a plan
        return None


def _short_date(moment: pendulum.DateTime) -> str:
    at_midnight = moment == moment.start_of("day")
    return moment.format("YYYY-MM-DD" if at_midnight else "YYYY-MM-DD[T]HH:mm")
