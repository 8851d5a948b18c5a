"""One poll for all that wait."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_twexport.triggers.shared_poll import SharedPoll


@pytest.mark.slow
def test_nobody_asks_for_what_nothing_waits_for() -> None:
    """An id leaves the poll with the last that waited for it, whether answered or cancelled."""
    asked: list[frozenset[str]] = []

    async def look(ids: frozenset[str]) -> dict[str, str]:
        asked.append(ids)
        return {each: "ended" for each in ids if each != "slow"}

    async def wait_for_all() -> None:
        poll = SharedPoll(look)
        slow = asyncio.create_task(poll.next_answer("slow", 0))
        await asyncio.gather(poll.next_answer("a", 0), poll.next_answer("a", 0), poll.next_answer("b", 0))
        await poll.next_answer("c", 0)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        await poll.next_answer("d", 0)
        await poll.next_answer("d", 0)

    asyncio.run(wait_for_all())
    assert asked[0] == {"slow", "a", "b"}
    assert asked[1] <= {"slow", "c"}
    assert asked[-1] == {"d"}
