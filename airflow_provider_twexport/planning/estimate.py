"""What of a range is there already, and what the rest of it would cost.

Time that was bought before keeps the windows it was bought in, however the range is split now: a histogram that counts
a little more today would else move the edges of windows, and what lies between old and new ones would be paid twice.
Looking at what was bought is free; only the rest is counted, and that costs credits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_twexport.clients.window import Window
from airflow_provider_twexport.planning.counting import count, price_of_counting
from airflow_provider_twexport.planning.fingerprint import collector_id
from airflow_provider_twexport.planning.plan import PlannedWindow, WindowState, plan
from airflow_provider_twexport.planning.recognition import recognized
from airflow_provider_twexport.planning.splitting import HEADROOM, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pendulum

    from airflow_provider_twexport.clients.talkwalker import ExportOrder, ExportTask, TalkwalkerClient
    from airflow_provider_twexport.planning.plan import Landing, Plan
    from airflow_provider_twexport.planning.splitting import SplitBy


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of a range before anything is spent.

    :param order: the range as its window, the scope, and the limit of each export.
    :param by: how the rest is split.
    :param exports: the service's list of exports.
    :param collectors: ids of the collectors that exist.
    :param landed: what has landed, by collector.
    :param kept: the windows of the range that were bought or landed before, in order and apart.
    :param gaps: what lies between them.
    :param buy_expired: whether what was bought, but is lost, is to be bought again.
    """

    order: ExportOrder
    by: SplitBy
    exports: Sequence[ExportTask]
    collectors: frozenset[str]
    landed: Mapping[str, Landing]
    kept: tuple[Window, ...]
    gaps: tuple[Window, ...]
    buy_expired: bool = False

    @property
    def price(self) -> int:
        """Return the credits that :meth:`priced` spends; with ``auto`` the least."""
        return sum(price_of_counting(gap, self.by) for gap in self.gaps)

    def known_todo(self) -> int:
        """Count the windows that need something, as far as is known; with ``auto``, those bought before only."""
        pieces = [] if self.by == "auto" else [part for gap in self.gaps for part in split(gap, self.by)]
        unpriced = self._plan([(window, None) for window in [*self.kept, *pieces]], balance=0)
        return len(self.todo(unpriced))

    def priced(
        self, client: TalkwalkerClient, headroom: float = HEADROOM, now: pendulum.DateTime | None = None
    ) -> Plan:
        """Count what was not bought before, 10 credits a request, and return what it all would cost.

        :param client: who is asked.
        :param headroom: with ``auto``, the share of the limit to keep free for results that are indexed later.
        :param now: the present moment; by default the clock's.
        """
        counts = [count(client, replace(self.order, window=gap), self.by, headroom) for gap in self.gaps]
        new = [part for counted in counts for part in counted.windows]
        windows = [*((window, self._known_results(window)) for window in self.kept), *new]
        return self._plan(
            windows,
            balance=client.get_credits().remaining,
            asked_credits=sum(counted.asked_credits for counted in counts),
            now=now,
        )

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
        name = collector_id(replace(self.order, window=window))
        landing = self.landed.get(name)
        if landing and landing.complete:
            return landing.results
        told = [task.estimated_total(self.order.limit) for task in self.exports if task.target == name]
        return told[-1] if told else None

    def _plan(
        self,
        windows: Iterable[tuple[Window, int | None]],
        *,
        balance: int,
        asked_credits: int = 0,
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
            now=now,
        )


def survey(
    client: TalkwalkerClient,
    order: ExportOrder,
    by: SplitBy = "auto",
    *,
    landed: Mapping[str, Landing] | None = None,
    buy_expired: bool = False,
) -> Survey:
    """Look at what there is of a range, for free.

    :param client: who is asked for exports and collectors.
    :param order: the range as its window, the scope, and the limit of each export.
    :param by: ``month``, ``week``, ``day``, ``hour``, or ``auto`` for as few windows as stay below the limit.
    :param landed: manifests of what has landed, by collector.
    :param buy_expired: whether what was bought, but is lost, is to be bought again.
    """
    landings = landed or {}
    exports = client.list_exports()
    collectors = frozenset(collector.id for collector in client.list_collectors())
    bought = {task.target for task in exports if task.target and task.is_adoptable}
    kept = windows_bought(order, bought | set(landings))
    gaps = tuple(_between(order.window, kept))
    return Survey(order, by, exports, collectors, landings, kept, gaps, buy_expired)


def is_part_of(order: ExportOrder, name: str) -> bool:
    """Tell whether a collector is named for the same scope, query, topics and limit, whatever its window."""
    return recognized(name, [order]) is not None


def windows_bought(order: ExportOrder, names: Iterable[str]) -> tuple[Window, ...]:
    """Return the windows, within the order's or across its edges, that collectors of the same content were named for.

    :param order: the range as its window, scope and limit.
    :param names: collectors of whatever content.
    :returns: in order and apart; of two that overlap, the one that begins earlier, else the longer one.
    """
    told = [part.window for name in names if (part := recognized(name, [order]))]
    inside = [it for it in told if it.start < order.window.stop and it.stop > order.window.start]
    apart: list[Window] = []
    for window in sorted(inside, key=lambda it: (it.start, -it.stop.timestamp())):
        if not apart or window.start >= apart[-1].stop:
            apart.append(window)
    return tuple(apart)


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


def _moment(moment: pendulum.DateTime) -> str:
    at_midnight = moment == moment.start_of("day")
    return moment.format("YYYY-MM-DD" if at_midnight else "YYYY-MM-DD[T]HH:mm")


def _between(whole: Window, kept: Iterable[Window]) -> Iterable[Window]:
    start = whole.start
    for window in kept:
        if start < window.start:
            yield Window(start, window.start)
        start = max(start, window.stop)
    if start < whole.stop:
        yield Window(start, whole.stop)
