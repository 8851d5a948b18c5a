"""What was asked of the simulator: methods, paths and answers, never a query string."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

KEPT_REQUESTS = 100_000


class Ledger:
    """Counts every request and remembers the latest ones."""

    def __init__(self) -> None:
        self.requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self.counts: Counter[str] = Counter()

    def begin(self, method: str, path: str, template: str, at: float) -> dict[str, Any]:
        """Count a request as it arrives and note it; its answer is filled in when it is known."""
        entry = {"method": method, "path": path, "template": template, "at": round(at, 3)}
        entry |= {"status": None, "code": None}
        self.requests.append(entry)
        self.counts[f"{method} {template}"] += 1
        return entry

    def to_json(self) -> dict[str, Any]:
        """Everything noted so far."""
        return {"requests": list(self.requests), "counts": dict(self.counts)}

    def clear(self) -> None:
        """Forget everything."""
        self.requests.clear()
        self.counts.clear()
