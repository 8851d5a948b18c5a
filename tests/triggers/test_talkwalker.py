"""The Talkwalker trigger: one poll for all that wait, and an event loop that never blocks."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.triggers.conftest import TALKWALKER, event

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "quick_timing")

LIST, ONE = "GET /api/v3/tasks/export", "GET /api/v3/tasks/export/{task_id}"


def counts(simulator: Simulator) -> dict[str, int]:
    """Return how often each address was called."""
    counted: dict[str, int] = simulator.ledger()["counts"]
    return counted


@pytest.mark.slow
def test_a_thousand_waits_cost_one_request_per_interval(simulator: Simulator) -> None:
    """They share one poll, and all of them receive the end."""
    simulator.settings(queue_seconds=3600)
    ids = TALKWALKER.order(simulator, 1_000)

    async def end_all() -> None:
        while counts(simulator).get(LIST, 0) < 3:
            await asyncio.sleep(0.1)
        simulator.settings(queue_seconds=0)

    async def wait_for_all() -> list[dict[str, Any]]:
        *events, _ = await asyncio.gather(
            *[event(TALKWALKER.trigger(export_id)) for export_id in ids], end_all()
        )
        return events

    start = time.monotonic()
    events = asyncio.run(wait_for_all())
    intervals = (time.monotonic() - start) / 0.5
    assert [event["export"]["id"] for event in events] == ids
    assert {event["outcome"] for event in events} == {"ended"}
    assert 3 <= counts(simulator)[LIST] <= intervals + 1
    assert ONE not in counts(simulator)


@pytest.mark.slow
def test_the_event_loop_does_not_block(simulator: Simulator) -> None:
    """A service that responds after a second delays nothing else in the triggerer."""
    (export_id,) = TALKWALKER.order(simulator, 1)
    simulator.faults({"match": {"path": "/tasks/export"}, "fault": "delay", "seconds": 1.5})
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    async def wait_and_beat() -> None:
        heart = asyncio.create_task(beat())
        await event(TALKWALKER.trigger(export_id))
        heart.cancel()

    asyncio.run(wait_and_beat())
    assert longest < 1.0


@pytest.mark.slow
def test_the_deadline_is_kept(simulator: Simulator) -> None:
    """The wait times out, even if the service never responds."""
    (export_id,) = TALKWALKER.order(simulator, 1)
    simulator.faults({"match": {"path": "/tasks/export"}, "fault": "delay", "seconds": 2, "times": 9})
    assert asyncio.run(event(TALKWALKER.trigger(export_id, deadline=time.time() + 1))) == {
        "outcome": "timeout"
    }
