"""How many results there are in each interval of time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

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


def bins(start: int, stop: int, interval: str) -> list[tuple[int, int, int]]:
    """Cut `[start, stop)` into triples of the interval's start and the part that belongs to the window."""
    name = re.sub(r"^1?([a-z]+?)s?$", r"\1", interval.strip().lower())
    if name not in FLOORS:
        raise TalkwalkerError(5, param="interval", details=f"known: {', '.join(FLOORS)}")
    floor, cut = FLOORS[name], []
    at = floor(datetime.fromtimestamp(start / 1000, UTC))
    while (begin := int(at.timestamp() * 1000)) < stop:
        at = floor(at + STEPS[name])
        cut.append((begin, max(begin, start), min(int(at.timestamp() * 1000), stop)))
        if len(cut) > MOST_BINS:
            raise TalkwalkerError(5, param="interval", details="too many intervals")
    return cut


def histogram(count: Callable[[int, int], int], start: int, stop: int, interval: str) -> dict[str, Any]:
    """Count the results of each interval of the window."""
    counted = [{"t": begin, "v": [count(first, last)]} for begin, first, last in bins(start, stop, interval)]
    return {"header": {"v": ["ALL"]}, "data": counted}
