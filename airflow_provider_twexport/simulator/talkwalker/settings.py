"""What the stand-in for Talkwalker can be told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Amount = Annotated[float, msgspec.Meta(ge=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every knob with its default; None lifts a limit."""

    credits: Count = 1_000_000
    rights: Literal["read_write", "read_only"] = "read_write"
    reads_per_minute: Count | None = 5
    histograms_per_minute: Count | None = 30
    global_histograms_per_minute: Count | None = 60
    global_histogram_days: Amount | None = 30.0
    results_per_day: Count = 120
    day_variation: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    queue_seconds: Amount = 2.0
    results_per_second: Amount | None = 2000.0
    processed_step: Positive = 1000
    ready_field: bool = True
    echo_token: bool = False
    keepalive_seconds: Annotated[float, msgspec.Meta(gt=0)] = 3.0
    control_every: Positive = 100
    blocks_per_stop: Positive | None = 4
    retention_days: Amount = 7.0
    bad_offset: Literal["error", "restart"] = "error"

    def changed(self, changes: dict[str, Any]) -> Settings:
        """Apply changes; a wrong name or value is refused by name."""
        return msgspec.convert({**msgspec.structs.asdict(self), **changes}, Settings, strict=False)
