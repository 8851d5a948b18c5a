"""Finding the order behind a collector's name."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from airflow_provider_twexport.talkwalker.purchasing.order_matching import known_orders, match_order
from tests.service_clients import JANUARY

ORDER = ExportOrder(JANUARY, project_id="demo", query="cats", topics=("a", "b"), limit=500)
SOURCE = {"project_id": "demo", "query": "cats", "topics": ["b", "a"], "limit": 500}


def test_an_order_is_matched_by_others_like_it() -> None:
    """Scope, query, topics and limit come from a manifest, the window from the name."""
    found = match_order(collector_id_of(ORDER), known_orders([SOURCE]))
    assert found is not None
    assert (found.window, found.query, set(found.topics), found.limit) == (JANUARY, "cats", {"a", "b"}, 500)


def test_what_was_never_seen_is_not_guessed() -> None:
    """Another query of the same project is another order."""
    assert match_order(collector_id_of(replace(ORDER, query="dogs")), known_orders([SOURCE], "demo")) is None
    assert match_order("box", known_orders([SOURCE])) is None


def test_a_whole_project_needs_no_manifest() -> None:
    """The connection's default project is tried too."""
    whole = ExportOrder(JANUARY, project_id="demo")
    assert match_order(collector_id_of(whole), known_orders([{}], "demo")) == whole
