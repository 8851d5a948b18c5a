"""Which months the demo exports."""

from datetime import UTC, datetime

from demo.months import Month, last_full_months


def test_the_last_months_that_have_ended() -> None:
    """The current month has not ended; the turn of the year is nothing special."""
    assert [str(month) for month in last_full_months(3, datetime(2026, 2, 28, tzinfo=UTC))] == [
        "2025-11",
        "2025-12",
        "2026-01",
    ]


def test_a_month_ends_where_the_next_begins() -> None:
    """Windows are half-open."""
    assert Month(2025, 12).stop == Month(2026, 1).start == datetime(2026, 1, 1, tzinfo=UTC)
