"""The vendor's own client, `searchtweets`, reads all pages of the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from searchtweets import ResultStream, gen_rule_payload

from tests.simulator.x.test_search import UNLIMITED, post_ids

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

JANUARY = {"from_date": "2024-01-01", "to_date": "2024-02-01"}


def everything(simulator: Simulator, what: str, rule: str) -> list[Any]:
    """Return everything that the vendor's client reads."""
    simulator.settings(**UNLIMITED)
    return list(
        ResultStream(
            endpoint=f"{simulator.url}/search/fullarchive/accounts/demo/{what}.json",
            rule_payload=rule,
            username="demo@example.com",
            password="demo-password",
            max_results=100_000,
        ).stream()
    )


@pytest.mark.slow
def test_it_reads_every_post(simulator: Simulator) -> None:
    """It reads each post once, and its own parser parses it."""
    rule = gen_rule_payload("coffee lang:en", results_per_call=500, **JANUARY)
    posts = everything(simulator, "prod", rule)
    assert [post.id for post in posts] == post_ids(simulator, query="coffee lang:en")
    assert all(post.created_at_datetime.year == 2024 and post.user_id and post.text for post in posts)


def test_it_reads_every_count(simulator: Simulator) -> None:
    """It reads each count once."""
    rule = gen_rule_payload("coffee", from_date="2023-01-01", to_date="2024-01-01", count_bucket="day")
    counts = everything(simulator, "prod/counts", rule)
    assert len({count["timePeriod"] for count in counts}) == len(counts) == 365
