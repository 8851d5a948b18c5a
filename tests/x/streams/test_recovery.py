"""Recovery and Replay: a slice is complete when the service says so, and what is missing is requested again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.exceptions import InvalidRequestError, NotReadyError, TransientError
from airflow_provider_twexport.x.streams.capture_report import Gap
from airflow_provider_twexport.x.streams.recovery import MAX_ATTEMPTS, recover, slices
from tests.x.streams.test_client import client_of, keys, truth

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

NOW = pendulum.datetime(2026, 3, 3, 12)


@pytest.fixture(autouse=True)
def _any_number_of_requests(simulator: Simulator) -> None:
    simulator.settings(x_connects_per_minute=None)


def gap(partition: int, start: pendulum.DateTime, **length: int) -> Gap:
    """Return a gap."""
    return Gap(partition, start.to_iso8601_string(), start.add(**length).to_iso8601_string(), "test")


def recovered(simulator: Simulator, minutes_ago: int, service: str = "recovery", **more: Any) -> None:
    """Get ten minutes of both partitions again, and assert that they are whole."""
    client = client_of(simulator)
    start = pendulum.from_timestamp(client.now()).subtract(minutes=minutes_ago).start_of("minute")
    wanted = slices([gap(one, start, minutes=10) for one in (1, 2)], service, client.now())
    events = list(recover(client, wanted, service))
    assert {one.slice for one in events if one.slice} == {one.key for one in wanted}
    assert set(keys(events)) == set(truth(simulator, start.timestamp(), start.add(minutes=10).timestamp()))


def test_gaps_become_slices_of_two_hours_without_overlap() -> None:
    """Slices have whole minutes, and each partition has its own."""
    gaps = [
        gap(1, NOW.subtract(hours=6, seconds=-20), hours=3),
        gap(1, NOW.subtract(hours=4), minutes=30),
        gap(2, NOW.subtract(minutes=20), minutes=5, seconds=1),
    ]
    found = [(one.partition, str(one.window)) for one in slices(gaps, "recovery", NOW.timestamp())]
    assert found == [
        (1, "[2026-03-03T06:00:00Z, 2026-03-03T08:00:00Z)"),
        (1, "[2026-03-03T08:00:00Z, 2026-03-03T09:01:00Z)"),
        (2, "[2026-03-03T11:40:00Z, 2026-03-03T11:46:00Z)"),
    ]


def test_gaps_that_no_service_fills_are_errors() -> None:
    """A gap older than five days, a gap too recent for Replay, and an unknown service are errors."""
    with pytest.raises(InvalidRequestError, match="5 days"):
        slices([gap(1, NOW.subtract(days=6), hours=1)], "recovery", NOW.timestamp())
    with pytest.raises(NotReadyError, match="too recent"):
        slices([gap(1, NOW.subtract(minutes=40), minutes=20)], "replay", NOW.timestamp())
    with pytest.raises(InvalidRequestError, match="unknown"):
        slices([], "backfill", NOW.timestamp())


@pytest.mark.parametrize("service", ["recovery", "replay"])
@pytest.mark.parametrize("how", ["completed", "with_errors", "failed", "nothing"])
def test_a_slice_becomes_complete_however_a_request_ends(
    simulator: Simulator, service: str, how: str
) -> None:
    """Failed minutes, ranges not processed, and a missing end are requested again."""
    if how != "completed":
        simulator.faults({"fault": "recovery_ends", "how": how})
    recovered(simulator, 90, service)
    asked = simulator.ledger()["x"]["streams"]
    assert len(asked) == (1 if service == "replay" else 2) + (how != "completed")


def test_throttling_and_broken_connections_are_retried(simulator: Simulator) -> None:
    """The next request brings the remainder."""
    simulator.faults(
        {"fault": "error", "http": 429, "message": "Exceeded rate limit"},
        {"fault": "cut", "after_bytes": 30_000},
    )
    recovered(simulator, 60)


def test_two_slices_run_at_a_time_and_no_third(simulator: Simulator) -> None:
    """X never has to refuse a third request."""
    client = client_of(simulator)
    start = pendulum.from_timestamp(client.now()).subtract(hours=9).start_of("minute")
    simulator.settings(x_stream_per_minute=10)
    wanted = slices([gap(one, start, hours=8) for one in (1, 2)], "recovery", client.now())
    assert len(list(filter(lambda one: one.slice, recover(client, wanted, "recovery")))) == len(wanted) == 8
    refused = [one for one in simulator.ledger()["requests"] if one["status"] == 429]
    assert refused == []


@pytest.mark.slow
def test_a_window_that_never_completes_is_an_error(simulator: Simulator) -> None:
    """A window that never completes is an error that a retry may help."""
    simulator.faults({"fault": "error", "http": 503, "message": "no", "times": None})
    with pytest.raises(TransientError):
        recovered(simulator, 60)


def test_likes_have_no_replay(simulator: Simulator) -> None:
    """Replay of likes is refused before any request."""
    with pytest.raises(InvalidRequestError, match="no Replay"):
        list(recover(client_of(simulator, stream="likes"), [], "replay"))


@pytest.mark.parametrize("form", ["text", "string", "count_as_text", "null_count"])
@pytest.mark.parametrize("service", ["recovery", "replay"])
def test_completed_is_heard_in_every_form(simulator: Simulator, service: str, form: str) -> None:
    """As a text without a line end, as a JSON text, with its count as text or null: no slice is requested again."""
    simulator.settings(x_completion=form, x_stream_others=50, x_line_end="mixed")
    recovered(simulator, 90, service)
    assert len(simulator.ledger()["x"]["streams"]) == (1 if service == "replay" else 2)


@pytest.mark.parametrize("words", ["operational", "closed", "connection_limit", "broken", "bad_gzip"])
def test_any_end_continues_from_the_last_minute(simulator: Simulator, words: str) -> None:
    """The next request starts with the minute of the newest message, however the one before ended."""
    simulator.faults({"fault": "recovery_ends", "how": words})
    recovered(simulator, 90)
    starts = [one["startTime"] for one in simulator.ledger()["x"]["streams"]]
    assert len(starts) == 3
    assert starts[2] > max(starts[:2])


@pytest.mark.slow
def test_throttling_uses_up_no_attempt(simulator: Simulator) -> None:
    """More refusals than attempts, and the slice still becomes complete."""
    simulator.faults({"fault": "error", "http": 420, "message": "Exceeded", "times": 2 * MAX_ATTEMPTS})
    recovered(simulator, 60)


def test_the_window_has_the_names_that_are_given(simulator: Simulator) -> None:
    """X's pages name its edges in two ways."""
    client = client_of(simulator)
    start = pendulum.from_timestamp(client.now()).subtract(minutes=60).start_of("minute")
    wanted = slices([gap(1, start, minutes=3)], "recovery", client.now())
    events = list(recover(client, wanted, "recovery", ("start_time", "end_time")))
    assert [one.slice for one in events if one.slice] == [wanted[0].key]
    (asked,) = simulator.ledger()["x"]["streams"]
    assert {"start_time", "end_time"} <= asked.keys()
