"""Lands a search in children that die by SIGKILL at random pages, until one survives.

``python -m tests.storage.dying_search DIRECTORY URL SEED``: prints how many died. Each dies right before or
after a page is written, or just when the next one was asked for.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
from typing import TYPE_CHECKING

from airflow_provider_twexport.core.arguments import parse_moment
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.storage.landing import Dedup, Landing
from airflow_provider_twexport.storage.part_options import PartOptions
from airflow_provider_twexport.x.search.client import XSearchClient
from airflow_provider_twexport.x.search.pages import SearchRequest, post_id
from airflow_provider_twexport.x.session import XCredential
from tests.storage.dying import die_if, in_child
from tests.waiting import QUICK

if TYPE_CHECKING:
    from airflow_provider_twexport.core.batch import Batch

SEARCH = SearchRequest("coffee", Window(parse_moment("2024-01-01"), parse_moment("2024-02-01")))


def land(directory: str, url: str, dies_at: float) -> None:
    """Land the search; die at a page, or in the middle of what is done with it."""
    client = XSearchClient(
        XCredential("demo@example.com", "demo-password", account="demo", label="prod"),
        base_url=url,
        requests_per_minute=10**6,
        timing=QUICK,
    )
    with Landing.open(
        directory,
        source=SEARCH.source("fullarchive", None),
        parts=PartOptions(max_part_results=20_000),
        dedup=Dedup(post_id),
        durable_batches=True,
    ) as landing:
        for number, batch in enumerate(client.pages(SEARCH, cursor=landing.cursor)):
            die_if(number == dies_at)
            _write(landing, batch, number + 0.5 == dies_at)
        landing.commit()


def _write(landing: Landing, batch: Batch, dies_after: bool) -> None:
    landing.write(batch)
    die_if(dies_after)


def main(directory: str, url: str, seed: str) -> None:
    """Let children die and print how many did, and how many of them lost the page in flight."""
    chance = random.Random(seed)
    in_flight = 0
    for deaths in itertools.count():
        dies_at = chance.randrange(2 * (10 + 6 * deaths)) / 2
        if in_child(lambda at=dies_at: land(directory, url, at)) == 0:
            break
        in_flight += dies_at.is_integer()
    print(json.dumps({"deaths": deaths, "in_flight": in_flight, "parts": len(os.listdir(directory)) - 1}))


if __name__ == "__main__":
    main(*sys.argv[1:])
