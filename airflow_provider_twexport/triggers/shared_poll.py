"""One poll for all: everything that waits on one connection shares one request to the service per interval."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

T = TypeVar("T")
GATHER_SECONDS = 0.5


class SharedPoll(Generic[T]):
    """Asks the service once for many that wait; belongs to one event loop.

    :param look: asks the service about all these ids at once, without blocking the event loop.
    """

    def __init__(self, look: Callable[[frozenset[str]], Awaitable[Mapping[str, T]]]) -> None:
        self._look = look
        self._wanted: Counter[str] = Counter()
        self._round: asyncio.Task[Mapping[str, T]] | None = None
        self._looked_at = float("-inf")

    async def next_answer(self, key: str, interval: float) -> T:
        """Return the next answer about ``key``.

        :param interval: seconds from the last look to the next, unless one is running.
        :raises Exception: what the look raised, for everything that waits for it.
        """
        self._wanted[key] += 1
        try:
            while True:
                answers = await asyncio.shield(self._current_round(interval))
                if key in answers:
                    return answers[key]
        finally:
            self._wanted[key] -= 1
            self._wanted += Counter()  # removes ids that nothing waits for

    def _current_round(self, interval: float) -> asyncio.Task[Mapping[str, T]]:
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._look_when_due(interval))
        return self._round

    async def _look_when_due(self, interval: float) -> Mapping[str, T]:
        # triggers that start together, as after a restart, share the first look too
        await asyncio.sleep(max(GATHER_SECONDS, self._looked_at + interval - time.monotonic()))
        self._looked_at = time.monotonic()
        return await self._look(frozenset(self._wanted)) if self._wanted else {}
