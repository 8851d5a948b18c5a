"""The account behind the demo login: its labels, its rate limits, and its bill."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.x.errors import XError

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.x.requests import PageRequest

LOGIN, PASSWORD = "demo@example.com", "demo-password"
ACCOUNT = "demo"
PRODUCTS = ("30day", "fullarchive")
# the calls of each label; the second one is of an account without counts
LABELS = {"prod": frozenset(("data", "counts")), "data-only": frozenset(("data",))}


def check_credentials(request: Request) -> None:
    """Refuse a request without the demo login."""
    expected = "Basic " + base64.b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()
    if request.headers.get("authorization") != expected:
        raise XError(401, "Unauthorized")


class Account:
    """The recent calls, and the pages that were billed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent_calls: defaultdict[tuple[str, int], deque[float]] = defaultdict(deque)
        self._billed: list[dict[str, Any]] = []

    def check_rate(self, call: str, allowed: int | None, seconds: int = 60) -> None:
        """Allow so many calls of a kind in a sliding window; 429 for the next one."""
        recent, now = self._recent_calls[call, seconds], self._clock.now()
        while recent and recent[0] <= now - seconds:
            recent.popleft()
        if allowed is not None and len(recent) >= allowed:
            raise XError(429, "Exceeded rate limit")
        recent.append(now)

    def bill(self, product: str, kind: str, request: PageRequest, page: dict[str, Any]) -> None:
        """Bill one page of `data` or `counts`."""
        self._billed.append(
            {
                "product": product,
                "kind": kind,
                "query": request.query,
                **page["requestParameters"],
                "before": request.before,
                "visit": request.visit,
                "results": len(page.get("results", ())),
            }
        )

    def usage(self) -> dict[str, Any]:
        """Return the usage of the month, as the vendor shows it."""
        pages = Counter(page["product"] for page in self._billed)
        used = {
            "timePeriod": datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y%m010000"),
            "activities": 0,
            "searchRequests30Day": pages["30day"],
            "searchRequestsFullArchive": pages["fullarchive"],
        }
        publisher = {"type": "twitter", "used": [used], "projected": {**used, "days": 0}}
        return {"account": {"name": ACCOUNT}, "bucket": "month", "publishers": [publisher]}

    def ledger(self) -> dict[str, Any]:
        """Return the billed pages, counted and in order."""
        counted = Counter(f"{page['product']} {page['kind']}" for page in self._billed)
        return {"billed": dict(counted), "pages": self._billed}
