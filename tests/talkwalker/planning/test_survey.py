"""What was bought before keeps its windows; only the remainder is counted."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import (
    InvalidRequestError,
    PaidCallFailedError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder, ExportTask
from airflow_provider_twexport.talkwalker.orphans import find_orphans
from airflow_provider_twexport.talkwalker.planning.survey import (
    is_part_of,
    known_results,
    survey,
    window_name,
)
from airflow_provider_twexport.talkwalker.purchasing.buy_once import buy_once
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from airflow_provider_twexport.talkwalker.purchasing.order_matching import BoughtWindows
from tests.talkwalker.planning.landed import Manifest
from tests.waiting import QUICK

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
    return TalkwalkerClient(simulator.token, simulator.url, QUICK)


def buy(client: TalkwalkerClient, start: str, stop: str) -> None:
    """Buy a part of the order."""
    part = replace(ORDER, window=days(start, stop))
    client.put_collector(collector_id_of(part))
    buy_once(client, part, collector_id_of(part))
    client.list_exports()  # it ends then, and not when the time is set back


def export(collector_id: str, status: str, created: str, ready: int) -> ExportTask:
    """An export as the service lists it."""
    body = {"id": created, "target": collector_id, "status": status, "creation_date": f"{created}T00:00:00Z"}
    return ExportTask.from_json(body | {"ready": ready, "progress": 1.0})


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
    bought = BoughtWindows(ORDER, collector_ids)
    assert bought.overlapping(QUARTER) == [
        days("2024-01-05", "2024-01-15"),
        days("2024-01-10", "2024-01-20"),
        days("2024-03-20", "2024-04-10"),
    ]
    assert bought.within(days("2024-01-05", "2024-01-20")) == [
        days("2024-01-05", "2024-01-15"),
        days("2024-01-10", "2024-01-20"),
    ]
    assert bought.within(days("2024-01-10", "2024-01-20")) == []


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
    """What was bought 8 days ago and has not landed costs what it brought, if it is bought again.

    If it can be read all the same, it is neither left out nor bought.
    """
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


@pytest.mark.slow
def test_what_can_be_read_after_all_is_not_lost(client: TalkwalkerClient, simulator: Simulator) -> None:
    """An export that ran for days keeps its last rows longer than 7 days after it began; a free read shows it."""
    simulator.settings(retention_days=30)
    simulator.control("time", {"offset_seconds": -8 * 86_400})
    buy(client, "2024-01-01", "2024-04-01")
    simulator.control("time", {"offset_seconds": 0})
    charged = simulator.ledger()["credits"]["charged_total"]
    found = survey(client, ORDER, "month", buy_expired=True)
    planned = found.count(client)
    assert [(str(it.state), it.credits) for it in planned.windows] == [("truncated", 0)]
    assert simulator.ledger()["credits"]["charged_total"] == charged


def test_credits_are_asked_before_the_count_is_paid(client: TalkwalkerClient, simulator: Simulator) -> None:
    """What is free may fail for free: nothing is spent if the service does not tell them."""
    simulator.faults({"match": {"path": "status/credits"}, "fault": "garbage"})
    with pytest.raises(UnexpectedResponseError):
        survey(client, ORDER, "month").count(client)
    assert simulator.ledger()["credits"]["charged_total"] == 0


def test_a_count_that_fails_says_what_was_paid(client: TalkwalkerClient, simulator: Simulator) -> None:
    """Two gaps are two counts; of the second nobody knows."""
    buy(client, "2024-02-01", "2024-03-01")
    before = simulator.ledger()["credits"]["charged_total"]
    simulator.faults({"match": {"path": "histogram"}, "fault": "lost_answer", "skip": 1})
    with pytest.raises(PaidCallFailedError, match="Counting may have cost 20 credits") as failed:
        survey(client, ORDER, "month").count(client)
    assert failed.value.facts["spent"] == simulator.ledger()["credits"]["charged_total"] - before == 20


def test_a_limit_that_leaves_nothing_is_refused_for_free(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """The error says which limit would do, or what to do in its place."""
    with pytest.raises(InvalidRequestError, match=r"Raise limit to 2 or more, or split by month") as refused:
        survey(client, replace(ORDER, limit=1)).count(client)
    assert simulator.ledger()["credits"]["charged_total"] == 0
    survey(client, replace(ORDER, limit=2, window=days("2024-01-01", "2024-01-02"))).count(client)
    assert "keeps 5% of limit free" in str(refused.value)


def test_of_a_salvaged_window_all_matches_count(client: TalkwalkerClient, simulator: Simulator) -> None:
    """Where its export is not listed any more it is counted, and not priced at the limit."""
    orders = [
        replace(ORDER, window=days(start, stop), limit=1_000_000)
        for start, stop in (("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01"))
    ]
    salvaged = {
        collector_id_of(it): Manifest({"status": "aborted"}, complete=False, results=9) for it in orders
    }
    found = survey(client, replace(ORDER, limit=1_000_000), "month", landed=salvaged)  # type: ignore[arg-type]
    # both are counted by one request
    assert (found.uncounted, found.counting_price) == (tuple(it.window for it in orders), 20)
    planned = found.count(client)
    assert planned.counting_credits == 20
    whole = client.histogram(replace(ORDER, window=QUARTER), "day")
    assert planned.credits == sum(bucket.expected for bucket in whole)
    assert [str(it.state) for it in planned.windows] == ["partial", "partial", "new"]


def test_what_matches_is_known_by_the_newest_export_that_is_whole(client: TalkwalkerClient) -> None:
    """Of a truncated landing it is what matches, and not what landed."""
    january, february = days("2024-01-01", "2024-02-01"), days("2024-02-01", "2024-03-01")
    whole = collector_of("2024-01-01", "2024-02-01")
    cut = Manifest(truncated=True, results=900, exported=900, estimated_total=3_100)
    exports = [
        export(whole, "aborted", "2024-06-03", 50),
        export(whole, "finished", "2024-06-02", 700),
        export(whole, "finished", "2024-06-01", 600),
    ]
    landed: Any = {collector_of("2024-02-01", "2024-03-01"): cut}
    assert known_results(ORDER, [january, february], exports, landed) == {january: 700, february: 3_100}


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
