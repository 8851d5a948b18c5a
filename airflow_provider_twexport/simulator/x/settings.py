"""Switches of X."""

from __future__ import annotations

from typing import Annotated, Literal

from airflow_provider_twexport.simulator.settings import Count, Positive, Settings, about


class XSettings(Settings, frozen=True):
    """Every switch with its default; where None is allowed, it lifts the limit."""

    x_posts_per_day: Annotated[Count, about("average number of posts in a day of one query")] = 120
    x_requests_per_minute: Annotated[Count | None, about("searches of one product allowed in a minute")] = 120
    x_requests_per_second: Annotated[Count | None, about("searches of one product allowed in a second")] = 20
    x_page_days: Annotated[Positive, about("days that a page covers at most")] = 31
    x_counts_page_buckets: Annotated[
        Positive | None, about("buckets in a page of counts; null limits only its days")
    ] = None
    x_counts_order: Annotated[
        Literal["descending", "ascending"], about("order of the buckets in a page of counts")
    ] = "descending"
    x_repeat_at_edges: Annotated[bool, about("whether a page repeats the last post of the page before")] = (
        False
    )
    x_edit_metadata: Annotated[bool, about("whether posts have edit metadata")] = True
    x_longest_window_hours: Annotated[
        Positive | None, about("hours of the longest window for posts; a longer one gets 503")
    ] = None
    x_stream_per_minute: Annotated[Count, about("messages of each stream in a minute, in all partitions")] = (
        300
    )
    x_heartbeat_seconds: Annotated[Positive, about("seconds without a message before a heartbeat")] = 10
    x_connects_per_minute: Annotated[Count | None, about("connections to one stream allowed in a minute")] = (
        10
    )
    x_connections_per_partition: Annotated[
        Positive, about("connections to one partition at the same time")
    ] = 2
    x_disconnect_every_seconds: Annotated[
        Positive | None, about("simulated seconds after which a connection to a stream ends")
    ] = None
    x_backfill: Annotated[bool, about("whether the account has backfill")] = True
