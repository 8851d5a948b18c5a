"""A year, planned: in a handful of requests, within the service's rate limit, at the price that is charged."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pendulum
import pytest

from airflow_provider_twexport.core import rate_limit
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.planning.survey import survey
from airflow_provider_twexport.talkwalker.planning.volume_counts import count_volumes
from airflow_provider_twexport.talkwalker.purchasing.buy_once import buy_once

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.planning.plan import Plan
    from airflow_provider_twexport.talkwalker.planning.splitting import SplitBy
    from tests.simulator_process import Simulator

TODAY = pendulum.now("UTC").start_of("day")
YEARS = {
    "settled": Window(pendulum.datetime(2023, 1, 1), pendulum.datetime(2024, 1, 1)),
    "until today": Window(TODAY.subtract(years=1), TODAY),
}
HISTOGRAM = "GET /api/v1/search/p/{project_id}/histogram/{type}"


@pytest.fixture
def order(simulator: Simulator) -> ExportOrder:
    """A settled year of the demo project."""
    return ExportOrder(YEARS["settled"], project_id=simulator.project_id, limit=100_000)


@pytest.mark.parametrize(
    ("by", "windows", "histograms"),
    [
        ("month", 12, 1),
        ("week", 53, 1),
        ("day", 365, 1),
        ("auto", 1, 1),
        pytest.param("hour", 8760, 12, marks=pytest.mark.slow),
    ],
)
def test_a_plan_takes_a_handful_of_requests(
    client: TalkwalkerClient,
    simulator: Simulator,
    order: ExportOrder,
    by: SplitBy,
    windows: int,
    histograms: int,
) -> None:
    """However many its windows are, a plan reads exports, collectors, credits and histograms, and nothing else."""
    planned = survey(client, order, by).count(client)
    requests = Counter(simulator.ledger()["counts"])
    assert len(planned.windows) == windows
    assert requests.pop(HISTOGRAM) == histograms
    assert set(requests.values()) == {1}
    assert len(requests) == 3


@pytest.mark.slow
@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("limit", [100_000, 3_600], ids=["whole", "truncated"])
@pytest.mark.parametrize("later", [1, 1.2], ids=["", "and more is indexed"])
def test_a_plan_and_the_truth_differ_by_no_more_than_it_says(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder, year: str, limit: int, later: float
) -> None:
    """The credits charged for all months of a plan are what it says by the count, or more by no more than it says."""
    planned = survey(client, replace(order, window=YEARS[year], limit=limit), "month").count(client)
    grown = round(simulator.settings()["results_per_day"] * later)
    buy_growing(client, simulator, order, planned, grown)
    charged = simulator.ledger()["credits"]["charged_by_reason"]["export"]
    assert planned.credits <= charged <= planned.credits_at_most
    if year == "settled" and limit == 100_000:
        assert planned.credits == charged == planned.credits_at_most


def buy_growing(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder, planned: Plan, results_per_day: int
) -> None:
    """Buy the months of a plan after more was indexed in those of which the plan says that they may grow."""
    simulator.settings(credits=10_000_000)
    for each in planned.windows:
        if each.credits_at_most > each.credits:
            simulator.settings(results_per_day=results_per_day)
        client.put_collector(each.collector_id)
        buy_once(client, replace(order, window=each.window, limit=each.limit), each.collector_id)


@pytest.mark.slow
def test_counting_keeps_the_rate_limit_of_the_service(
    simulator: Simulator, order: ExportOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three years by the hour take 36 histograms, no more than 30 in any minute, so none is refused."""
    monkeypatch.setattr(rate_limit, "time", _ServiceClock(simulator))
    client = TalkwalkerClient(simulator.token, simulator.url)
    count_volumes(
        client, replace(order, window=Window(pendulum.datetime(2021, 1, 1), order.window.stop)), "hour"
    )
    sent = [each for each in simulator.ledger()["requests"] if each["template"].endswith("histogram/{type}")]
    assert {each["code"] for each in sent} == {"0"}
    assert len(sent) == 36
    moments = [each["at"] for each in sent]
    assert all(later - earlier > 60 for earlier, later in zip(moments, moments[30:], strict=False))


class _ServiceClock:
    """A clock on which whoever sleeps moves the service's clock, too, and waits for nothing."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._slept = 0.0

    def time(self) -> float:
        return time.time() + self._slept

    def sleep(self, seconds: float) -> None:
        # some requests take longer than others to arrive
        self._simulator.advance(seconds + 1)
        self._slept += seconds
