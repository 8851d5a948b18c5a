"""The account behind the demo tokens: everything that Talkwalker remembers."""

from __future__ import annotations

import random
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.prng import hash64
from airflow_provider_twexport.simulator.talkwalker.corpus import Corpus
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError
from airflow_provider_twexport.simulator.talkwalker.jobs import Exports
from airflow_provider_twexport.simulator.talkwalker.streams import Collectors

if TYPE_CHECKING:
    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.talkwalker.documents import Documents
    from airflow_provider_twexport.simulator.talkwalker.jobs import Export
    from airflow_provider_twexport.simulator.talkwalker.settings import TalkwalkerSettings

# the rights of each token; None: those of the setting `rights`
TOKENS = {"demo-token-read-write": None, "demo-token-read-only": "read_only"}
ACCOUNT_ID = "demo-account"
DAY_SECONDS = 86_400
MINUTE_SECONDS = 60
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
# Exports that run at the same time add so many results each, round robin.
ROUND_ROBIN_RESULTS = 64


class Credits:
    """The credits that remain, and what the others were charged for."""

    def __init__(self, total: int) -> None:
        self.total = self.remaining = total
        self._charged: Counter[str] = Counter()

    def refill(self, total: int) -> None:
        """Start a new month with so many credits; what was charged stays on record."""
        self.total = self.remaining = total

    def charge(self, amount: int, reason: str) -> int:
        """Charge this amount or what remains, whichever is less, and return it."""
        charged = min(amount, self.remaining)
        self.remaining -= charged
        self._charged[reason] += charged
        return charged

    def to_json(self) -> dict[str, object]:
        """Return the totals for the ledger."""
        return {
            "remaining": self.remaining,
            "charged_total": self._charged.total(),
            "charged_by_reason": dict(self._charged),
        }


class Account:
    """Collectors, exports and credits; `advance` brings them up to date with the clock."""

    def __init__(self, clock: Clock, seed: int, settings: TalkwalkerSettings, documents: Documents) -> None:
        self.clock = clock
        self.settings = settings
        self.corpus = Corpus(seed)
        self.credits = Credits(settings.credits)
        self.collectors = Collectors(seed)
        self.exports = Exports(seed, self.corpus, documents)
        self._recent_calls: defaultdict[str, deque[float]] = defaultdict(deque)
        self._rng = random.Random(hash64(seed, "ids"))
        self._loss_rng = random.Random(hash64(seed, "lost answers"))

    def advance(self) -> None:
        """Deliver and charge what is due by now, and drop what has expired."""
        now = self.clock.now()
        delivering = self.exports.advance(now, self.settings)
        most = ROUND_ROBIN_RESULTS if len(delivering) > 1 else None
        while delivering:
            delivering = [export for export in delivering if self._deliver(export, most)]
        self.exports.end_finished()
        self.collectors.expire(now - self.settings.retention_days * DAY_SECONDS)

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings; `credits` fills the account up."""
        self.advance()
        self.settings = self.settings.changed(changes)
        if "credits" in changes:
            self.credits.refill(self.settings.credits)

    def check_rate(self, call: str, allowed: int | None) -> None:
        """Allow so many calls of a kind in a sliding minute.

        :raises TalkwalkerError: error 8 for the next one.
        """
        recent, now = self._recent_calls[call], self.clock.now()
        while recent and recent[0] <= now - MINUTE_SECONDS:
            recent.popleft()
        if allowed is not None and len(recent) >= allowed:
            raise TalkwalkerError(8)
        recent.append(now)

    def loses_answer(self) -> bool:
        """Whether the order that was just taken remains without an answer."""
        return self._loss_rng.random() < self.settings.lost_answers

    def new_id(self) -> str:
        """Return an id for a request or connection: `#`, six digits of time, six random ones, `#`."""
        seconds, digits = int(self.clock.now()), ""
        while seconds:
            seconds, digit = divmod(seconds, 36)
            digits = BASE36[digit] + digits
        return f"#{digits}{''.join(self._rng.choices(BASE36, k=6))}#"

    def _deliver(self, export: Export, most: int | None) -> bool:
        """Add due results to the export's collector; return whether more are due."""
        collector = self.collectors.find(export.order.target)
        if collector is None:
            export.fail("The target collector does not exist any more.")
            return False
        wanted = export.due if most is None else min(most, export.due)
        charged = self.credits.charge(wanted, "export")
        collector.append(export, export.exported, export.exported + charged, export.advanced_to)
        export.exported += charged
        export.due -= charged
        if charged < wanted:
            export.fail("No credits left.")
        return export.due > 0
