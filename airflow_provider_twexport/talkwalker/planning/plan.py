"""What buying a range would cost, and what of it was bought before.

How certain the numbers are. A histogram counts what matches at the time of counting. An export differs in three ways:

* It may bring less, and cost less: exports leave out what Talkwalker may not pass on (content of Facebook, Instagram,
  LinkedIn, Reddit, TikTok and others), though a histogram counts it. How much that is, is not published.
* It may bring more: results are indexed after they are published. Of 334 captured results 329 were indexed within a
  day and all within 7 days, so a window that ended 7 days ago is taken as settled, and any other may still bring as
  much as its limit.
* An export reads in batches of 1,000, and one that met its limit of 5,000 reported 6,000 processed. Whether the last
  batch is charged beyond the limit is not documented, so it counts as possible.

So ``credits`` is the price by the count, ``credits_at_most`` adds what the second and third may add, and there is no
lower bound but 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from heapq import heappop, heappush
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import pendulum

from airflow_provider_twexport.talkwalker.models import ExportStatus, credits_text
from airflow_provider_twexport.talkwalker.purchasing.collector_names import (
    collector_id_of,
    fingerprint_in,
    scope_in,
    window_in,
)
from airflow_provider_twexport.talkwalker.purchasing.order_matching import match_order, orders_but_for_blanks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.models import ExportOrder, ExportTask
    from airflow_provider_twexport.talkwalker.planning.remainder import Remainder

READ_BATCH = 1_000
MAX_OVERLAPS = 20
SETTLED_AFTER = pendulum.duration(days=7)


class WindowState(StrEnum):
    """How far the purchase of a window is."""

    NEW = "new"
    RUNNING = "running"
    READABLE = "readable"
    LANDED = "landed"
    TRUNCATED = "truncated"
    PARTIAL = "partial"
    EXPIRED = "expired"

    @property
    def is_to_buy(self) -> bool:
        """Return whether it is bought unless somebody decides otherwise."""
        return self in (WindowState.NEW, WindowState.PARTIAL)

    @property
    def meaning(self) -> str:
        """Return what it means, in a sentence."""
        return _MEANINGS[self]


_MEANINGS = {
    WindowState.NEW: "not bought yet",
    WindowState.RUNNING: "an export of it is queued or running; it is adopted, not bought",
    WindowState.READABLE: "bought, and can be read from its collector without paying",
    WindowState.LANDED: "bought and landed",
    WindowState.TRUNCATED: "bought, but more matches than its limit allowed; the remainder can be bought",
    WindowState.PARTIAL: "its export broke off, and what it had exported has landed; the remainder comes with the "
    "whole window only, because results are not in the order of time",
    WindowState.EXPIRED: "bought, but neither landed completely nor readable any more; to get it, pay again",
}


@dataclass(frozen=True, slots=True)
class PlannedWindow:
    """One window of a plan.

    :param window: the time of publication.
    :param collector_id: the collector that operators use for the same window, scope and limit.
    :param fingerprint: the hash of all of these.
    :param state: how far its purchase is.
    :param export_id: the export that was bought for it.
    :param expected: how many results match; ``None`` where they cannot be counted.
    :param limit: how many of them an export may bring.
    :param credits: what buying it would cost; 0 where nothing is left to buy, its limit where it cannot be counted.
    :param credits_at_most: what it could cost; the module's docstring says why.
    :param overlaps: collectors of the same project or stream that hold some of the same time under another name: split
        differently, with another limit, query or topics. They may hold the same results, which would be paid for twice.
        At most ``MAX_OVERLAPS`` are named.
    :param but_for_blanks: those of them whose query differs by blanks only, as far as that is known.
    :param remainder_of: collectors whose landings hold some of its results; the truncated one is the last.
    :param remainder_windows: in how many windows the remainder of that one is planned.
    :param repeats: about how many of its results have landed; they are paid for again, and excluded when it lands.
    :param cumulative: credits of this window and those before it.
    :param balance_after: credits left on the account after it; below 0 where they are not enough, ``UNLIMITED``, or
        ``None`` where the service does not say.
    """

    window: Window
    collector_id: str
    fingerprint: str
    state: WindowState
    export_id: str | None
    expected: int | None
    limit: int
    credits: int
    credits_at_most: int
    overlaps: tuple[str, ...] = ()
    but_for_blanks: tuple[str, ...] = ()
    remainder_of: tuple[str, ...] = ()
    remainder_windows: int = 0
    repeats: int = 0
    cumulative: int = 0
    balance_after: float | None = 0

    @property
    def meets_limit(self) -> bool:
        """Return whether an export of it that is still to be bought would be truncated, by the count."""
        return self.credits > 0 and self.expected is not None and self.expected > self.limit

    def to_json(self) -> dict[str, Any]:
        """Return what :func:`json.dumps` takes."""
        return {
            **self.window.to_json(),
            "collector_id": self.collector_id,
            "fingerprint": self.fingerprint,
            "state": str(self.state),
            "export_id": self.export_id,
            "expected": self.expected,
            "limit": self.limit,
            "meets_limit": self.meets_limit,
            "credits": self.credits,
            "credits_at_most": self.credits_at_most,
            "overlaps": list(self.overlaps),
            "but_for_blanks": list(self.but_for_blanks),
            "remainder_of": list(self.remainder_of),
            "remainder_windows": self.remainder_windows,
            "repeats": self.repeats,
            "cumulative": self.cumulative,
            "balance_after": _finite(self.balance_after),
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What a range would cost, window by window.

    :param windows: in order.
    :param balance: credits on the account, after counting; ``UNLIMITED``, or ``None`` where the service does not say.
    :param counting_credits: credits that counting has cost.
    """

    windows: tuple[PlannedWindow, ...]
    balance: float | None
    counting_credits: int = 0

    @property
    def expected(self) -> int | None:
        """Return how many results all windows are expected to bring; ``None`` if that is unknown for one."""
        known = [window.expected for window in self.windows if window.expected is not None]
        return sum(known) if len(known) == len(self.windows) else None

    @property
    def credits(self) -> int:
        """Return what buying everything that is missing would cost."""
        return sum(window.credits for window in self.windows)

    @property
    def credits_at_most(self) -> int:
        """Return what it could cost."""
        return sum(window.credits_at_most for window in self.windows)

    @property
    def repeats(self) -> int:
        """Return about how many credits would pay again for results that have landed."""
        return sum(min(window.repeats, window.credits) for window in self.windows)

    @property
    def balance_after(self) -> float | None:
        """Return the credits that would be left on the account; below 0 where they are not enough."""
        return None if self.balance is None else self.balance - self.credits

    @property
    def affordable(self) -> int:
        """Return how many windows, from the first, the balance is enough for, whatever they turn out to cost."""
        if self.balance is None:
            return 0
        worst = accumulate(window.credits_at_most for window in self.windows)
        return sum(cost <= self.balance for cost in worst)

    @property
    def uncertainty(self) -> str:
        """Return how far the price can be trusted, in a few sentences."""
        more = self.credits_at_most - self.credits
        unknown = sum(window.expected is None and window.credits > 0 for window in self.windows)
        sentences = [
            f"By the count it is {self.credits:,} credits; it can be up to {more:,} more.",
            "It can be less, without a known bound: exports leave out what Talkwalker may not pass on, though the "
            "histogram counts it.",
        ]
        if unknown:
            sentences.append(f"Of {unknown:,} windows the volume is unknown; each is priced at its limit.")
        if self.repeats:
            sentences.append(
                f"About {self.repeats:,} credits of it pay again for results that have landed: nobody can know which "
                "results of an export are missing, so each day that lacks some is bought completely."
            )
        return " ".join(sentences)

    def to_json(self) -> dict[str, Any]:
        """Return what :func:`json.dumps` takes."""
        return {
            "windows": [window.to_json() for window in self.windows],
            "expected": self.expected,
            "credits": self.credits,
            "credits_at_most": self.credits_at_most,
            "repeats": self.repeats,
            "uncertainty": self.uncertainty,
            "counting_credits": self.counting_credits,
            "balance": _finite(self.balance),
            "balance_after": _finite(self.balance_after),
            "balance_text": credits_text(self.balance),
            "balance_after_text": credits_text(self.balance_after),
        }


