"""Searches of X among the landings of a directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pendulum

from airflow_provider_twexport.coverage.coverage import landed_span
from airflow_provider_twexport.talkwalker.purchasing.order_matching import known_orders
from airflow_provider_twexport.x.search.pages import SearchRequest
from tests.service_clients import JANUARY

NEW_YEAR = pendulum.datetime(2026, 1, 1)


@dataclass
class Landed:
    """What is looked at in a manifest."""

    source: dict[str, Any] = field(
        default_factory=lambda: SearchRequest("coffee", JANUARY).source("fullarchive", None)
    )
    results: int = 7
    complete: bool = True
    truncated: bool = False
    ordered_at: pendulum.DateTime = NEW_YEAR


def test_a_search_covers_its_window() -> None:
    """Its product is the scope, its query the query."""
    span = landed_span(Landed())
    assert span is not None
    assert (span.scope, span.query, span.window) == ("fullarchive", "coffee", JANUARY)
    assert span.export_id == Landed().source["owner"]


def test_a_search_is_not_taken_for_an_export_of_talkwalker() -> None:
    """Even if an export could be of the same query."""
    assert known_orders([Landed().source]) == known_orders([])
