"""A search through pages as no document of X describes them: each is paid for once, and each post lands once."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from airflow_provider_twexport.exceptions import TwexportError
from airflow_provider_twexport.storage.part_options import PartOptions
from airflow_provider_twexport.x.search.landing import SearchLanding
from airflow_provider_twexport.x.search.pages import SearchRequest, post_id
from tests.hostile.x_capture import ERROR_BODIES, FORMATS
from tests.service_clients import JANUARY, x_client_of
from tests.storage.stream import landed_records
from tests.x.search.test_client import truth

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_twexport.storage.manifest import Manifest
    from tests.simulator_process import Simulator

TRIES = 8
SEARCH = {"path": "/search/"}


def play(seed: int, simulator: Simulator, path: Path, posts_per_day: int = 300) -> list[str]:
    """Return what is wrong with a search of January, one sentence each.

    :param seed: decides what happens.
    """
    rng = random.Random(f"x search {seed}")
    simulator.reset()
    simulator.settings(
        x_requests_per_minute=None,
        x_requests_per_second=None,
        x_posts_per_day=posts_per_day,
        x_odd_pages=rng.choice((0.1, 0.3)),
        x_odd_results=rng.choice((20, 100, 1_000)),
        x_odd_posts=rng.choice((0, 30)),
        x_repeat_at_edges=rng.random() < 0.5,
        x_page_days=rng.choice((30, 31)),
        x_error_body=rng.choice(ERROR_BODIES),
    )
    for _ in range(rng.choice((0, 3, 10))):
        status, skip = rng.choice((408, 420, 429, 500, 502, 503, 504)), rng.randrange(20)
        simulator.faults({"fault": "error", "http": status, "message": "no", "match": SEARCH, "skip": skip})
    request = SearchRequest(f"coffee {seed}", JANUARY)
    landed = _land(simulator, request, path, PartOptions(rng.choice(FORMATS)))
    if isinstance(landed, str):
        return [landed]
    problems = []
    ids = [post_id(record).decode() for record in landed_records(path)]
    if Counter(ids) != Counter(truth(simulator, request.query)):
        problems.append(f"{len(ids)} posts landed, {len({*ids})} different ones")
    billed = simulator.ledger()["x"]["pages"]
    pages = Counter(tuple(page[key] for key in ("fromDate", "toDate", "before", "visit")) for page in billed)
    if twice := [page for page, count in pages.items() if count > 1]:
        problems.append(f"{len(twice)} pages were paid twice, such as {twice[0]}")
    return problems


def _land(simulator: Simulator, request: SearchRequest, path: Path, parts: PartOptions) -> Manifest | str:
    """Return the manifest of the first try that succeeds; or how the last one ended."""
    search = SearchLanding(x_client_of(simulator), request)
    error: Exception | None = None
    for _ in range(TRIES):
        try:
            with search.open(path, parts) as landing:
                return landing.committed or search.land(landing)
        except TwexportError as ours:
            error = ours
    return f"no try succeeded: {error!r}"