@dataclass(frozen=True, slots=True)
class _Facts:
    task: ExportTask | None
    landing: Manifest | None
    collector_is_gone: bool
    is_readable: bool
    now: pendulum.DateTime

    @property
    def is_running(self) -> bool:
        """Return whether an export may still write.

        :raises UnexpectedResponseError: if its status is undocumented.
        """
        if self.task is None:
            return False
        self.task.check_status()
        return self.task.is_unfinished

    @property
    def is_forgotten(self) -> bool:
        """Return whether the service has forgotten the results, unless somebody has just read some of them."""
        if self.task is None or self.collector_is_gone:
            return True
        return self.task.may_be_lost(self.now) and not self.is_readable

    @property
    def broke_off(self) -> bool:
        """Return whether what has landed is all that an aborted or failed export brought."""
        status = self.landing.source.get("status") if self.landing else None
        return status in (ExportStatus.ABORTED, ExportStatus.FAILED, ExportStatus.DELETED)


# the first rule that holds decides
_RULES: tuple[tuple[WindowState, Callable[[_Facts], bool]], ...] = (
    (WindowState.TRUNCATED, lambda it: bool(it.landing and it.landing.complete and it.landing.truncated)),
    (WindowState.LANDED, lambda it: bool(it.landing and it.landing.complete)),
    (WindowState.NEW, lambda it: it.task is None and it.landing is None),
    (WindowState.RUNNING, lambda it: it.is_running),
    (WindowState.PARTIAL, lambda it: it.task is None and it.broke_off),
    (WindowState.EXPIRED, lambda it: it.is_forgotten),
    (WindowState.TRUNCATED, lambda it: bool(it.task and it.task.status.is_truncated)),
    (WindowState.READABLE, lambda it: True),
)


