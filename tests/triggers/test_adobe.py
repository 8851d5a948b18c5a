"""The Adobe trigger: one list for all that wait, and one token for many polls."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.triggers.adobe import _JobPoll
from tests.adobe_account import client_of
from tests.triggers.conftest import ADOBE, event

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("adobe_connection", "quick_timing")


@pytest.mark.slow
def test_one_list_serves_all(simulator: Simulator) -> None:
    """Two hundred waiting jobs cost a few pages per poll, each after the cursor of the last, and one token."""
    simulator.settings(adobe_queue_seconds=3, adobe_job_seconds=0)
    ids = ADOBE.order(simulator, 200)
    tokens = simulator.ledger()["adobe"]["tokens"]

    async def wait_for_all() -> list[dict[str, Any]]:
        return await asyncio.gather(*(event(ADOBE.trigger(job_id)) for job_id in ids))

    events = asyncio.run(wait_for_all())
    assert {one["outcome"] for one in events} == {"ended"}
    assert [str(one["export"]["id"]) for one in events] == ids
    ledger = simulator.ledger()
    assert ledger["counts"][f"GET {ADOBE.list_path}"] < 40
    assert f"GET {ADOBE.list_path}/{{job_id}}" not in ledger["counts"]
    assert ledger["adobe"]["tokens"] == tokens + 1


@pytest.mark.slow
@pytest.mark.parametrize(("waiting", "most"), [(1_000, 10), (40, 30)])
def test_a_look_at_many_jobs_costs_little_more_than_the_list(
    waiting: int, most: int, simulator: Simulator
) -> None:
    """A thousand jobs cost ten pages and no other request; some among many cost pages or a request each."""
    ids = ADOBE.order(simulator, 1_000)
    wanted = frozenset(random.Random(7).sample(ids, waiting))
    before = simulator.ledger()["counts"]
    poll = _JobPoll("adobe")
    found = poll._find(client_of(simulator), wanted)
    assert wanted <= found.keys()
    sent = {call: count - before.get(call, 0) for call, count in simulator.ledger()["counts"].items()}
    assert sent[f"GET {ADOBE.list_path}"] <= 10
    singles = sent.get(f"GET {ADOBE.list_path}/{{job_id}}", 0)
    assert sent[f"GET {ADOBE.list_path}"] + singles <= most
