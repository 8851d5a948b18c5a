"""The table that ends the demo."""

from demo.backfill import Outcome
from demo.months import Month
from demo.report import table, verdict

LANDED = Outcome(month=Month(2026, 8), exported=3721, landed=3721, credits=3721, where="/lake/2026-08")
FAILED = Outcome(month=Month(2026, 9), problem="task export.create_export failed; its log is /logs/1.log")


def test_a_line_for_each_month_with_numbers_under_each_other() -> None:
    """Missing numbers are dashes."""
    assert table([LANDED, FAILED]).splitlines() == [
        "  month                     exported  landed  credits  where",
        "  2026-08-01 .. 2026-09-01     3,721   3,721    3,721  /lake/2026-08",
        "  2026-09-01 .. 2026-10-01         -       -        -  -",
    ]


def test_the_verdict_names_each_month_with_a_problem() -> None:
    """Only problems are listed."""
    assert verdict([LANDED]) == "Every month landed completely."
    assert verdict([LANDED, FAILED]) == "2026-09: task export.create_export failed; its log is /logs/1.log."
