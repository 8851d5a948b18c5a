"""What planning reads from the manifests of landings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Manifest:
    """What matters of a manifest."""

    source: dict[str, Any] = field(default_factory=dict)
    complete: bool = True
    truncated: bool = False
    created_at: str = "2030-01-01T00:00:00+00:00"
    results: int = 7
