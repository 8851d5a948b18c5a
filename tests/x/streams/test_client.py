"""Reading streams: nothing is lost that Backfill can bring, and the rest is reported."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
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
from airflow_provider_twexport.x.error_codes import explain
from airflow_provider_twexport.x.streams.capture_report import CaptureReport, Gap, iso
from airflow_provider_twexport.x.streams.client import XStreamClient, _Partition, reconnect_after
from airflow_provider_twexport.x.streams.messages import created_ms, message_key
from airflow_provider_twexport.x.streams.recovery import recover, slices
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
        # the quickest answer is the most exact
        looks = []
        for _ in range(5):
            asked = time.time()
            looks.append((self._simulator.control("time"), asked, time.time()))
        time_now, asked, self._real = min(looks, key=lambda look: look[2] - look[1])
        self._now, self._speed = time_now["now"], time_now["speed"]
        self._real = (asked + self._real) / 2


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


@pytest.mark.slow
@pytest.mark.parametrize("because", ["operational", "connection_limit"])
def test_connections_that_bring_only_a_notice_bring_nothing(simulator: Simulator, because: str) -> None:
    """After an outage of 200 seconds Backfill brings all of it, and nothing is called read before."""
    simulator.settings(speed=20)
    client = client_of(simulator)
    began, path = client.now(), {"query": "partition=1"}
    ends = {"fault": "disconnect", "match": path, "because": because}
    simulator.faults(ends | {"after_seconds": 20}, ends | {"after_seconds": 0, "times": 3})
    timing = replace(client.timing, reconnect_network=2.0, reconnect_throttled=1.0)
    client = XStreamClient(x_credential_of(simulator), base_url=simulator.url, timing=timing)
    events, report = captured(client, 400, reached={1: began})
    assert report.gaps == []
    wanted = simulator_keys(simulator, 1, began + 5, began + 380)
    assert set(keys(events)) >= set(wanted)
    last = [one for one in simulator.ledger()["x"]["streams"] if "startTime" not in one][-1]
    assert int(last["backfillMinutes"]) * 60 >= (last["at"] / 1000 - began) - 25


def simulator_keys(simulator: Simulator, partition: int, start: float, stop: float) -> list[str]:
    """Return the keys of one partition, which come from Recovery, too."""
    past = client_of(simulator)
    window = Gap(partition, iso(start), iso(stop), "test")
    wanted = slices([window], "recovery", past.now())
    everything = [one for event in recover(past, wanted, "recovery") for one in event.records]
    within = [one for one in everything if start <= (created_ms(one) or 0) / 1000 < stop]
    return [message_key(one).decode() for one in within]


@pytest.mark.slow
def test_an_outage_longer_than_backfill_is_one_gap(simulator: Simulator) -> None:
    """The gap is from the last message to where Backfill starts, once, with its reasons."""
    simulator.settings(speed=100)
    ends = {"fault": "disconnect", "because": "operational"}
    simulator.faults(ends | {"after_seconds": 20}, ends | {"after_seconds": 0, "times": 8})
    client = client_of(simulator, silence=5.0)
    timing = replace(client.timing, reconnect_network=0.2)
    client = XStreamClient(x_credential_of(simulator), base_url=simulator.url, timing=timing)
    began = client.now()
    events, report = captured(client, 1_200, reached={1: began})
    (gap,) = report.gaps
    assert gap.reason == "operational, then operational"
    start, stop = (datetime.fromisoformat(edge).timestamp() for edge in (gap.start, gap.stop))
    assert began + 10 < start < began + 60
    assert stop - start > 60
    wanted = [
        *simulator_keys(simulator, 1, began + 5, start),
        *simulator_keys(simulator, 1, stop + 1, began + 1_100),
    ]
    assert set(keys(events)) >= set(wanted)


@pytest.mark.slow
def test_heartbeats_without_a_message_bring_nothing(simulator: Simulator) -> None:
    """A connection that never delivers leaves a gap, though it is open at the end."""
    simulator.settings(speed=20, x_stream_per_minute=0, x_heartbeat_seconds=1)
    _, report = captured(client_of(simulator), 30, reached={1: None})
    assert [gap.reason for gap in report.gaps] == ["started later"]


@pytest.mark.slow
@pytest.mark.parametrize("because", ["connection_limit", "429"])
def test_somebody_else_on_the_connection_is_an_error_with_the_words_of_x(
    simulator: Simulator, because: str
) -> None:
    """Five refusals in today's words, in the stream or as 429, and not a success without messages."""
    limit = "This stream is currently at the maximum allowed connection limit"
    fault = {"fault": "disconnect", "because": because, "after_seconds": 0}
    if because == "429":
        fault = {"fault": "error", "http": 429, "message": limit}
    simulator.faults(fault | {"times": None})
    with pytest.raises(StreamInUseError, match=limit):
        captured(client_of(simulator), 300, reached={1: None})
    assert len(simulator.ledger()["requests"]) == 5