def window_states(
    order: ExportOrder,
    windows: Iterable[Window],
    *,
    exports: Iterable[ExportTask],
    landed: Callable[[str], Manifest | None],
    collectors: Collection[str] | None,
    now: pendulum.DateTime,
) -> dict[Window, WindowState]:
    """Return how far the purchase of each window is; the parameters are those of :func:`plan`.

    :raises UnexpectedResponseError: if an export of one of the windows has an undocumented status.
    """
    bought = newest_by_collector(exports)
    return {
        window: _state_of(collector_id_of(replace(order, window=window)), bought, landed, collectors, (), now)
        for window in windows
    }


def _state_of(
    collector_id: str,
    bought: Mapping[str, ExportTask],
    landed: Callable[[str], Manifest | None],
    collectors: Collection[str] | None,
    readable: Collection[str],
    now: pendulum.DateTime,
) -> WindowState:
    gone = collectors is not None and collector_id not in collectors
    return _state(_Facts(bought.get(collector_id), landed(collector_id), gone, collector_id in readable, now))


def plan(
    order: ExportOrder,
    expected: Iterable[tuple[Window, int | None]],
    *,
    exports: Iterable[ExportTask],
    balance: float | None,
    landed: Callable[[str], Manifest | None] = lambda collector_id: None,
    landed_ids: Iterable[str] = (),
    collectors: Collection[str] | None = None,
    readable: Collection[str] = (),
    counting_credits: int = 0,
    buy_expired: bool = False,
    remainders: Mapping[Window, Remainder] | None = None,
    now: pendulum.DateTime | None = None,
) -> Plan:
    """Return what the windows would cost; makes no calls.

    :param order: scope and limit of each export; its own window does not matter.
    :param expected: the windows in order, each with the results it is expected to bring, ``None`` if unknown.
    :param exports: the service's list of exports.
    :param balance: credits on the account after counting; ``None`` if unknown.
    :param landed: returns what has landed of a collector, such as the ``get`` of a dict.
    :param landed_ids: collectors that something has landed of, also of other windows; overlaps with them are reported.
    :param collectors: ids of the collectors that exist; a finished export whose collector is gone counts as expired.
        ``None`` if unknown.
    :param readable: collectors whose 7 days have passed and that can be read all the same.
    :param counting_credits: credits spent on counting.
    :param buy_expired: whether to buy again what was bought and is lost.
    :param remainders: those windows that belong to the remainder of truncated landings.
    :param now: the present moment; by default the clock's.
    :raises UnexpectedResponseError: if an export of one of the windows has an undocumented status.
    """
    now = now or pendulum.now("UTC")
    settled_since = now - SETTLED_AFTER
    bought = newest_by_collector(exports)
    priced = []
    for window, results in expected:
        part = replace(order, window=window)
        collector_id = collector_id_of(part)
        task = bought.get(collector_id)
        state = _state_of(collector_id, bought, landed, collectors, readable, now)
        buy = state.is_to_buy or (buy_expired and state is WindowState.EXPIRED)
        may_grow = results is None or window.stop > settled_since
        found = _priced(part, collector_id, state, task, results, buy=buy, may_grow=may_grow)
        remainder = (remainders or {}).get(window)
        priced.append(_as_remainder(found, remainder) if remainder else found)
    landings = {each: landed(each) for each in landed_ids}
    alike = orders_but_for_blanks(order, (it.source for it in landings.values() if it))
    _with_overlaps(priced, {*bought, *landings}, alike)
    _with_balances(priced, balance)
    return Plan(tuple(priced), balance, counting_credits)


