"""Histograms: what they count, what they cost, and how many there may be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.simulator.conftest import Api

NEW_YEAR = 1_704_067_200_000
HOUR = 3_600_000
DAY = 24 * HOUR
GLOBAL = "/api/v1/search/histogram/published"


def _ask(api: Api, path: str | None = None, **params: Any) -> Any:
    path = path or f"/api/v1/search/p/{api.simulator.project_id}/histogram/published"
    return api.call("GET", path, params={"min": NEW_YEAR, "max": NEW_YEAR + 2 * DAY, **params}).json()


def _bins(response: Any) -> list[tuple[int, int]]:
    return [(bin["t"], bin["v"][0]) for bin in response["result_histogram"]["data"]]


@pytest.mark.parametrize(
    ("interval", "bins"), [("hour", 48), ("1h", 48), ("day", 2), ("1d", 2), ("1w", 1), ("month", 1)]
)
def test_intervals_count_the_same(api: Api, interval: str, bins: int) -> None:
    """Any interval counts the same results."""
    counted = _bins(_ask(api, interval=interval))
    assert len(counted) == bins
    assert sum(count for _, count in counted) == sum(count for _, count in _bins(_ask(api)))


def test_days_follow_the_time_zone(api: Api) -> None:
    """Days begin at midnight of the requested time zone, even where one of them has 23 hours."""
    spring = NEW_YEAR + 90 * DAY - HOUR  # midnight of 31 March 2024 in Madrid
    counted = _bins(
        _ask(api, timezone="Europe/Madrid", interval="day", min=spring, max=spring + 2 * DAY - HOUR)
    )
    assert [begin for begin, _ in counted] == [spring, spring + 23 * HOUR]
    hours = _bins(_ask(api, timezone="Europe/Madrid", interval="hour", min=spring, max=spring + DAY))
    assert len(hours) == 24


def test_unknown_time_zone(api: Api) -> None:
    """An unknown time zone is an invalid parameter."""
    assert _ask(api, timezone="Moon/Tranquility")["status_code"] == "5"


def test_edges_are_included_or_excluded_as_requested(api: Api) -> None:
    """By default the first millisecond is included and the last is not."""
    default = sum(count for _, count in _bins(_ask(api)))
    explicit = sum(count for _, count in _bins(_ask(api, min_include="true", max_include="false")))
    assert default == explicit


@pytest.mark.parametrize(("path", "allowed"), [(None, 30), (GLOBAL, 60)])
def test_call_limits(api: Api, path: str | None, allowed: int) -> None:
    """A minute allows 30 histograms of projects and 60 outside of projects; one more is error 8 and free."""
    api.simulator.settings(speed=0)
    codes = [_ask(api, path, q="cats")["status_code"] for _ in range(allowed + 1)]
    assert codes == ["0"] * allowed + ["8"]
    assert api.simulator.ledger()["credits"]["charged_total"] == 10 * allowed
    api.simulator.advance(61)
    assert _ask(api, path, q="cats")["status_code"] == "0"


def test_only_the_last_month_is_counted_outside_of_projects(api: Api) -> None:
    """Global data reaches back 30 days; older and future intervals count nothing."""
    now = int(time.time() * 1000)
    counted = _bins(_ask(api, GLOBAL, q="cats", min=now - 40 * DAY, max=now + 3 * DAY, interval="day"))
    assert [count > 0 for _, count in counted[:10]] == [False] * 10
    assert all(count > 0 for _, count in counted[11:40])
    assert all(count >= 0 for _, count in counted)
    api.simulator.settings(global_histogram_days=None)
    assert all(count > 0 for _, count in _bins(_ask(api, GLOBAL, q="cats")))
