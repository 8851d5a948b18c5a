"""Histograms of a search: the number of results in each interval of a window."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow_provider_twexport.simulator.day import DAY_MS
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError

if TYPE_CHECKING:
    from collections.abc import Callable

HISTOGRAM_TYPES = ("published", "search_indexed")
WEEK_MS = 7 * DAY_MS
MAX_BINS = 100_000

FLOORS: dict[str, Callable[[datetime], datetime]] = {
    "minute": lambda at: at.replace(second=0, microsecond=0),
    "hour": lambda at: at.replace(minute=0, second=0, microsecond=0),
    "day": lambda at: at.replace(hour=0, minute=0, second=0, microsecond=0),
    "week": lambda at: FLOORS["day"](at) - timedelta(days=at.weekday()),
    "month": lambda at: FLOORS["day"](at).replace(day=1),
    "year": lambda at: FLOORS["day"](at).replace(month=1, day=1),
}
# Long enough to reach the next interval from the start of any, short enough not to skip it.
STEPS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=31),
    "year": timedelta(days=366),
}
# the vendor's samples write `day` and `1d` alike
ABBREVIATIONS = {"h": "hour", "d": "day", "w": "week"}
SHORTER_THAN_A_DAY = ("minute", "hour")


def time_zone(name: str) -> ZoneInfo:
    """Return a time zone by its name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise TalkwalkerError(5, param="timezone", details=name) from None


def histogram(
    count: Callable[[int, int], int], start: int, stop: int, interval: str, zone: ZoneInfo
) -> dict[str, Any]:
    """Count the results of each interval of `[start, stop)`.

    :param count: counts the results of a window; all times in epoch milliseconds.
    """
    data = [
        {"t": begin, "v": [count(first, last)]} for begin, first, last in _bins(start, stop, interval, zone)
    ]
    return {"header": {"v": ["ALL"]}, "data": data}


def _bins(start: int, stop: int, interval: str, zone: ZoneInfo) -> list[tuple[int, int, int]]:
    """Split `[start, stop)` into intervals: the start of each, and the part of it that is in the window."""
    name = re.sub(r"^1?([a-z]+?)s?$", r"\1", interval.strip().lower())
    name = ABBREVIATIONS.get(name, name)
    if name not in FLOORS:
        raise TalkwalkerError(5, param="interval", details=f"known: {', '.join(FLOORS)}")
    bins: list[tuple[int, int, int]] = []
    at = FLOORS[name](datetime.fromtimestamp(start / 1000, zone))
    while (begin := int(at.timestamp() * 1000)) < stop:
        at = _next(at, name)
        bins.append((begin, max(begin, start), min(int(at.timestamp() * 1000), stop)))
        if len(bins) > MAX_BINS:
            raise TalkwalkerError(5, param="interval", details="too many intervals")
    return bins


def _next(at: datetime, interval: str) -> datetime:
    if (
        interval in SHORTER_THAN_A_DAY
    ):  # a day may have 23 or 25 hours on the wall clock, an hour is always one
        later = (at.astimezone(UTC) + STEPS[interval]).astimezone(at.tzinfo)
    else:
        later = at + STEPS[interval]
    return FLOORS[interval](later)