def _priced(
    order: ExportOrder,
    collector_id: str,
    state: WindowState,
    task: ExportTask | None,
    results: int | None,
    *,
    buy: bool,
    may_grow: bool,
) -> PlannedWindow:
    price = order.limit if results is None else min(results, order.limit)
    may_meet_limit = may_grow or price == order.limit
    at_most = order.limit + READ_BATCH if may_meet_limit else price
    return PlannedWindow(
        window=order.window,
        collector_id=collector_id,
        fingerprint=fingerprint_in(collector_id) or "",
        state=state,
        export_id=task.id if task else None,
        expected=results,
        limit=order.limit,
        credits=price if buy else 0,
        credits_at_most=at_most if buy else 0,
    )


def _as_remainder(planned: PlannedWindow, remainder: Remainder) -> PlannedWindow:
    return replace(
        planned,
        remainder_of=remainder.collector_ids,
        remainder_windows=remainder.windows,
        repeats=remainder.repeats,
    )


def _state(facts: _Facts) -> WindowState:
    return next(state for state, holds in _RULES if holds(facts))


def newest_by_collector(exports: Iterable[ExportTask]) -> dict[str, ExportTask]:
    """Return the newest paid export into each collector: an older one was cleared away for it."""
    paid = [task for task in exports if task.collector_id and task.is_adoptable]
    paid.sort(key=lambda task: (task.created or pendulum.DateTime.max, task.id))
    return {task.collector_id or "": task for task in paid}


def _with_overlaps(
    windows: list[PlannedWindow], known: Iterable[str], alike: Collection[ExportOrder]
) -> None:
    """Add to the windows to buy the other collectors that hold some of their time; one pass over both.

    :param alike: orders whose query differs by blanks only.
    """
    is_alike = cache(lambda collector_id: bool(alike) and match_order(collector_id, alike) is not None)
    # what a plan buys lies apart from all else in it, so only names from elsewhere matter
    others = set(known) - {planned.collector_id for planned in windows}
    scopes = {scope_in(planned.collector_id) for planned in windows}
    held = [
        _NamedWindow(named[1], it) for it in others if (named := window_in(it)) and scope_in(it) in scopes
    ]
    held.sort(reverse=True, key=lambda it: (it.window.start, it.collector_id))
    current: dict[str, Window] = {}
    ends: list[tuple[float, str]] = []
    for place, planned in enumerate(windows):
        while held and held[-1].window.start < planned.window.stop:
            window, collector_id = held.pop()
            current[collector_id] = window
            heappush(ends, (window.stop.timestamp(), collector_id))
        while ends and ends[0][0] <= planned.window.start.timestamp():
            del current[heappop(ends)[1]]
        if current and planned.credits_at_most:
            overlaps = _overlaps(planned, current, is_alike)
            windows[place] = replace(
                planned, overlaps=overlaps, but_for_blanks=tuple(filter(is_alike, overlaps))
            )


class _NamedWindow(NamedTuple):
    window: Window
    collector_id: str


def _overlaps(
    planned: PlannedWindow, current: Mapping[str, Window], is_alike: Callable[[str], bool]
) -> tuple[str, ...]:
    """Return some of the other collectors that hold some of a window, those of nearly the same query first."""
    others = [
        collector_id
        for collector_id, window in current.items()
        if window.overlaps(planned.window) and collector_id not in planned.remainder_of
    ]
    return tuple(sorted(others, key=lambda it: not is_alike(it))[:MAX_OVERLAPS])


def _with_balances(windows: list[PlannedWindow], balance: float | None) -> None:
    cumulative = 0
    for place, window in enumerate(windows):
        cumulative += window.credits
        after = None if balance is None else balance - cumulative
        windows[place] = replace(window, cumulative=cumulative, balance_after=after)


def _finite(number: float | None) -> float | None:
    return None if number is None or math.isinf(number) else number
