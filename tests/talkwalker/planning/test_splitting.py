"""Splitting a range into windows."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import get_args

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_twexport.core.window import CalendarUnit, Window
from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.talkwalker.histogram import Volume
from airflow_provider_twexport.talkwalker.planning.splitting import (
    expected_in,
    refined,
    split,
    split_by_volume,
)

NEW_YEAR = pendulum.datetime(2024, 1, 1)
UNITS = get_args(CalendarUnit)


def days(*counts: int) -> list[Volume]:
    """Days from New Year on, with what each is expected to bring."""
    return [
        Volume(Window(NEW_YEAR.add(days=place), NEW_YEAR.add(days=place + 1)), count)
        for place, count in enumerate(counts)
    ]


@st.composite
def ranges(draw: st.DrawFn) -> Window:
    """Ranges that begin and end anywhere, up to about 80 days long."""
    start = NEW_YEAR.add(seconds=draw(st.integers(-(10**8), 10**8)))
    return Window(start, start.add(seconds=draw(st.integers(1, 7_000_000))))


@given(ranges(), st.sampled_from(UNITS))
def test_windows_tile_the_range(window: Window, by: CalendarUnit) -> None:
    """Windows cover the range without gap or overlap, and all inner edges are the calendar's."""
    windows = split(window, by)
    assert [windows[0].start, windows[-1].stop] == [window.start, window.stop]
    assert all(earlier.stop == later.start for earlier, later in pairwise(windows))
    assert all(one.start == one.start.start_of(by) for one in windows[1:])
    assert all(one.stop <= one.start.start_of(by).add(**{f"{by}s": 1}) for one in windows)


@pytest.mark.parametrize(("by", "count"), [("month", 12), ("week", 53), ("day", 366), ("hour", 8784)])
def test_a_year(by: CalendarUnit, count: int) -> None:
    """2024 was a leap year that began on a Monday."""
    assert len(split(Window(NEW_YEAR, NEW_YEAR.add(years=1)), by)) == count


def test_weeks_begin_on_monday_and_days_in_utc() -> None:
    """A range in another time zone is split at the edges of UTC."""
    start = pendulum.datetime(2024, 1, 5, tz="Europe/Madrid")
    first, second = split(Window(start, start.add(days=7)), "week")
    assert first.start == pendulum.datetime(2024, 1, 4, 23)
    assert second.start == pendulum.datetime(2024, 1, 8)


def test_an_unknown_unit_names_the_known_ones() -> None:
    """A mistyped unit says what there is."""
    with pytest.raises(InvalidRequestError, match="hour, day, week, month, auto"):
        split(Window(NEW_YEAR, NEW_YEAR.add(days=1)), "quarter")  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=9))
def test_volume_windows_are_the_fewest(counts: list[int]) -> None:
    """No other way to join whole buckets needs fewer windows, and none of ours meets the limit."""
    buckets = days(*counts)
    found = split_by_volume(buckets, most=10, headroom=0)
    windows = [window for window, _ in found.windows]
    assert [windows[0].start, windows[-1].stop] == [buckets[0].window.start, buckets[-1].window.stop]
    assert all(earlier.stop == later.start for earlier, later in pairwise(windows))
    assert expected_in(windows, buckets) == list(found.windows)
    assert [bucket for bucket in found.windows if bucket.expected > 10] == list(found.too_large)
    assert len(windows) == _fewest(counts, most=10)


def _fewest(counts: list[int], most: int) -> int:
    """Try all ways to cut between buckets."""
    places = range(1, len(counts))
    for cuts in range(len(counts)):
        for chosen in combinations(places, cuts):
            parts = [counts[a:b] for a, b in pairwise([0, *chosen, len(counts)])]
            if all(sum(part) <= most or len(part) == 1 for part in parts):
                return cuts + 1
    raise AssertionError("each bucket by itself is always a way")


def test_headroom_keeps_windows_away_from_the_limit() -> None:
    """Of a limit of 100 with a tenth of head-room, 90 are filled."""
    assert [count for _, count in split_by_volume(days(50, 40, 10), 100, 0.1).windows] == [90, 10]
    assert [count for _, count in split_by_volume(days(50, 40, 10), 100, 0).windows] == [100]


def test_too_large_buckets_are_told_and_can_be_refined() -> None:
    """A day above the limit is reported; with its hours in its place, the split uses them."""
    volumes = days(5, 30, 5)
    assert split_by_volume(volumes, 10, 0).too_large == (volumes[1],)
    hours = [Volume(hour, 10 if hour.start.hour < 3 else 0) for hour in volumes[1].window.cut("hour")]
    found = split_by_volume(refined(volumes, hours), 10, 0)
    assert found.too_large == ()
    assert [count for _, count in found.windows] == [5, 10, 10, 10, 5]
    assert [window.stop.hour for window, _ in found.windows] == [0, 1, 2, 0, 0]


@pytest.mark.parametrize("bad", [[], days(1, 2, 3)[::2], days(1, 2)[::-1]])
def test_buckets_must_touch(bad: list[Volume]) -> None:
    """Buckets with a gap between them would leave it unplanned."""
    with pytest.raises(InvalidRequestError):
        split_by_volume(bad)


@pytest.mark.parametrize("headroom", [1.0, -0.1])
def test_headroom_must_leave_something(headroom: float) -> None:
    """Head-room is a share of the limit."""
    with pytest.raises(InvalidRequestError):
        split_by_volume(days(1), headroom=headroom)


def test_a_bucket_across_an_edge_is_refused() -> None:
    """Counts of days say nothing about hours."""
    with pytest.raises(InvalidRequestError, match="count by a shorter interval"):
        expected_in(split(days(1)[0].window, "hour"), days(1))
