"""Counting what a range would bring, and buying exactly that."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pendulum
import pytest

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.planning.plan import WindowState, plan
from airflow_provider_twexport.talkwalker.planning.volume_counts import count_volumes, counting_price
from airflow_provider_twexport.talkwalker.purchasing.buy_once import buy_once

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.planning.splitting import SplitBy
    from tests.simulator_process import Simulator

YEAR = Window(pendulum.datetime(2023, 1, 1), pendulum.datetime(2024, 1, 1))


@pytest.fixture
def order(simulator: Simulator) -> ExportOrder:
    """A year of the demo project."""
    return ExportOrder(YEAR, project_id=simulator.project_id)


def histograms(simulator: Simulator) -> int:
    """Return how many were charged."""
    charged: int = simulator.ledger()["credits"]["charged_by_reason"].get("histogram", 0)
    return charged // 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("by", "windows", "requests"),
    [("month", 12, 1), ("week", 53, 1), ("day", 365, 1), ("hour", 8760, 12), ("auto", 1, 1)],
)
def test_a_year_takes_a_handful_of_requests(
    client: TalkwalkerClient,
    simulator: Simulator,
    order: ExportOrder,
    by: SplitBy,
    windows: int,
    requests: int,
) -> None:
    """The price of counting is known before, reported after, and is what the account was charged."""
    found = count_volumes(client, order, by)
    assert len(found.windows) == windows
    assert histograms(simulator) == requests
    assert found.counting_credits == counting_price(YEAR, by) == 10 * requests


def test_the_plan_costs_what_it_says(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """A settled quarter, planned and then bought, costs its plan to the credit; planned again, it costs nothing."""
    quarter = replace(order, window=Window(YEAR.start, YEAR.start.add(months=3)))
    found = count_volumes(client, quarter, "month")
    first = plan(
        quarter, found.windows, exports=client.list_exports(), balance=client.get_credits().remaining
    )
    for window in first.windows:
        client.put_collector(window.collector_id)
        buy_once(client, replace(quarter, window=window.window), window.collector_id)
    simulator.advance(60)
    assert client.get_credits().remaining == first.balance_after
    assert (
        simulator.ledger()["credits"]["charged_by_reason"]["export"] == first.credits == first.credits_at_most
    )
    again = plan(quarter, found.windows, exports=client.list_exports(), balance=first.balance_after)
    assert {window.state for window in again.windows} == {WindowState.READABLE}
    assert again.credits == 0


def test_auto_stays_below_the_limit(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Windows by volume tile the year, and none brings more than its limit less the headroom."""
    found = count_volumes(client, replace(order, limit=5_000), "auto", headroom=0.1)
    windows = [window for window, _ in found.windows]
    volumes = [volume or 0 for _, volume in found.windows]
    assert [windows[0].start, windows[-1].stop] == [YEAR.start, YEAR.stop]
    assert all(earlier.stop == later.start for earlier, later in pairwise(windows))
    assert max(volumes) <= 4_500
    assert all(earlier + later > 4_500 for earlier, later in pairwise(volumes))


def test_auto_counts_days_above_the_limit_by_the_hour(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Days that an export would truncate are counted by the hour, those that touch in one request."""
    fortnight = replace(order, window=Window(YEAR.start, YEAR.start.add(days=14)), limit=110)
    found = count_volumes(client, fortnight, "auto", headroom=0)
    assert max(volume or 0 for _, volume in found.windows) <= 110
    assert any(window.stop.hour for window, _ in found.windows)
    assert found.counting_credits == 10 * histograms(simulator)
    assert 1 < histograms(simulator) < 10


def test_what_cannot_be_counted_is_planned_for_free(client: TalkwalkerClient, simulator: Simulator) -> None:
    """A stream is split by the calendar with unknown volumes; it cannot be split by volume."""
    stream = ExportOrder(YEAR, stream_id=simulator.stream_id)
    found = count_volumes(client, stream, "month")
    assert Counter(volume for _, volume in found.windows) == {None: 12}
    assert "no histogram of a stream" in (found.uncountable or "")
    with pytest.raises(InvalidRequestError, match="splits by volume"):
        count_volumes(client, stream, "auto")
    assert histograms(simulator) == 0
