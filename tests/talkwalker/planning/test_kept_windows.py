"""What a plan keeps of windows that overlap, and what it sells: never what is usable, and all else."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import ExportExistsError
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.planning.plan import WindowState
from airflow_provider_twexport.talkwalker.planning.splitting import Union, between
from airflow_provider_twexport.talkwalker.planning.survey import kept_windows, survey
from airflow_provider_twexport.talkwalker.purchasing.buy_once import buy_once
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from tests.waiting import QUICK

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

START = pendulum.datetime(2024, 1, 1)
WHOLE = Window(START.add(hours=6), START.add(hours=30))
USABLE = (WindowState.LANDED, WindowState.TRUNCATED, WindowState.READABLE, WindowState.RUNNING)
STATES = (*USABLE, WindowState.PARTIAL, WindowState.EXPIRED)


def hours(first: int, length: int) -> Window:
    """Return a window by hours after the start."""
    return Window(START.add(hours=first), START.add(hours=first + length))


WINDOWS = st.builds(hours, st.integers(0, 34), st.integers(1, 30)).filter(WHOLE.overlaps)
BOUGHT = st.dictionaries(WINDOWS, st.sampled_from(STATES), max_size=8)


def within(window: Window) -> set[int]:
    """Return the hours of a window that lie in the range, as an independent model counts them."""
    return {hour for hour in range(6, 30) if window.start <= START.add(hours=hour) < window.stop}


@pytest.mark.slow
@settings(max_examples=2_000)
@given(BOUGHT, st.data(), st.booleans())
def test_no_usable_time_is_sold_and_all_else_is(
    states: dict[Window, WindowState], data: st.DataObject, buy_expired: bool
) -> None:
    """Any windows in any states and overlaps, some of them ordered before they ended."""
    passed = {
        window: Window(
            window.start, window.start.add(hours=data.draw(st.integers(1, int(window.seconds) // 3600)))
        )
        for window in states
    }
    kept = kept_windows(WHOLE, states, passed, buy_expired=buy_expired)
    gaps = list(between(WHOLE, kept.values()))
    is_sold = {WindowState.PARTIAL, *([WindowState.EXPIRED] if buy_expired else [])}
    usable = {hour for it, state in states.items() if state in USABLE for hour in within(passed[it])}
    sold = [hour for window in gaps for hour in within(window)]
    again = [hour for it in kept if states[it] in is_sold for hour in within(it)]
    lost = {hour for it in kept if states[it] is WindowState.EXPIRED for hour in within(passed[it])}
    assert not usable & {*sold, *again}
    assert len(sold) + len(again) == len({*sold, *again})
    assert {*sold, *again, *usable, *lost} == set(range(6, 30))


@given(st.lists(WINDOWS, max_size=8), WINDOWS)
def test_a_union_is_what_its_windows_hold(windows: list[Window], other: Window) -> None:
    """However they overlap or touch."""
    union, held = Union(), set()
    for window in windows:
        union.add(window)
        held |= set(range(int(window.start.timestamp()) // 3600, int(window.stop.timestamp()) // 3600))
    asked = set(range(int(other.start.timestamp()) // 3600, int(other.stop.timestamp()) // 3600))
    assert union.holds(other) == (asked <= held)
    assert union.overlaps(other) == bool(asked & held)
    within = union.within(other)
    assert {
        hour
        for it in within
        for hour in range(int(it.start.timestamp()) // 3600, int(it.stop.timestamp()) // 3600)
    } == asked & held
    assert all(one.stop < two.start for one, two in pairwise(within))


def test_a_small_window_does_not_hide_a_month(simulator: Simulator) -> None:
    """January stays bought, though two hours around its begin were bought afterwards."""
    client = TalkwalkerClient(simulator.token, simulator.url, QUICK)
    january = Window(START, START.add(months=1))
    for window in (january, Window(START.subtract(hours=1), START.add(hours=1))):
        order = ExportOrder(window, query="coffee")
        client.put_collector(collector_id_of(order))
        buy_once(client, order, collector_id_of(order))
    found = survey(client, ExportOrder(january, query="coffee"), "month")
    assert (found.kept, found.gaps) == ((january,), ())


def test_an_export_of_a_window_that_had_not_ended_is_not_whole(simulator: Simulator) -> None:
    """It is not adopted, and the plan sells the time after it."""
    client = TalkwalkerClient(simulator.token, simulator.url, QUICK)
    now = pendulum.now("UTC").start_of("minute")
    order = ExportOrder(Window(now.subtract(days=2), now.add(days=3)), query="coffee")
    client.put_collector(collector_id_of(order))
    buy_once(client, order, collector_id_of(order))
    with pytest.raises(ExportExistsError, match="lacks what was published later"):
        buy_once(client, order, collector_id_of(order))
    (gap,) = survey(client, order, "month").gaps
    assert abs(gap.start - now) < timedelta(minutes=5)
    assert gap.stop == order.window.stop
