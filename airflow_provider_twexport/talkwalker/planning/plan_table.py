"""A plan as a table of text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from airflow_provider_twexport.core.text_table import aligned, edges

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.planning.plan import Plan, PlannedWindow

_HEADS = ("window", "state", "expected", "credits", "cumulative", "balance after", "collector")
_SIDES = "<<>>>><"


def table(plan: Plan) -> str:
    """Return the plan for people: a line for each window, then the totals.

    :param plan: the plan.
    """
    return "\n".join([*aligned([_HEADS, *map(_row, plan.windows)], _SIDES), "", *_totals(plan)])


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
        f"{planned.balance_after:,}",
        planned.collector_id,
    )


def _totals(plan: Plan) -> list[str]:
    states = Counter(window.state for window in plan.windows)
    lines = [f"{count:,} {state}: {state.meaning}." for state, count in states.items()]
    if limited := sum(window.meets_limit for window in plan.windows):
        lines.append(f"{limited:,} marked !: more matches than one export may bring. Split by less, or auto.")
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
    lines.append(f"Balance {plan.balance:,} credits, {plan.balance_after:,} after buying by the count.")
    if plan.affordable < len(plan.windows):
        lines.append(
            f"It is surely enough for the first {plan.affordable:,} of {len(plan.windows):,} windows only."
        )
    return lines
