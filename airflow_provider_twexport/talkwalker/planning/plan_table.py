"""A plan as a table of text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_twexport.core.text_table import aligned, edges
from airflow_provider_twexport.talkwalker.models import MAX_LIMIT, UNLIMITED, credits_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_twexport.talkwalker.planning.plan import Plan, PlannedWindow

_HEADS = ("window", "state", "expected", "credits", "cumulative", "balance after", "collector")
_SIDES = "<<>>>><"
_SECONDS = {"week": 604_800, "day": 86_400, "hour": 3_600}


def table(plan: Plan) -> str:
    """Return the plan for people: a line for each window, then the totals.

    :param plan: the plan.
    """
    return "\n".join([*aligned(_Rows(plan), _SIDES), "", *_totals(plan)])


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a plan, made as they are needed: there may be hundreds of thousands."""

    plan: Plan

    def __len__(self) -> int:
        return len(self.plan.windows) + 1

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        yield _HEADS
        yield from map(_row, self.plan.windows)

    def __contains__(self, row: object) -> bool:
        return any(row == it for it in self)


def _row(planned: PlannedWindow) -> tuple[str, ...]:
    return (
        edges(planned.window),
        planned.state
        + ("!" if planned.meets_limit else "")
        + ("*" if planned.overlaps else "")
        + ("+" if planned.remainder_of else ""),
        "?" if planned.expected is None else f"{planned.expected:,}",
        f"{planned.credits:,}",
        f"{planned.cumulative:,}",
        credits_text(planned.balance_after),
        planned.collector_id,
    )


def _totals(plan: Plan) -> list[str]:
    states = Counter(window.state for window in plan.windows)
    lines = [f"{count:,} {state}: {state.meaning}." for state, count in states.items()]
    if limited := [window for window in plan.windows if window.meets_limit]:
        lines.append(f"{len(limited):,} marked !: more matches than one export may bring. {_advice(limited)}")
    if overlapping := sum(bool(window.overlaps) for window in plan.windows):
        lines.append(
            f"{overlapping:,} marked *: exports of the same scope hold some of that time, split differently or with "
            "another limit, query or topics. Where query and topics are the same, plan with their windows and limit "
            "instead: otherwise results are paid for twice."
        )
    if alike := [each for window in plan.windows for each in window.but_for_blanks]:
        lines.append(
            f"{len(alike):,} of those exports differ by blanks in the query only, such as {alike[0]}. Write the query "
            "as it was ordered to use them: otherwise the same results are paid for twice."
        )
    if remainders := sum(bool(window.remainder_of) for window in plan.windows):
        lines.append(f"{remainders:,} marked +: the remainder of exports that landed truncated.")
    lines.append(plan.uncertainty)
    lines.append(f"Counting has cost {plan.counting_credits:,} credits.")
    if plan.balance is None or plan.balance == UNLIMITED:
        lines.append(f"Balance: {credits_text(plan.balance)}.")
    else:
        lines.append(
            f"Balance {plan.balance:,} credits, {credits_text(plan.balance_after)} after buying by the count."
        )
    if plan.balance is not None and plan.affordable < len(plan.windows):
        lines.append(
            f"It is surely enough for the first {plan.affordable:,} of {len(plan.windows):,} windows only."
        )
    return lines


def _advice(limited: Sequence[PlannedWindow]) -> str:
    """Return what brings all matches of windows above their limit, and can be done."""
    ways = []
    if any(it.limit < MAX_LIMIT for it in limited):
        ways.append(f"raise limit, up to {MAX_LIMIT:,}")
    longest = max(it.window.seconds for it in limited)
    if smaller := [unit for unit, seconds in _SECONDS.items() if seconds < longest]:
        ways.append(f"split by {' or '.join(smaller)}")
    ways.append("narrow the query or the topics")
    text = "; or ".join(ways)
    return f"{text[0].upper()}{text[1:]}."
