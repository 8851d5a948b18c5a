"""Collectors are named by their orders."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.talkwalker.client import checked_collector_id
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.purchasing.collector_names import (
    collector_id_of,
    fingerprint,
    fingerprint_in,
    window_in,
)
from airflow_provider_twexport.talkwalker.purchasing.order_matching import match_order

ORDER = ExportOrder(
    Window(pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 2, 1)),
    project_id="11111111-2222-4333-8444-555555555555",
    query="coffee",
    topics=("a", "b"),
    limit=5_000,
)
QUERY = "caf\u00e9\nOR t\u00e9"


def test_the_name_does_not_change_between_releases() -> None:
    """A name that changed would buy everything again."""
    assert collector_id_of(ORDER) == "twx-11111111-2222-4333-8-20240101-20240201-6dd2d4caa3"


@pytest.mark.parametrize(
    "change",
    [
        {"project_id": "other"},
        {"project_id": None, "stream_id": "11111111-2222-4333-8444-555555555555", "topics": ()},
        {"query": "tea"},
        {"query": None},
        {"topics": ("a",)},
        {"limit": 4_999},
        {"window": Window(ORDER.window.start, ORDER.window.stop.add(minutes=1))},
        {"window": Window(ORDER.window.start.subtract(minutes=1), ORDER.window.stop)},
    ],
)
def test_all_that_decides_the_price_decides_the_name(change: dict[str, Any]) -> None:
    """Orders that differ in anything have different names."""
    assert collector_id_of(replace(ORDER, **change)) != collector_id_of(ORDER)


def test_the_order_of_topics_does_not_matter() -> None:
    """The same topics in another order are the same export."""
    assert collector_id_of(replace(ORDER, topics=("b", "a", "b"))) == collector_id_of(ORDER)


@pytest.mark.parametrize(
    "same",
    [
        {"query": unicodedata.normalize("NFD", QUERY)},
        {"query": QUERY.replace("\n", "\r\n")},
        {"query": QUERY.replace("\n", "\r")},
        {"project_id": "ABCDEF01-2222-4333-8444-555555555555"},
    ],
)
def test_what_means_the_same_has_the_same_name(same: dict[str, Any]) -> None:
    """Another form of the same characters, other line ends, and ids in other case are the same order."""
    order = replace(ORDER, query=QUERY, project_id="abcdef01-2222-4333-8444-555555555555")
    assert any(getattr(order, key) != value for key, value in same.items())
    other = replace(order, **same)
    assert collector_id_of(other) == collector_id_of(order)
    assert other.query == order.query


@given(st.text(min_size=1), st.datetimes(), st.integers(1, 10**6))
def test_every_name_follows_the_vendor_rule(scope: str, start: Any, minutes: int) -> None:
    """Names are lower-case letters, digits and hyphens, begin with a letter, and have at most 64 characters."""
    begin = pendulum.instance(start, "UTC").replace(year=2024).start_of("minute")
    name = collector_id_of(replace(ORDER, project_id=scope, window=Window(begin, begin.add(minutes=minutes))))
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,63}", name)
    assert checked_collector_id(name) == name


def test_the_fingerprint_can_be_read_from_the_name() -> None:
    """The manifest identifies the order by the collector's name; a name of the user's own holds no fingerprint."""
    assert fingerprint_in(collector_id_of(ORDER)) == fingerprint(ORDER)
    assert fingerprint_in("my-collector") is None


def test_the_window_can_be_read_from_the_name() -> None:
    """A name holds its scope and window, also one that does not begin at midnight; any other name holds none."""
    assert window_in(collector_id_of(ORDER)) == ("11111111-2222-4333-8", ORDER.window)
    noon = Window(ORDER.window.start.add(hours=12, minutes=5), ORDER.window.stop)
    assert window_in(collector_id_of(replace(ORDER, window=noon))) == ("11111111-2222-4333-8", noon)
    for other in ("my-collector", "twx-a-20241301-20240201-6dd2d4caa3", "twx-a-20240201-20240101-6dd2d4caa3"):
        assert window_in(other) is None


def test_a_window_within_a_minute_is_refused_before_anything_is_bought() -> None:
    """Its collector could not be told from that of another one, so it would never be recognized as bought."""
    start = pendulum.datetime(2024, 1, 1)
    with pytest.raises(InvalidRequestError, match=r"begins or ends within a minute.*Nothing was bought"):
        ExportOrder(Window(start, start.add(minutes=1, seconds=30)), query="coffee")
    order = ExportOrder(Window(start, start.add(minutes=1)), query="coffee")
    assert match_order(collector_id_of(order), [order]) == order
