"""The account's credits."""

from __future__ import annotations

from collections import Counter


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
