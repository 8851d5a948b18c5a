"""The account behind the demo login: its labels, its rate limits, and its bill."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.day import DAY_MS
from airflow_provider_twexport.simulator.x.errors import XError

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.x.requests import PageRequest

LOGIN, PASSWORD = "demo@example.com", "demo-password"
ACCOUNT = "demo"
PRODUCTS = ("30day", "fullarchive")
PRODUCT_NAMES = {"30day": "Search API (30-Day) 2.0", "fullarchive": "Search API (Full-Archive)"}
USAGE_DAYS = 31
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

    def bill(self, product: str, label: str, kind: str, request: PageRequest, page: dict[str, Any]) -> None:
        """Bill one page of `data` or `counts`."""
        self._billed.append(
            {
                "product": product,
                "label": label,
                "at": self._clock.now_ms(),
                "kind": kind,
                "query": request.query,
                **page["requestParameters"],
                "before": request.before,
                "visit": request.visit,
                "results": len(page.get("results", ())),
            }
        )

    def usage(self, bucket: str, start: int | None, stop: int | None) -> dict[str, Any]:
        """Return the usage of each day or month, of the account and of each product and label.

        Both edges are whole days; with a ``stop``, today is not reported.
        """
        now = self._clock.now_ms()
        first = _midnight(now - USAGE_DAYS * DAY_MS if start is None else start)
        end = now + 1 if stop is None else _midnight(min(stop, now))
        pages = [page for page in self._billed if first <= page["at"] < end]
        used = _used(pages, bucket, now)
        products = [
            {
                "type": PRODUCT_NAMES[product],
                "used": _used(own, bucket, now),
                "endpoints": [
                    {"type": PRODUCT_NAMES[product], "label": label, "used": _used(of_label, bucket, now)}
                    for label in LABELS
                    if (of_label := [page for page in own if page["label"] == label])
                ],
            }
            for product in PRODUCTS
            if (own := [page for page in pages if page["product"] == product])
        ]
        publisher = {"type": "twitter", "used": used, "projected": {**used[-1]}, "products": products}
        return {"account": {"name": ACCOUNT}, "bucket": bucket, "publishers": [publisher]}

    def ledger(self) -> dict[str, Any]:
        """Return the billed pages, counted and in order."""
        counted = Counter(f"{page['product']} {page['kind']}" for page in self._billed)
        return {"billed": dict(counted), "pages": self._billed}


def _used(pages: list[dict[str, Any]], bucket: str, now_ms: int) -> list[dict[str, Any]]:
    """Return the usage of some pages by period; at least that of now."""
    periods: dict[str, list[dict[str, Any]]] = {_period(now_ms, bucket): []}
    for page in pages:
        periods.setdefault(_period(page["at"], bucket), []).append(page)
    return [
        {
            "timePeriod": period,
            "activities": sum(page["results"] for page in held if page["kind"] == "data"),
            "searchRequests30Day": sum(page["product"] == "30day" for page in held),
            "searchRequestsFullArchive": sum(page["product"] == "fullarchive" for page in held),
        }
        for period, held in sorted(periods.items())
    ]


def _midnight(time_ms: int) -> int:
    return time_ms // DAY_MS * DAY_MS


def _period(time_ms: int, bucket: str) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime(
        "%Y%m010000" if bucket == "month" else "%Y%m%d0000"
    )
