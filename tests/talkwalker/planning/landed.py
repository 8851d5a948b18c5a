"""What planning reads from the manifests of landings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.arguments import parse_moment

if TYPE_CHECKING:
    import pendulum


@dataclass(frozen=True)
class Manifest:
    """What matters of a manifest."""

    source: dict[str, Any] = field(default_factory=dict)
    complete: bool = True
    truncated: bool = False
    created_at: str = "2030-01-01T00:00:00+00:00"
    results: int = 7
    exported: int | None = None
    estimated_total: int | None = None

    @property
    def ordered_at(self) -> pendulum.DateTime:
        """When it was ordered, or else when it landed."""
        return parse_moment(self.source.get("ordered_at") or self.created_at)