def test_somebody_else_until_the_end_is_an_error_too(simulator: Simulator) -> None:
    """A capture that is over before the fifth refusal is no success."""
    simulator.settings(speed=20)
    simulator.faults(
        {"fault": "disconnect", "because": "connection_limit", "after_seconds": 0, "times": None}
    )
    client = client_of(simulator)
    patient = replace(client.timing, reconnect_throttled=60.0)
    client = XStreamClient(x_credential_of(simulator), base_url=simulator.url, timing=patient)
    with pytest.raises(StreamInUseError, match="maximum allowed connection limit"):
        captured(client, 10, reached={1: None})


@pytest.mark.slow
def test_damaged_gzip_ends_the_connection_and_not_the_capture(simulator: Simulator) -> None:
    """The client reconnects, and Backfill brings what was missed."""
    simulator.settings(speed=20)
    simulator.faults({"fault": "disconnect", "because": "bad_gzip", "after_seconds": 9, "times": 3})
    client = client_of(simulator)
    began = client.now()
    events, report = captured(client, 60, reached={1: began})
    assert report.partitions["1"].disconnected == {"broken connection": 3}
    assert set(keys(events)) >= set(simulator_keys(simulator, 1, began + 5, began + 50))
    assert report.gaps == []


@pytest.mark.slow
def test_what_is_no_message_is_counted_and_never_a_message(simulator: Simulator) -> None:
    """HTML, limits, warnings, null and other encodings are told apart; half a surrogate pair is a post."""
    simulator.settings(speed=20, x_stream_others=3, x_odd_posts=3, x_line_end="mixed")
    client = client_of(simulator)
    began = client.now()
    events, report = captured(client, 60)
    wanted = truth(simulator, began + 5, began + 50)
    assert set(keys(events)) >= set(wanted)
    assert set(keys(events)) <= set(truth(simulator, began - 60, began + 120))
    assert {"limit", "warning", "notice", "no message", "unreadable"} <= set(report.others)
    assert any(b"\\ud83d " in one for event in events for one in event.records)
    assert sum(len(event.unreadable) for event in events) == report.others["unreadable"]


def test_older_messages_of_another_connection_take_nothing_back() -> None:
    """What one connection has read stays read when Backfill brings another the messages before it."""
    partition = _Partition(1, reached=200.0)
    partition.reach(140.0)
    assert partition.reached == 200.0
    assert partition.backfill(215.0, is_available=True) == 1
    assert partition.delivers(216.0, 1, oldest=156.0) is None


def test_a_connection_whose_first_message_is_recent_brings_no_backfill() -> None:
    """X gives none after a full buffer, and may not say so: what Backfill should have brought is a gap."""
    partition = _Partition(1, reached=100.0)
    gap = partition.delivers(200.0, 3, oldest=201.0)
    assert gap is not None
    assert (gap.start, gap.stop) == (iso(100.0), iso(205.0))


def test_another_reader_must_be_stopped(simulator: Simulator) -> None:
    """Too many connections are retried some times, then an error."""
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
    assert reconnect_after(DEFAULT, ThrottledError("", retry_after=90.0), 1) == 90


@pytest.mark.parametrize("status", [420, 408, 429])
def test_statuses_that_ask_for_fewer_connections_are_throttling(status: int) -> None:
    """X's older 420, and 408, back off from a minute as 429 does."""
    error = explain(status, {"error": "Exceeded connection limit for user"}, Evidence("GET", "/", status))
    assert reconnect_after(DEFAULT, error, 1) == 60
