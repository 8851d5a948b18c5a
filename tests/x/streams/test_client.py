"""Reading streams: nothing is lost that Backfill can bring, and the rest is reported."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_twexport.core.timing import DEFAULT
from airflow_provider_twexport.exceptions import (
    ConnectionConfigError,
    Evidence,
    InvalidRequestError,
    StreamInUseError,
    ThrottledError,
    TransientError,
)
from airflow_provider_twexport.x.streams.capture_report import CaptureReport, iso
from airflow_provider_twexport.x.streams.client import XStreamClient, _Partition, reconnect_after
from airflow_provider_twexport.x.streams.messages import message_key
from tests.service_clients import x_credential_of
from tests.waiting import PATIENCE, QUICK

if TYPE_CHECKING:
    from airflow_provider_twexport.x.streams.capture_report import StreamEvent
    from tests.simulator_process import Simulator


class SimulatedClock:
    """The simulator's time, without a request for each reading.

    With ``speed`` the simulator's clock stands still until this one is read for the first time, so that what goes
    before, such as the start of a task, takes no simulated time.
    """

    def __init__(self, simulator: Simulator, speed: float | None = None) -> None:
        self._simulator = simulator
        self._starts_at = speed
        if speed is not None:
            simulator.settings(speed=0)
        self._look()

    def __call__(self) -> float:
        """Return epoch seconds."""
        if self._starts_at is not None and not self._speed:
            self._simulator.settings(speed=self._starts_at)
            self._look()
        return float(self._now + (time.time() - self._real) * self._speed)

    def stop(self) -> float:
        """Stand still until the next look, and return epoch seconds."""
        self._simulator.settings(speed=0)
        self._look()
        return float(self._now)

    def _look(self) -> None:
        time_now, self._real = self._simulator.control("time"), time.time()
        self._now, self._speed = time_now["now"], time_now["speed"]


@pytest.fixture(autouse=True)
def _any_number_of_connections(simulator: Simulator) -> None:
    simulator.settings(x_connects_per_minute=None)


def client_of(
    simulator: Simulator, silence: float = QUICK.stream_silence, credential: Any = None, **changes: Any
) -> XStreamClient:
    """Return a client that lives in simulated time."""
    timing = replace(QUICK, clock=SimulatedClock(simulator), stream_silence=silence)
    credential = x_credential_of(simulator, **credential or {})
    return XStreamClient(credential, base_url=simulator.url, timing=timing, **changes)


def captured(client: XStreamClient, seconds: float, **more: Any) -> tuple[list[StreamEvent], CaptureReport]:
    """Return all that happens in so many seconds, and its report."""
    reached = more.pop("reached", {1: None, 2: None})
    report = CaptureReport(client.stream)
    events = list(client.capture(client.now() + seconds, reached=reached, **more))
    for event in events:
        report.add(event)
    return events, report


def keys(events: list[StreamEvent]) -> list[str]:
    """Return what identifies the messages, in order, repeated ones too."""
    return [message_key(one).decode() for one in chain.from_iterable(one.records for one in events)]


def truth(simulator: Simulator, start: float, stop: float, stream: str = "sample10") -> list[str]:
    """Return the keys of what happened from one moment to another, in epoch seconds."""
    window: dict[str, Any] = {"stream": stream, "start": int(start * 1000), "stop": int(stop * 1000)}
    response = requests.get(f"{simulator.url}/_control/x/stream", params=window, timeout=PATIENCE)
    return [key.replace(":", " ") for key in response.json()]


@pytest.mark.slow
def test_a_stream_cut_again_and_again_loses_nothing(simulator: Simulator) -> None:
    """Connections end every few seconds for every reason; Backfill brings what was missed."""
    simulator.settings(speed=20)
    ends = ("operational", "broken", "closed", "operational", "broken")
    simulator.faults(
        *({"fault": "disconnect", "after_seconds": 9, "because": why} for why in ends for _ in range(4))
    )
    client = client_of(simulator)
    began = client.now()
    events, report = captured(client, 120)
    assert set(keys(events)) >= set(truth(simulator, began + 5, began + 110))
    assert report.gaps == []
    assert sum(sum(one.disconnected.values()) for one in report.partitions.values()) >= 18
    assert {"operational", "broken connection", "closed"} <= set(report.partitions["1"].disconnected) | set(
        report.partitions["2"].disconnected
    )


@pytest.mark.slow
def test_the_likes_stream_brings_likes_and_unlikes(simulator: Simulator) -> None:
    """Likes and unlikes have their own keys."""
    simulator.settings(speed=20)
    client = client_of(simulator, stream="likes")
    began = client.now()
    events, _ = captured(client, 30)
    wanted = truth(simulator, began + 5, began + 25, "sample10-likes")
    assert set(keys(events)) >= set(wanted)
    assert any(" " in key for key in wanted)


@pytest.mark.slow
def test_silence_ends_a_connection_and_nothing_is_lost(simulator: Simulator) -> None:
    """The client ends a silent connection and brings what it missed."""
    simulator.settings(speed=20)
    simulator.faults({"fault": "silence", "after_seconds": 5, "times": 2})
    client = client_of(simulator, silence=1.0)
    began = client.now()
    events, report = captured(client, 60)
    assert [one.disconnected for one in report.partitions.values()] == [{"silence": 1}] * 2
    assert set(keys(events)) >= set(truth(simulator, began + 5, began + 50))


def test_more_than_backfill_can_bring_is_a_gap(simulator: Simulator) -> None:
    """The gap is from the last message read to five minutes ago."""
    simulator.settings(speed=20)
    client = client_of(simulator)
    left = client.now() - 3_600
    events, report = captured(client, 10, reached={1: left})
    (gap,) = report.gaps
    assert gap.partition == 1
    assert gap.start[:19] == iso(left)[:19]
    assert set(keys(events)) & set(truth(simulator, left + 3_310, left + 3_330))
    assert simulator.ledger()["x"]["streams"][0]["backfillMinutes"] == "5"


@pytest.mark.slow
def test_an_account_without_backfill_has_a_gap_for_each_reconnection(simulator: Simulator) -> None:
    """The client never requests Backfill."""
    simulator.settings(speed=20, x_backfill=False)
    simulator.faults({"fault": "disconnect", "after_seconds": 5})
    _, report = captured(client_of(simulator, backfill=False), 30, reached={1: None})
    assert [gap.reason for gap in report.gaps] == ["operational"]


@pytest.mark.slow
def test_a_full_buffer_is_a_gap_despite_backfill(simulator: Simulator) -> None:
    """X has no Backfill after a full buffer."""
    simulator.settings(speed=20)
    simulator.faults({"fault": "disconnect", "after_seconds": 5, "because": "full_buffer"})
    _, report = captured(client_of(simulator), 30, reached={1: None})
    assert [gap.reason for gap in report.gaps] == ["full buffer"]


@pytest.mark.slow
def test_a_second_connection_hides_the_end_of_the_first(simulator: Simulator) -> None:
    """Each connection receives everything, so one may end."""
    simulator.settings(speed=20)
    simulator.faults({"fault": "disconnect", "after_seconds": 5, "because": "full_buffer"})
    events, report = captured(client_of(simulator), 30, reached={1: None}, connections=2)
    assert (report.gaps, report.partitions["1"].connected) == ([], 3)
    assert len(keys(events)) > len(set(keys(events)))


def test_older_messages_of_another_connection_take_nothing_back() -> None:
    """What one connection has read stays read when Backfill brings another the messages before it."""
    partition = _Partition(1, reached=None)
    assert [partition.reach(moment) for moment in (200.0, 140.0, 210.0)] == [200.0, 200.0, 210.0]
    assert partition.backfill(215.0, is_available=True) == (1, None)


def test_another_reader_must_be_stopped(simulator: Simulator) -> None:
    """Too many connections are retried a few times, then an error."""
    simulator.settings(x_connections_per_partition=1)
    with pytest.raises(StreamInUseError, match="too many connections"):
        captured(client_of(simulator), 30, reached={1: None}, connections=2)


@pytest.mark.slow
def test_throttling_and_transient_errors_are_retried(simulator: Simulator) -> None:
    """The stream continues after 429, 503, a proxy's page, and no response."""
    errors = [{"fault": "error", "http": status, "message": "no"} for status in (429, 503)]
    simulator.faults(*errors, {"fault": "html"}, {"fault": "drop"})
    events, _ = captured(client_of(simulator), 3, reached={1: None})
    assert keys(events)


