"""How many results there are in each interval of time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = ("published", "search_indexed")
WEEK = 7 * 86_400_000
MOST_BINS = 100_000

FLOORS: dict[str, Callable[[datetime], datetime]] = {
    "minute": lambda at: at.replace(second=0, microsecond=0),
    "hour": lambda at: at.replace(minute=0, second=0, microsecond=0),
    "day": lambda at: at.replace(hour=0, minute=0, second=0, microsecond=0),
    "week": lambda at: FLOORS["day"](at) - timedelta(days=at.weekday()),
    "month": lambda at: FLOORS["day"](at).replace(day=1),
    "year": lambda at: FLOORS["day"](at).replace(month=1, day=1),
}
# Long enough to reach the next interval from the start of any, short enough not to pass over it.
STEPS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=31),
    "year": timedelta(days=366),
}


# the vendor's samples write `day` and `1d` alike
SHORT = {"h": "hour", "d": "day", "w": "week"}
SUBDAY = ("minute", "hour")


def zone(name: str) -> ZoneInfo:
    """Read the name of a time zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise TalkwalkerError(5, param="timezone", details=name) from None


def bins(start: int, stop: int, interval: str, timezone: ZoneInfo) -> list[tuple[int, int, int]]:
    """Cut `[start, stop)` into triples of the interval's start and the part that belongs to the window."""
    name = re.sub(r"^1?([a-z]+?)s?$", r"\1", interval.strip().lower())
    name = SHORT.get(name, name)
    if name not in FLOORS:
        raise TalkwalkerError(5, param="interval", details=f"known: {', '.join(FLOORS)}")
    cut: list[tuple[int, int, int]] = []
    at = FLOORS[name](datetime.fromtimestamp(start / 1000, timezone))
    while (begin := int(at.timestamp() * 1000)) < stop:
        at = _next(at, name)
        cut.append((begin, max(begin, start), min(int(at.timestamp() * 1000), stop)))
        if len(cut) > MOST_BINS:
            raise TalkwalkerError(5, param="interval", details="too many intervals")
    return cut


def _next(at: datetime, name: str) -> datetime:
    # a day may have 23 or 25 hours on the wall clock, an hour always lasts one
    later = (at.astimezone(UTC) + STEPS[name]).astimezone(at.tzinfo) if name in SUBDAY else at + STEPS[name]
    return FLOORS[name](later)


def histogram(
    count: Callable[[int, int], int], start: int, stop: int, interval: str, timezone: ZoneInfo
) -> dict[str, Any]:
    """Count the results of each interval of the window."""
    cut = bins(start, stop, interval, timezone)
    counted = [{"t": begin, "v": [count(first, last)]} for begin, first, last in cut]
    return {"header": {"v": ["ALL"]}, "data": counted}
