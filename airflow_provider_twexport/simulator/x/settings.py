"""What the stand-in for X can be told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every knob with its default; None lifts a limit.

    ``x_longest_window_hours``: a data request whose window is longer is answered with 503.
    ``x_stream_per_minute``: what happens on each volume stream, in both partitions together.
    ``x_disconnect_every_seconds``: how long a connection to a stream lasts, in simulated time.
    """

    x_posts_per_day: Count = 120
    x_requests_per_minute: Count | None = 120
    x_requests_per_second: Count | None = 20
    x_page_days: Positive = 31
    x_counts_page_buckets: Positive | None = None
    x_counts_order: Literal["descending", "ascending"] = "descending"
    x_repeat_at_edges: bool = False
    x_edit_metadata: bool = True
    x_longest_window_hours: Positive | None = None
    x_stream_per_minute: Count = 300
    x_heartbeat_seconds: Positive = 10
    x_connects_per_minute: Count | None = 10
    x_connections_per_partition: Positive = 2
    x_disconnect_every_seconds: Positive | None = None
    x_backfill: bool = True

    def changed(self, changes: dict[str, Any]) -> Settings:
        """Apply changes; a wrong name or value is refused by name."""
        return msgspec.convert({**msgspec.structs.asdict(self), **changes}, Settings, strict=False)