@pytest.mark.slow
@pytest.mark.parametrize("status", [429, 503])
def test_endless_refusals_are_a_gap_with_their_reason(simulator: Simulator, status: int) -> None:
    """The whole capture is a gap, which Recovery can fill, with the reason."""
    simulator.settings(speed=20)
    simulator.faults({"fault": "error", "http": status, "message": "no", "times": None})
    events, report = captured(client_of(simulator), 20, reached={1: None})
    assert keys(events) == []
    assert [gap.reason for gap in report.gaps] == [f"started later, then HTTP {status}"]


@pytest.mark.slow
def test_a_service_that_does_not_respond_is_abandoned(simulator: Simulator) -> None:
    """The client waits as long as for a silent connection, then reconnects."""
    simulator.settings(speed=20)
    simulator.faults({"fault": "hang", "times": 2})
    events, _ = captured(client_of(simulator, silence=1.0), 120, reached={1: None})
    assert keys(events)
    assert len(simulator.ledger()["x"]["streams"]) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"credential": {"password": "wrong"}}, ConnectionConfigError),
        ({"credential": {"account": "nobody"}}, ConnectionConfigError),
        ({"stream": "firehose"}, InvalidRequestError),
    ],
)
def test_what_no_retry_helps_is_an_error_at_once(
    simulator: Simulator, changes: dict[str, Any], error: type[Exception]
) -> None:
    """A wrong login, account or stream fails at once."""
    with pytest.raises(error):
        captured(client_of(simulator, **changes), 30)


def test_back_offs_are_those_that_x_documents() -> None:
    """Network: at once, then 0.25 s more each time; refused: 5 s, doubled; throttled: a minute, doubled."""
    refused = TransientError("", Evidence("GET", "/", 503))
    assert [reconnect_after(DEFAULT, TransientError(""), n) for n in (1, 2, 3, 99)] == [0, 0.25, 0.5, 16]
    assert [reconnect_after(DEFAULT, refused, n) for n in (1, 2, 3, 99)] == [5, 10, 20, 320]
    assert [reconnect_after(DEFAULT, ThrottledError(""), n) for n in (1, 2)] == [60, 120]
