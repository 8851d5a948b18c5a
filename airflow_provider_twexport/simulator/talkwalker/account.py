"""The account behind the demo tokens: everything the stand-in remembers."""

from __future__ import annotations

import random
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.prng import number
from airflow_provider_twexport.simulator.talkwalker.corpus import Corpus
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError
from airflow_provider_twexport.simulator.talkwalker.jobs import Exports
from airflow_provider_twexport.simulator.talkwalker.streams import Collectors

if TYPE_CHECKING:
    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.talkwalker.documents import Documents
    from airflow_provider_twexport.simulator.talkwalker.settings import Settings


class Credits:
    """Counts down what is left and says what it went for."""

    def __init__(self, total: int) -> None:
        self.total = self.remaining = total
        self.charged: Counter[str] = Counter()

    def refill(self, total: int) -> None:
        """Start a new month with so many credits; what was charged stays on record."""
        self.total = self.remaining = total

    def take(self, wanted: int, reason: str) -> int:
        """Charge as much of this as there is, and say how much that was."""
        taken = min(wanted, self.remaining)
        self.remaining -= taken
        self.charged[reason] += taken
        return taken

    def to_json(self) -> dict[str, object]:
        """Write the totals for the ledger."""
        return {
            "remaining": self.remaining,
            "charged_total": self.charged.total(),
            "charged_by_reason": dict(self.charged),
        }


TOKENS = {"demo-token-read-write": None, "demo-token-read-only": "read_only"}
ACCOUNT_ID = "demo-account"
DAY_SECONDS = 86_400
MINUTE = 60
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


class Account:
    """Collectors, exports and credits, moved on by the clock whenever somebody looks."""

    def __init__(self, clock: Clock, seed: int, settings: Settings, documents: Documents) -> None:
        self.clock = clock
        self.settings = settings
        self.corpus = Corpus(seed)
        self.credits = Credits(settings.credits)
        self.collectors = Collectors(seed)
        self.exports = Exports(seed, self.corpus, documents)
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)
        self._chance = random.Random(number(seed, "ids"))

    def advance(self) -> None:
        """Catch up with the clock."""
        now = self.clock.now()
        self.exports.advance(now, self.settings, self.collectors, self.credits)
        self.collectors.expire(now - self.settings.retention_days * DAY_SECONDS)

    def change(self, changes: dict[str, Any]) -> None:
        """Go on under other settings; naming `credits` fills them up."""
        self.advance()
        self.settings = self.settings.changed(changes)
        if "credits" in changes:
            self.credits.refill(self.settings.credits)

    def admit(self, call: str, allowed: int | None) -> None:
        """Allow so many calls of a kind in a sliding minute; error 8 for the next one."""
        recent, now = self._recent[call], self.clock.now()
        while recent and recent[0] <= now - MINUTE:
            recent.popleft()
        if allowed is not None and len(recent) >= allowed:
            raise TalkwalkerError(8)
        recent.append(now)

    def new_id(self) -> str:
        """Make an id for a request or connection: `#`, six digits of time, six of chance, `#`."""
        seconds, digits = int(self.clock.now()), ""
        while seconds:
            seconds, digit = divmod(seconds, 36)
            digits = BASE36[digit] + digits
        return f"#{digits}{''.join(self._chance.choices(BASE36, k=6))}#"
