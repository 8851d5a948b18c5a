"""The remainder of a truncated landing: no day is left short, and nothing is bought twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.talkwalker.histogram import Volume
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.planning.remainder import (
    TruncatedWindow,
    count_remainder,
    halves,
    planned_windows,
    truncated_windows,
    windows_to_buy,
)
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from airflow_provider_twexport.talkwalker.purchasing.order_matching import BoughtWindows
from tests.talkwalker.planning.landed import Manifest

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient

NEW_YEAR = pendulum.datetime(2024, 1, 1)
MOST = 40


def days(first: int, last: int) -> Window:
    """The time between two days of January, counted from 0."""
    return Window(NEW_YEAR.add(days=first), NEW_YEAR.add(days=last))


@dataclass(frozen=True)
class Hours:
    """How many results landed of each day, with a date and without."""

    sure: tuple[int, ...]
    perhaps: tuple[int, ...] = ()

    def within(self, window: Window) -> tuple[int, int]:
        """Add up the days of a window."""
        first, last = ((edge - NEW_YEAR).days for edge in (window.start, window.stop))
        return sum(self.sure[first:last]), sum(self.perhaps[first:last])


def counted(*results: int) -> list[Volume]:
    """What the histogram counts of each day."""
    return [Volume(days(day, day + 1), number) for day, number in enumerate(results)]


def truncated(length: int, *bought: Window) -> TruncatedWindow:
    """A landing of some days that met its limit."""
    return TruncatedWindow(days(0, length), ("T",), bought)


@st.composite
def landings(draw: st.DrawFn) -> tuple[list[int], Hours]:
    """What each day holds, and what landed of it: any part, with a date or without."""
    held = draw(st.lists(st.integers(0, MOST), min_size=2, max_size=12))
    landed = [draw(st.integers(0, number)) for number in held]
    undated = [draw(st.integers(0, number)) for number in landed]
    dated = tuple(number - without for number, without in zip(landed, undated, strict=True))
    return held, Hours(dated, tuple(undated))


def hours_in(windows: list[Window], day: Window) -> int:
    """Add up the hours of a day that windows hold."""
    parts = [(max(it.start, day.start), min(it.stop, day.stop)) for it in windows]
    return sum((stop - start).in_hours() for start, stop in parts if start < stop)


@given(landings(), st.sampled_from([0.0, 0.05]))
def test_no_day_stays_short_and_none_is_bought_twice(
    landing: tuple[list[int], Hours], headroom: float
) -> None:
    """Whatever landed: each short day is in exactly one window, and no window is the one that was truncated."""
    held, dates = landing
    found = windows_to_buy(counted(*held), truncated(len(held)), [dates], MOST, headroom)
    windows = [window for window, _ in found]
    assert all(window != days(0, len(held)) for window in windows)
    for day, number in enumerate(held):
        if sum(dates.within(days(day, day + 1))) < number:
            assert hours_in(windows, days(day, day + 1)) == 24
    assert all(one.stop <= other.start for one, other in pairwise(windows))
    assert all(expected <= MOST for _, expected in found)


@given(landings(), st.integers(0, 12))
def test_what_was_bought_of_a_remainder_stays_as_it_is(landing: tuple[list[int], Hours], kept: int) -> None:
    """Bought in part, what is still to be bought touches none of it; bought completely, nothing is left."""
    held, dates = landing
    first = [window for window, _ in windows_to_buy(counted(*held), truncated(len(held)), [dates], MOST)]
    assume(all(edge == edge.start_of("day") for it in first for edge in (it.start, it.stop)))
    again = windows_to_buy(counted(*held), truncated(len(held), *first[:kept]), [dates], MOST)
    assert [window for window, _ in again] == first[kept:]


def test_days_that_are_whole_are_not_bought() -> None:
    """Days that touch are bought as one, below the limit."""
    found = windows_to_buy(counted(10, 20, 30, 5, 9), truncated(5), [Hours((3, 2, 30, 5, 0))], MOST)
    assert found == (Volume(days(0, 2), 30), Volume(days(4, 5), 9))


def test_a_result_without_a_date_counts_where_it_was_indexed_unless_the_day_before_is_short() -> None:
    """Published at midnight, it may be missing there; then it proves nothing."""
    whole = Hours((10, 8), (0, 2))
    assert windows_to_buy(counted(10, 10), truncated(2), [whole], MOST) == ()
    doubtful = Hours((9, 8, 10), (0, 2, 0))
    assert windows_to_buy(counted(10, 10, 10), truncated(3), [doubtful], MOST) == (Volume(days(0, 2), 20),)


def test_landings_of_one_remainder_add_up() -> None:
    """A remainder that was truncated itself is compared together with the landing it belongs to."""
    assert windows_to_buy(counted(10, 10), truncated(2), [Hours((6, 3)), Hours((4, 3))], MOST) == (
        Volume(days(1, 2), 10),
    )


def test_the_same_window_is_never_ordered_again() -> None:
    """It would be the same order, so it is split in two."""
    found = windows_to_buy(counted(10), truncated(1), [Hours((9,))], MOST)
    assert [window.start.hour for window, _ in found] == [0, 12]
    assert [expected for _, expected in found] == [5, 5]


@pytest.mark.parametrize(
    ("length", "edge"), [({"days": 31}, (16, 12, 0)), ({"hours": 1}, (1, 0, 30)), ({"minutes": 1}, None)]
)
def test_halves_have_round_edges(length: dict[str, int], edge: tuple[int, int, int] | None) -> None:
    """At an hour, else at a minute: a collector's name holds nothing finer."""
    found = halves(Window(NEW_YEAR, NEW_YEAR.add(**length)))
    if edge is None:
        assert found == ()
        return
    first, second = found
    assert first.stop == second.start
    assert (first.stop.day, first.stop.hour, first.stop.minute) == edge


