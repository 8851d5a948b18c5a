"""What of a range is there already, and what the rest of it would cost.

Time that was bought before keeps the windows it was bought in, however the range is split now: a histogram that counts
a little more today would else move the edges of windows, and what lies between old and new ones would be paid twice.
Looking at what was bought is free; only what was not is counted, and that costs credits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.exceptions import PermissionDeniedError
from airflow_provider_twexport.talkwalker.histogram import why_uncountable
from airflow_provider_twexport.talkwalker.planning.plan import PlannedWindow, WindowState, plan
from airflow_provider_twexport.talkwalker.planning.remainder import Remainder, landed_in, remainder_of, unfold
from airflow_provider_twexport.talkwalker.planning.splitting import HEADROOM, between, split
from airflow_provider_twexport.talkwalker.planning.volume_counts import count, price_of_counting
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from airflow_provider_twexport.talkwalker.purchasing.order_matching import recognized, windows_bought

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder, ExportTask
    from airflow_provider_twexport.talkwalker.planning.plan import Plan
    from airflow_provider_twexport.talkwalker.planning.remainder import Dated, Truncated
    from airflow_provider_twexport.talkwalker.planning.splitting import SplitBy


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of a range before anything is spent.

    :param order: the range as its window, the scope, and the limit of each export.
    :param by: how the rest is split.
    :param exports: the service's list of exports.
    :param collectors: ids of the collectors that exist; ``None`` where the token may not ask.
    :param landed: what has landed, by collector.
    :param kept: the windows of the range that were bought or landed before, in order and apart.
    :param gaps: what lies between them.
    :param buy_expired: whether what was bought, but is lost, is to be bought again.
    :param truncated: of those kept, and of the windows of their rest, those that landed truncated.
    :param dates: tells the dates of a collector's landing.
    """

    order: ExportOrder
    by: SplitBy
    exports: Sequence[ExportTask]
    collectors: frozenset[str] | None
    landed: Mapping[str, Manifest]
    kept: tuple[Window, ...]
    gaps: tuple[Window, ...]
    buy_expired: bool = False
    truncated: tuple[Truncated, ...] = ()
    dates: Callable[[str], Dated] | None = None

    @property
    def price(self) -> int:
        """Return the credits that :meth:`priced` spends; with ``auto``, and for a rest, the least."""
        now = pendulum.now("UTC")
        countable = [gap for gap in self.gaps if not why_uncountable(replace(self.order, window=gap), now)]
        return sum(price_of_counting(gap, self.by) for gap in countable) + sum(
            part.price_of_counting(self.order) for part in self.truncated
        )

    def known_todo(self) -> int:
        """Count the windows that need something, as far as is known; with ``auto``, those bought before only."""
        pieces = [] if self.by == "auto" else [part for gap in self.gaps for part in split(gap, self.by)]
        replaced = {part.window for part in self.truncated}
        bought = [window for part in self.truncated for window in part.bought]
        windows = {*self.kept, *pieces, *bought} - replaced
        unpriced = self._plan([(window, None) for window in windows], balance=0)
        return len(self.todo(unpriced))

    def priced(
        self, client: TalkwalkerClient, headroom: float = HEADROOM, now: pendulum.DateTime | None = None
    ) -> Plan:
        """Count what was not bought before, 10 credits a request, and return what it all would cost.

        What landed truncated is replaced by the windows of its rest, unless it has none.

        :param client: who is asked.
        :param headroom: with ``auto``, the share of the limit to keep free for results that are indexed later.
        :param now: the present moment; by default the clock's.
        """
        # what may fail for free comes first
        dates = self._dates_of_truncated()
        counts = [count(client, replace(self.order, window=gap), self.by, headroom) for gap in self.gaps]
        windows: dict[Window, int | None] = {window: self._known_results(window) for window in self.kept}
        windows.update(part for counted in counts for part in counted.windows)
        asked = sum(counted.asked_credits for counted in counts)
        rests: dict[Window, Remainder] = {}
        for part, dated in dates.items():
            rest = remainder_of(client, self.order, part, dated, headroom)
            asked += rest.asked_credits
            found = dict(rest.windows) | {window: self._known_results(window) for window in part.bought}
            if found:
                del windows[part.window]
                rests.pop(part.window, None)
            windows.update(found)
            rests |= {it: Remainder(part.collectors, len(found), landed_in(it, dated)) for it in found}
        return self._plan(
            windows.items(),
            balance=client.get_credits().remaining,
            asked_credits=asked,
            rests=rests,
            now=now,
        )

    def _dates_of_truncated(self) -> dict[Truncated, list[Dated]]:
        """Return the dates of what landed of each truncated window; none where its rest is known without them."""
        if self.dates is None:
            return {}
        dates = cache(self.dates)
        return {
            part: [] if part.is_known else [dates(name) for name in part.collectors]
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

    def _known_results(self, window: Window) -> int | None:
        """Return what an export that was bought has brought, or is said to bring."""
        name = collector_id_of(replace(self.order, window=window))
        landing = self.landed.get(name)
        if landing and landing.complete:
            return landing.results
        told = [task.estimated_total(self.order.limit) for task in self.exports if task.collector_id == name]
        return told[-1] if told else None

    def _plan(
        self,
        windows: Iterable[tuple[Window, int | None]],
        *,
        balance: int,
        asked_credits: int = 0,
        rests: Mapping[Window, Remainder] | None = None,
        now: pendulum.DateTime | None = None,
    ) -> Plan:
        return plan(
            self.order,
            sorted(windows, key=lambda part: part[0].start),
            exports=self.exports,
            balance=balance,
            landed=self.landed.get,
            collectors=self.collectors,
            asked_credits=asked_credits,
            buy_expired=self.buy_expired,
            rests=rests,
            now=now,
        )


def survey(
    client: TalkwalkerClient,
    order: ExportOrder,
    by: SplitBy = "auto",
    *,
    landed: Mapping[str, Manifest] | None = None,
    buy_expired: bool = False,
    dates: Callable[[str], Dated] | None = None,
) -> Survey:
    """Look at what there is of a range, for free.

    :param client: who is asked for exports and collectors.
    :param order: the range as its window, the scope, and the limit of each export.
    :param by: ``month``, ``week``, ``day``, ``hour``, or ``auto`` for as few windows as stay below the limit.
    :param landed: manifests of what has landed, by collector.
    :param buy_expired: whether what was bought, but is lost, is to be bought again.
    :param dates: tells the dates of a collector's landing; with it, what landed truncated is replaced by the windows of
        its rest.
    """
    landings = landed or {}
    exports = client.list_exports()
    collectors = _collectors(client)
    bought = {task.collector_id for task in exports if task.collector_id and task.is_adoptable}
    names = bought | set(landings)
    kept = windows_bought(order, names)
    gaps = tuple(between(order.window, kept))
    truncated = [part for window in kept for part in unfold(order, window, landings, names)] if dates else []
    return Survey(order, by, exports, collectors, landings, kept, gaps, buy_expired, tuple(truncated), dates)


def is_part_of(order: ExportOrder, name: str) -> bool:
    """Tell whether a collector is named for the same scope, query, topics and limit, whatever its window."""
    return recognized(name, [order]) is not None


def window_name(window: Window) -> str:
    """Return what people call a window: ``2024-01``, ``2024-01-31``, ``2024-01-31T05``, or its two ends."""
    start = window.start
    for unit, pattern in (("month", "YYYY-MM"), ("day", "YYYY-MM-DD"), ("hour", "YYYY-MM-DD[T]HH")):
        if start == start.start_of(unit) and window.stop == start.add(**{f"{unit}s": 1}):
            return start.format(pattern)
    return f"{_moment(start)} to {_moment(window.stop)}"


def states(planned: Plan) -> dict[str, int]:
    """Count the windows of a plan by state."""
    return {str(state): number for state, number in Counter(it.state for it in planned.windows).items()}


def _collectors(client: TalkwalkerClient) -> frozenset[str] | None:
    try:
        return frozenset(collector.id for collector in client.list_collectors())
    except PermissionDeniedError:
        # a token that may only read is good enough for a plan
        return None


def _moment(moment: pendulum.DateTime) -> str:
    at_midnight = moment == moment.start_of("day")
    return moment.format("YYYY-MM-DD" if at_midnight else "YYYY-MM-DD[T]HH:mm")
