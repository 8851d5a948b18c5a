"""What was bought before keeps its windows; only the remainder is counted."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pendulum
import pytest

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.orphans import find_orphans
from airflow_provider_twexport.talkwalker.planning.survey import is_part_of, survey, window_name
from airflow_provider_twexport.talkwalker.purchasing.buy_once import buy_once
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from airflow_provider_twexport.talkwalker.purchasing.order_matching import bought_windows

if TYPE_CHECKING:
    from tests.simulator_process import Simulator


def days(start: str, stop: str) -> Window:
    """Return the window between two dates."""
    begin, end = pendulum.parse(start), pendulum.parse(stop)
    assert isinstance(begin, pendulum.DateTime)
    assert isinstance(end, pendulum.DateTime)
    return Window(begin, end)


QUARTER = days("2024-01-01", "2024-04-01")
ORDER = ExportOrder(
    window=QUARTER, query="coffee", project_id="11111111-2222-4333-8444-555555555555", limit=900
)


def collector_of(start: str, stop: str, **changes: object) -> str:
    """Return the collector of a part of the order."""
    return collector_id_of(replace(ORDER, window=days(start, stop), **changes))


@pytest.fixture
def client(simulator: Simulator) -> TalkwalkerClient:
    """A client of the simulator."""
    return TalkwalkerClient(simulator.token, simulator.url)


def buy(client: TalkwalkerClient, start: str, stop: str) -> None:
    """Buy a part of the order."""
    part = replace(ORDER, window=days(start, stop))
    client.put_collector(collector_id_of(part))
    buy_once(client, part, collector_id_of(part))


def test_what_the_list_has_forgotten_is_not_planned_again(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Its receipt says that it was bought; what nobody landed of it is an orphan, too."""
    buy(client, "2024-02-01", "2024-03-01")
    simulator.settings(list_keeps=0)
    simulator.advance(60)
    (kept,) = survey(client, ORDER, "month").kept
    assert kept == days("2024-02-01", "2024-03-01")
    (orphan,) = find_orphans(client, [])
    assert (orphan.state, orphan.collector_id) == ("readable", collector_of("2024-02-01", "2024-03-01"))


@pytest.mark.parametrize(
    "change", [{"query": "tea"}, {"limit": 5_000}, {"topics": ("t",)}, {"project_id": "p"}]
)
def test_only_the_window_may_differ(change: dict[str, object]) -> None:
    """A collector belongs to the order if all else is the same."""
    assert is_part_of(ORDER, collector_of("2023-01-01", "2023-02-01"))
    assert not is_part_of(ORDER, collector_of("2023-01-01", "2023-02-01", **change))
    assert not is_part_of(ORDER, "somebodys-own")


def test_earlier_windows_are_in_order() -> None:
    """Windows across the edges count, those outside and those of another order do not."""
    collector_ids = [
        collector_of("2024-03-20", "2024-04-10"),
        collector_of("2024-01-10", "2024-01-20"),
        collector_of("2024-01-05", "2024-01-15"),
        collector_of("2023-12-01", "2024-01-01"),
        collector_of("2024-02-01", "2024-03-01", query="tea"),
    ]
    assert bought_windows(ORDER, collector_ids) == (
        days("2024-01-05", "2024-01-15"),
        days("2024-01-10", "2024-01-20"),
        days("2024-03-20", "2024-04-10"),
    )


@pytest.mark.slow
def test_a_moved_edge_buys_nothing_twice(client: TalkwalkerClient, simulator: Simulator) -> None:
    """After more was indexed, auto would split elsewhere; it splits only what was not bought."""
    first = survey(client, ORDER).count(client)
    assert len(first.windows) > 2
    bought = [first.windows[0].window, first.windows[2].window]
    for window in bought:
        part = replace(ORDER, window=window)
        client.put_collector(collector_id_of(part))
        buy_once(client, part, collector_id_of(part))
    simulator.settings(results_per_day=150)
    found = survey(client, ORDER)
    assert list(found.kept) == bought
    again = found.count(client)
    held = [part.window for part in again.windows]
    assert set(bought) <= set(held)
    assert all(earlier.stop == later.start for earlier, later in pairwise(held))
    assert (held[0].start, held[-1].stop) == (QUARTER.start, QUARTER.stop)
    assert [part.credits for part in again.windows if part.window in bought] == [0, 0]


@pytest.mark.slow
def test_nothing_new_costs_nothing(client: TalkwalkerClient, simulator: Simulator) -> None:
    """Where all was bought, nothing is counted; what has not landed is still to be done."""
    for start, stop in (("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-04-01")):
        buy(client, start, stop)
    charged = simulator.ledger()["credits"]["charged_total"]
    found = survey(client, ORDER, "month")
    assert (found.gaps, found.counting_price, found.count_todo()) == ((), 0, 2)
    planned = found.count(client)
    assert (planned.credits, planned.counting_credits, len(found.todo(planned))) == (0, 0, 2)
    assert simulator.ledger()["credits"]["charged_total"] == charged


@pytest.mark.slow
def test_lost_results_are_left_out_unless_they_are_to_be_bought_again(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """What was bought 8 days ago and has not landed costs what it brought, if it is bought again."""
    simulator.control("time", {"offset_seconds": -8 * 86_400})
    buy(client, "2024-01-01", "2024-04-01")
    simulator.control("time", {"offset_seconds": 0})
    (spent,) = (export["charged"] for export in simulator.ledger()["exports"])
    found = survey(client, ORDER, "month")
    assert found.todo(found.count(client)) == []
    found = survey(client, ORDER, "month", buy_expired=True)
    planned = found.count(client)
    assert len(found.todo(planned)) == 1
    assert planned.credits == spent > 0


@pytest.mark.parametrize(
    ("start", "stop", "called"),
    [
        ("2024-01-01", "2024-02-01", "2024-01"),
        ("2024-01-31", "2024-02-01", "2024-01-31"),
        ("2024-01-31T05:00", "2024-01-31T06:00", "2024-01-31T05"),
        ("2024-01-01", "2024-01-08", "2024-01-01 to 2024-01-08"),
        ("2024-01-01", "2024-01-01T06:30", "2024-01-01 to 2024-01-01T06:30"),
    ],
)
def test_windows_have_short_names(start: str, stop: str, called: str) -> None:
    """As people would call them."""
    assert window_name(days(start, stop)) == called
