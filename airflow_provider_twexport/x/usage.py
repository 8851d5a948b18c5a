"""What an account used, by period and product; vendor page "Usage API".

X counts posts once a day each. Its report has the account as a whole, its products, and the labels of each product.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NUMBER = re.compile("[0-9]{1,18}")
_REQUESTS = ("searchRequests30Day", "searchRequestsFullArchive")


def rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the usage of each product and label in each period, the oldest first.

    :param report: X's response, in which any field may be missing.
    :returns: ``{"period", "product", "label", "activities", "requests"}`` each; ``period`` is the first day, ISO 8601,
        or ``None`` if X does not say; ``label`` is ``None`` for a product as a whole.
    """
    found = [row for product in _items(report, "publishers", "products") for row in _of_product(product)]
    return sorted(found, key=lambda row: (row["period"] or "", row["product"], row["label"] or ""))


def totals(report: Mapping[str, Any]) -> dict[str, int]:
    """Return how many posts and search requests the account used in all periods together."""
    periods = list(_items(report, "publishers", "used"))
    return {
        "activities": sum(_number(one.get("activities")) for one in periods),
        "requests": sum(map(_requests, periods)),
    }


def latest_month(report: Mapping[str, Any]) -> tuple[str | None, dict[str, int]]:
    """Return the latest month of the report, and what the account used in it, by X's names.

    :param report: X's response, by day or month, in which any field may be missing.
    :returns: such as ``"2024-06"``, or ``None`` if X does not say; the sum of all days and publishers.
    """
    periods = [(_month(one), one) for one in _items(report, "publishers", "used")]
    latest = max((month for month, _ in periods), default="")
    used: Counter[str] = Counter()
    for month, one in periods:
        if month == latest:
            used.update({name: _number(it) for name, it in one.items() if _is_count(name, it)})
    return latest or None, dict(used)


def _of_product(product: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    name = str(product.get("type"))
    yield from (_row(name, None, period) for period in _dicts(product.get("used")))
    for endpoint in _dicts(product.get("endpoints")):
        label = str(endpoint.get("label"))
        yield from (_row(name, label, period) for period in _dicts(endpoint.get("used")))


def _row(product: str, label: str | None, period: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "period": _day(period),
        "product": product,
        "label": label,
        "activities": _number(period.get("activities")),
        "requests": _requests(period),
    }


def _day(period: Mapping[str, Any]) -> str | None:
    try:
        return date.fromisoformat(str(period.get("timePeriod"))[:8]).isoformat()
    except ValueError:
        return None


def _month(period: Mapping[str, Any]) -> str:
    return (_day(period) or "")[: len("2024-06")]


def _items(report: Mapping[str, Any], outer: str, inner: str) -> Iterator[Mapping[str, Any]]:
    return (item for each in _dicts(report.get(outer)) for item in _dicts(each.get(inner)))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _requests(period: Mapping[str, Any]) -> int:
    return sum(_number(period.get(name)) for name in _REQUESTS)


def _number(value: Any) -> int:
    return int(value) if _NUMBER.fullmatch(str(value)) else 0


def _is_count(name: str, value: Any) -> bool:
    return name != "timePeriod" and bool(_NUMBER.fullmatch(str(value)))
