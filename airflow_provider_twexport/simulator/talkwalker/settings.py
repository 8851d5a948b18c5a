"""Switches of Talkwalker."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from airflow_provider_twexport.simulator.settings import Amount, Count, Positive, Settings, about


class TalkwalkerSettings(Settings, frozen=True):
    """Every switch with its default; where None is allowed, it lifts the limit."""

    credits: Annotated[Count, about("credits of the account; setting them fills the account up")] = 1_000_000
    rights: Annotated[Literal["read_write", "read_only"], about("rights of the read-write token")] = (
        "read_write"
    )
    reads_per_minute: Annotated[Count | None, about("reads of results allowed in a minute")] = 5
    histograms_per_minute: Annotated[Count | None, about("histograms of projects allowed in a minute")] = 30
    global_histograms_per_minute: Annotated[
        Count | None, about("histograms outside of projects allowed in a minute")
    ] = 60
    global_histogram_days: Annotated[
        Amount | None, about("days that histograms outside of projects reach back")
    ] = 30.0
    results_per_day: Annotated[Count, about("average number of results in a day of one scope")] = 120
    day_variation: Annotated[
        float, msgspec.Meta(ge=0, le=1), about("how far days differ from the average, from 0 to 1")
    ] = 0.5
    queue_seconds: Annotated[Amount, about("seconds before an export starts")] = 2.0
    results_per_second: Annotated[Amount | None, about("speed of an export; null finishes it at once")] = (
        2000.0
    )
    processed_step: Annotated[Positive, about("step in which `processed` of an export grows")] = 1000
    ready_field: Annotated[bool, about("whether exports have the field `ready`", hostile=False)] = True
    echo_token: Annotated[bool, about("whether responses repeat the access token", hostile=True)] = False
    keepalive_seconds: Annotated[
        float, msgspec.Meta(gt=0), about("seconds without a result before a `wait` read gets a blank line")
    ] = 3.0
    heartbeat: Annotated[
        Literal["blank", "control", "moving_control", "circling_control", "none"],
        about(
            "what a `wait` read gets then: a blank line, its last control, controls with new offsets or with two in "
            "turn, or nothing",
            hostile="control",
        ),
    ] = "blank"
    results_per_wait: Annotated[
        Positive | None, about("results after which a `wait` read breaks off without a control", hostile=5000)
    ] = None
    bytes_per_second: Annotated[Positive | None, about("speed of a read", hostile=200_000)] = None
    control_every: Annotated[Positive, about("number of results in a block, which a control ends")] = 100
    blocks_per_stop: Annotated[Positive | None, about("blocks in the response to a `stop` read")] = 4
    retention_days: Annotated[Amount, about("days that a collector keeps results")] = 7.0
    bad_offset: Annotated[
        Literal["error", "restart"],
        about("an unknown resume offset is an error, or restarts the read", hostile="restart"),
    ] = "error"
    list_delay_seconds: Annotated[
        Amount,
        about(
            "seconds until the list of exports shows a new one; it can be asked for by its id at once",
            hostile=45.0,
        ),
    ] = 0.0
    list_keeps: Annotated[
        Count | None, about("how many exports the list shows, the newest; null shows all of them", hostile=2)
    ] = None
    collector_list_delay_seconds: Annotated[
        Amount,
        about(
            "seconds until the list of collectors shows a new one; it can be asked for by its id at once",
            hostile=2.0,
        ),
    ] = 0.0
    lost_answers: Annotated[
        float,
        msgspec.Meta(ge=0, le=1),
        about("share of orders whose connection breaks after they were taken", hostile=0.5),
    ] = 0.0
    odd_entries: Annotated[
        Count, about("entries at the head of the list of exports that nobody can read", hostile=8)
    ] = 0
    upper_case: Annotated[bool, about("whether statuses are in upper case", hostile=True)] = False
    numbers_as_text: Annotated[bool, about("whether counts of exports are texts", hostile=True)] = False
    storage_seconds: Annotated[
        Amount, about("real seconds between the arrival of an order and its export", hostile=0.2)
    ] = 0.0
    answer_seconds: Annotated[
        Amount, about("real seconds between what a call does and its answer", hostile=0.3)
    ] = 0.0
    repeated_rows: Annotated[
        float,
        msgspec.Meta(ge=0, lt=1),
        about("share of an export's results that repeat an earlier one, byte for byte", hostile=0.3),
    ] = 0.0
    task_ids: Annotated[bool, about("whether results name their export", hostile=False)] = True
    resume_overlap: Annotated[
        Count, about("results before its offset that a read repeats, though they were delivered", hostile=30)
    ] = 0
    whole_second_dates: Annotated[
        bool, about("whether creation dates are cut to whole seconds", hostile=True)
    ] = False
    clock_skew_seconds: Annotated[
        float,
        about("how far creation dates are ahead of the clock; negative if they are behind", hostile=600.0),
    ] = 0.0

    def creation_date(self, created: float) -> str:
        """Return the creation date that responses show; ISO 8601, in UTC."""
        shown = created + self.clock_skew_seconds
        return timestamp(math.floor(shown) if self.whole_second_dates else shown)


def timestamp(seconds: float) -> str:
    """Return ISO 8601 with milliseconds, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
