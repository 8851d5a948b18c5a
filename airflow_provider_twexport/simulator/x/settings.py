"""Switches of X."""

from __future__ import annotations

from typing import Annotated, Literal

from airflow_provider_twexport.simulator.settings import Amount, Count, Positive, Settings, about


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
    x_stream_weather: Annotated[
        Count,
        about(
            "seed of a random course of cuts, silence, notices, damaged gzip, refusals and, within each half hour, an "
            "outage of up to ten minutes; 0 is none",
            hostile=1,
        ),
    ] = 0
    x_line_end: Annotated[
        Literal["crlf", "lf", "mixed"], about("what ends the lines of a stream", hostile="mixed")
    ] = "crlf"
    x_stream_others: Annotated[
        Count,
        about(
            "of so many lines of a stream, one is no message, such as HTML, a limit, a warning or null; 0 is none",
            hostile=20,
        ),
    ] = 0
    x_odd_posts: Annotated[
        Count,
        about("of so many posts, one has half of a surrogate pair, and so do streams; 0 is none", hostile=20),
    ] = 0
    x_odd_results: Annotated[
        Count,
        about(
            "of so many results of a search, one follows that is none, such as null or broken JSON; 0 is none",
            hostile=50,
        ),
    ] = 0
    x_odd_pages: Annotated[
        Amount,
        about(
            "share of searches answered with an empty page, one without results, one that repeats the page before, or "
            "one whose token leads to itself",
            hostile=0.2,
        ),
    ] = 0.0
    x_odd_counts: Annotated[
        Amount,
        about(
            "share of pages of counts that lack a bucket or their total, repeat a bucket, or end early",
            hostile=0.2,
        ),
    ] = 0.0
    x_completion: Annotated[
        Literal["info", "text", "string", "count_as_text", "null_count"],
        about("how Recovery and Replay say that they are complete", hostile="text"),
    ] = "info"
    x_error_body: Annotated[
        Literal["error", "errors", "detail", "text", "plain", "html"],
        about("layout of errors", hostile="errors"),
    ] = "error"
