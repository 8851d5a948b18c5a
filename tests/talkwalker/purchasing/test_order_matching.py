"""What a collector's name tells of its order."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from airflow_provider_twexport.talkwalker.purchasing.order_matching import orders_in, recognized
from tests.service_clients import JANUARY

ORDER = ExportOrder(JANUARY, project_id="demo", query="cats", topics=("a", "b"), limit=500)
SOURCE = {"project_id": "demo", "query": "cats", "topics": ["b", "a"], "limit": 500}


def test_an_order_is_recognized_by_others_like_it() -> None:
    """Scope, query, topics and limit come from a manifest, the window from the name."""
    found = recognized(collector_id_of(ORDER), orders_in([SOURCE]))
    assert found is not None
    assert (found.window, found.query, set(found.topics), found.limit) == (JANUARY, "cats", {"a", "b"}, 500)


def test_what_was_never_seen_is_not_guessed() -> None:
    """Another query of the same project is another order."""
    assert recognized(collector_id_of(replace(ORDER, query="dogs")), orders_in([SOURCE], "demo")) is None
    assert recognized("box", orders_in([SOURCE])) is None


def test_a_whole_project_needs_no_manifest() -> None:
    """The connection's default project is tried too."""
    whole = ExportOrder(JANUARY, project_id="demo")
    assert recognized(collector_id_of(whole), orders_in([{}], "demo")) == whole