def test_what_cannot_be_counted_is_halved_for_free() -> None:
    """A stream has no histogram: two halves of unknown volume, or what lies between those that were bought."""
    order = ExportOrder(days(0, 2), stream_id="demo-stream", limit=MOST)
    client: Any = None  # is not called
    found = count_remainder(client, order, truncated(2), [Hours((1, 1))])
    assert found.windows == ((days(0, 1), None), (days(1, 2), None))
    assert found.counting_credits == truncated(2).counting_price(order) == 0
    assert count_remainder(client, order, truncated(2, days(0, 1)), []).windows == ((days(1, 2), None),)
    assert count_remainder(client, order, truncated(2, days(0, 1), days(1, 2)), []).windows == ()


def test_a_day_above_the_limit_is_bought_by_the_hour(client: TalkwalkerClient, simulator: Any) -> None:
    """Ten credits more, and no window meets the limit."""
    simulator.settings(results_per_day=400, day_variation=0)
    order = ExportOrder(days(0, 2), project_id=simulator.project_id, limit=100)
    found = count_remainder(client, order, truncated(2), [Hours((100, 0))])
    assert found.counting_credits == 20
    windows = [window for window, _ in found.windows]
    assert (windows[0].start, windows[-1].stop) == (days(0, 2).start, days(0, 2).stop)
    assert all(expected is not None and expected < 100 for _, expected in found.windows)


def test_a_truncated_remainder_has_a_remainder_of_its_own() -> None:
    """Its collectors are listed from the outermost on, and a remainder that was bought completely needs no counting."""
    order = ExportOrder(days(0, 8), query="coffee", limit=MOST)
    outer, inner, leaf, elsewhere = (
        collector_id_of(replace(order, window=window))
        for window in (days(0, 8), days(2, 6), days(2, 3), days(9, 12))
    )
    landed = {
        outer: Manifest(truncated=True),
        inner: Manifest({"remainder_of": [outer], "remainder_windows": 1}, truncated=True),
    }
    assert BoughtWindows(order, [outer, inner, leaf, elsewhere]).within(days(0, 8)) == [
        days(2, 6),
        days(2, 3),
    ]
    parts_of = {days(0, 8): [days(2, 6)], days(2, 6): [days(2, 3)]}.__getitem__
    planned = planned_windows(landed.values())
    found = list(truncated_windows(order, days(0, 8), landed, parts_of, planned))
    assert [it.collector_ids for it in found] == [(outer,), (outer, inner)]
    assert [it.bought for it in found] == [(days(2, 6),), (days(2, 3),)]
    assert [it.is_bought for it in found] == [True, False]
    assert list(truncated_windows(order, days(0, 8), {}, parts_of, planned)) == []
