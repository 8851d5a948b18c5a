"""Counting results before buying them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import (
    InsufficientCreditsError,
    InvalidRequestError,
    TransientError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.histogram import read_volumes, requests_for
from airflow_provider_twexport.talkwalker.models import ExportOrder

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from tests.simulator_process import Simulator

DAY = pendulum.datetime(2024, 1, 1)
PATH = "GET /api/v1/search/p/{project_id}/histogram/{type}"


def test_the_days_add_up_to_the_export(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """The histogram counts what an export of the same order matches, tiles its window, and costs 10 credits."""
    volumes = client.histogram(order, "day")
    assert [window for window, _ in volumes] == order.window.cut("day")
    client.put_collector("box")
    client.create_export(order, "box")
    assert sum(count for _, count in volumes) == simulator.ledger()["exports"][0]["total_matches"]
    assert client.get_credits().remaining == 1_000_000 - 10 - 1_000


def test_buckets_are_clipped_to_the_window(client: TalkwalkerClient, order: ExportOrder) -> None:
    """A window that begins and ends within a bucket is counted from moment to moment, and so are topics and query."""
    ragged = Window(DAY.add(hours=5, minutes=30), DAY.add(days=2, hours=1))
    narrow = replace(order, window=ragged, query="coffee", topics=("md000001_aaaaaaaaaaaa",))
    by_day, by_hour = client.histogram(narrow, "day"), client.histogram(narrow, "hour")
    assert [by_day[0].window.start, by_day[-1].window.stop] == [ragged.start, ragged.stop]
    assert (len(by_day), len(by_hour)) == (3, 44)
    assert sum(count for _, count in by_day) == sum(count for _, count in by_hour) > 0


def test_throttling_is_waited_out(client: TalkwalkerClient, simulator: Simulator, order: ExportOrder) -> None:
    """A throttled call costs nothing and is sent again in the next minute."""
    simulator.settings(histograms_per_minute=1, speed=300)
    for _ in range(2):
        client.histogram(order)
    codes = [request["code"] for request in simulator.ledger()["requests"]]
    assert codes[:2] == ["0", "8"]
    assert codes[-1] == "0"
    assert simulator.ledger()["credits"]["charged_by_reason"] == {"histogram": 20}


@pytest.mark.parametrize("fault", [{"fault": "lost_answer"}, {"fault": "error", "code": 1}])
def test_a_lost_answer_is_not_repeated(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder, fault: dict[str, Any]
) -> None:
    """Each call is charged, so after any fault but throttling the caller decides."""
    simulator.faults(fault)
    with pytest.raises(TransientError):
        client.histogram(order)
    assert simulator.ledger()["counts"][PATH] == 1


def test_an_empty_account_is_an_error(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Without 10 credits there is no count."""
    simulator.settings(credits=9)
    with pytest.raises(InsufficientCreditsError):
        client.histogram(order)


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ({"stream_id": "demo-stream"}, "no histogram of a stream"),
        ({"query": "cats"}, "the last 30 days only"),
    ],
)
def test_what_cannot_be_counted_costs_nothing(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder, scope: dict[str, str], reason: str
) -> None:
    """A stream, or the distant past outside of projects, is refused before anything is spent."""
    with pytest.raises(InvalidRequestError, match=reason):
        client.histogram(ExportOrder(order.window, **scope))  # type: ignore[arg-type]
    assert simulator.ledger()["counts"] == {}


def test_the_last_days_can_be_counted_outside_of_projects(client: TalkwalkerClient) -> None:
    """A query alone is counted for the last 30 days."""
    today = pendulum.now("UTC").start_of("day")
    volumes = client.histogram(ExportOrder(Window(today.subtract(days=7), today), query="cats"))
    assert all(count > 0 for _, count in volumes)


def test_too_long_a_window_is_several_requests(client: TalkwalkerClient, order: ExportOrder) -> None:
    """A year of days is one request and a year of hours twelve; the client sends one at a time."""
    year = Window(DAY, DAY.add(years=1))
    assert [len(requests_for(year, "day")), len(requests_for(year, "hour"))] == [1, 12]
    with pytest.raises(InvalidRequestError, match="too long"):
        client.histogram(replace(order, window=year), "hour")


def test_requests_cover_the_window_without_gap() -> None:
    """Each request begins where the one before ends, at a midnight."""
    ragged = Window(DAY.add(hours=7), DAY.add(days=100, hours=3))
    requests = requests_for(ragged, "hour")
    assert [requests[0].start, requests[-1].stop] == [ragged.start, ragged.stop]
    assert [one.stop for one in requests[:-1]] == [one.start for one in requests[1:]]
    assert requests[1].start == DAY.add(days=31)


def test_missing_bins_are_empty() -> None:
    """A service may omit empty buckets or send zeros; a bare number is a count."""
    window = Window(DAY.add(hours=1), DAY.add(days=3))
    bins = [{"t": DAY.timestamp() * 1000, "v": [4]}, {"t": DAY.add(days=2).timestamp() * 1000, "v": 2}]
    assert [count for _, count in read_volumes(bins, window, "day")] == [4, 0, 2]


@pytest.mark.parametrize(
    "bad",
    [
        {"t": 1_704_070_800_000, "v": [1]},
        {"t": "soon", "v": [1]},
        {"t": 1},
        None,
        {"t": 1, "v": []},
        {"t": 1_704_067_200_000, "v": [-50]},
        {"t": 1_704_067_200_000, "v": [math.inf]},
    ],
)
def test_a_strange_bin_is_an_error(bad: Any) -> None:
    """Days of another time zone, or bins of another shape, are an error, not a wrong price."""
    with pytest.raises(UnexpectedResponseError):
        read_volumes([bad], Window(DAY, DAY.add(days=2)), "day")


@pytest.mark.parametrize("bins", [None, {"t": 1}, "none", 5])
def test_what_is_no_list_of_bins_is_an_error(bins: Any) -> None:
    """Not a traceback after the count was paid."""
    with pytest.raises(UnexpectedResponseError, match="has no list of bins"):
        read_volumes(bins, Window(DAY, DAY.add(days=2)), "day")


def test_an_empty_bin_outside_the_window_is_no_error() -> None:
    """A count that ends at the window's end may have one more, of nothing."""
    bins = [{"t": DAY.add(days=2).timestamp() * 1000, "v": [0]}]
    assert [count for _, count in read_volumes(bins, Window(DAY, DAY.add(days=2)), "day")] == [0, 0]
