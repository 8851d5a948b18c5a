"""One file of results, as a manifest describes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Part:
    """One file of results; the docstring of :mod:`storage.manifest` says what each field means."""

    name: str
    results: int
    bytes: int
    sha256: str
    first_cursor: str | None
    last_cursor: str | None
    coercion_failures: dict[str, int] = field(default_factory=dict)
    written_at: str | None = field(default=None, compare=False)  # equal records make equal parts
    rows: int | None = None


def now() -> str:
    """Return the time as manifests write it: ISO 8601, UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
