"""The demo's report: a line for each month."""

from collections.abc import Sequence

from demo.backfill import Outcome

HEADINGS = ("month", "exported", "landed", "credits", "where")


def table(outcomes: Sequence[Outcome]) -> str:
    """Return an aligned table; numbers are aligned right."""
    rows = [HEADINGS, *(_row(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join("  " + "  ".join(_aligned(row, widths)).rstrip() for row in rows)


def verdict(outcomes: Sequence[Outcome]) -> str:
    """Return one sentence if every month landed, else one for each problem."""
    problems = [f"{outcome.month}: {outcome.problem}." for outcome in outcomes if outcome.problem]
    return "\n".join(problems) or "Every month landed completely."


def _row(outcome: Outcome) -> tuple[str, ...]:
    numbers = (outcome.exported, outcome.landed, outcome.credits)
    window = f"{outcome.month.start:%Y-%m-%d} .. {outcome.month.stop:%Y-%m-%d}"
    return (window, *("-" if number is None else f"{number:,}" for number in numbers), outcome.where or "-")


def _aligned(row: tuple[str, ...], widths: Sequence[int]) -> list[str]:
    first, last = 0, len(row) - 1
    return [
        cell.ljust(width) if column in (first, last) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
