"""The volume streams as X serves them: gzip, CRLF, heartbeats, backfill, last words, and windows again."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

MINUTE = 60_000


@dataclass(frozen=True)
class Stream:
    """The API through plain `requests`."""

    simulator: Simulator

    def open(self, stream: str = "sample10", call: str = "stream", **params: Any) -> requests.Response:
        """Connect."""
        headers = params.pop("headers", {})
        url = f"{self.simulator.url}/{call}/{stream}/accounts/demo/publishers/twitter/prod.json"
        params = {"partition": 1} | params
        login = (self.simulator.x_login, self.simulator.x_password)
        return requests.get(url, params=params, auth=login, headers=headers, timeout=PATIENCE, stream=True)

    def lines(self, stream: str = "sample10", **params: Any) -> list[bytes]:
        """Read until the service closes; heartbeats are empty lines."""
        unpacked = zlib.decompressobj(31)
        response = self.open(stream, **params)
        assert response.ok, response.text
        body = b"".join(map(unpacked.decompress, response.raw.stream(decode_content=False)))
        *lines, rest = body.split(b"\r\n")
        assert (rest, unpacked.eof) == (b"", False)
        return lines

    def now(self) -> int:
        """Tell simulated time in epoch milliseconds."""
        return int(self.simulator.control("time")["now"] * 1000)


@pytest.fixture
def streams(simulator: Simulator) -> Stream:
    """Streams without a limit of connections."""
    simulator.settings(x_connects_per_minute=None)
    return Stream(simulator)


def ids(lines: list[bytes]) -> list[str]:
    """Return the ids of the posts among some lines."""
    messages = (json.loads(line) for line in lines if line)
    return [message["id_str"] for message in messages if "id_str" in message]


def stream_keys(simulator: Simulator, start: int, stop: int, stream: str = "sample10") -> list[str]:
    """Return the keys of a window."""
    window = {"stream": stream, "start": start, "stop": stop}
    return list(requests.get(f"{simulator.url}/_control/x/stream", params=window, timeout=PATIENCE).json())


def test_a_stream_without_gzip_is_refused(streams: Stream) -> None:
    """The response is 406, in the vendor's words."""
    response = streams.open(headers={"Accept-Encoding": "identity"})
    assert (response.status_code, "requires compression" in response.text) == (406, True)


@pytest.mark.parametrize("params", [{"partition": 3}, {"partition": None}, {"backfillMinutes": 6}])
def test_partition_and_backfill_have_limits(streams: Stream, params: dict[str, Any]) -> None:
    """There are two partitions, one of which is required, and five minutes of backfill."""
    assert streams.open(**params).status_code == 406


def test_the_eleventh_connection_of_a_minute_is_refused(streams: Stream) -> None:
    """The response is 429, as for searches."""
    streams.simulator.settings(x_connects_per_minute=10)
    responses = [streams.open(partition=9).status_code for _ in range(10)]
    assert (set(responses), streams.open().status_code) == ({406}, 429)


@pytest.mark.slow
def test_backfill_has_the_last_minutes_of_its_partition(streams: Stream) -> None:
    """After backfill the stream continues live until it says why it disconnects."""
    streams.simulator.settings(x_disconnect_every_seconds=60, speed=60)
    got = {number: streams.lines(partition=number, backfillMinutes=2) for number in (1, 2)}
    now = streams.now()
    assert not set(ids(got[1])) & set(ids(got[2]))
    delivered = stream_keys(streams.simulator, now - 150_000, now - 110_000)
    assert set(ids(got[1]) + ids(got[2])) >= set(delivered)
    assert "operational reasons" in got[1][-1].decode()


def test_a_quiet_stream_has_heartbeats(streams: Stream) -> None:
    """Without messages, the stream sends blank lines."""
    streams.simulator.settings(x_disconnect_every_seconds=45, x_stream_per_minute=0, speed=60)
    *lines, last = streams.lines()
    assert lines.count(b"") >= 3
    assert "error" in json.loads(last)


def test_likes_and_unlikes_come_in_one_stream(streams: Stream) -> None:
    """Likes and unlikes have the form of the vendor's documentation."""
    streams.simulator.settings(x_disconnect_every_seconds=5, speed=60)
    messages = [json.loads(line) for line in streams.lines("sample10-likes", backfillMinutes=1) if line]
    likes = [message for message in messages if "favorited_status" in message]
    unlikes = [message["delete"] for message in messages if "delete" in message]
    assert {(len(like["id"]), type(like["timestamp_ms"])) for like in likes} == {(32, int)}
    assert {type(unlike["timestamp_ms"]) for unlike in unlikes} == {str}
    assert unlikes[0]["favorite"]["user_id_str"] == str(unlikes[0]["favorite"]["user_id"])


def test_one_connection_too_many_is_disconnected(streams: Stream) -> None:
    """The newest connection is the one that ends."""
    streams.simulator.settings(x_connections_per_partition=1)
    with streams.open():
        assert "Too many connections" in streams.lines()[-1].decode()


@pytest.mark.parametrize(("call", "extra"), [("stream", {}), ("replay", {"partition": None})])
def test_a_past_window_is_sent_again(streams: Stream, call: str, extra: dict[str, Any]) -> None:
    """It is complete, in order, and ends with a message that says so."""
    stop = streams.now() // MINUTE * MINUTE - 40 * MINUTE
    start = stop - 3 * MINUTE
    names = ("fromDate", "toDate") if call == "replay" else ("startTime", "endTime")
    lines = streams.lines(call=call, **window(start, stop, names), **extra)
    info = json.loads(lines[-1])["info"]
    kind = "Replay" if call == "replay" else "Recovery"
    assert info["message"] == f"{kind} Request Completed"
    expected = stream_keys(streams.simulator, start, stop)
    assert len(ids(lines)) == info["activity_count"]
    got = ids(lines)
    assert got == sorted(got, key=int)
    assert set(got) <= set(expected)
    assert len(expected) // len(got) == (1 if call == "replay" else 2)


@pytest.mark.parametrize(
    ("call", "names", "words"),
    [
        ("stream", ("startTime", "endTime"), "'endTime'. Can't ask for tweets from the future."),
        ("replay", ("fromDate", "toDate"), "'toDate'. Can't ask for tweets from within the past 30 minutes."),
    ],
)
def test_a_window_that_is_too_recent_is_refused(
    streams: Stream, call: str, names: tuple[str, str], words: str
) -> None:
    """Recovery ends now at the latest, Replay half an hour ago."""
    start = streams.now() // MINUTE * MINUTE - 20 * MINUTE
    stop = start + (10 if call == "replay" else 25) * MINUTE
    response = streams.open(call=call, **window(start, stop, names))
    assert (response.status_code, words in response.text) == (406, True)


def test_a_past_window_may_be_incomplete(streams: Stream) -> None:
    """It may end with failed minutes, with an unprocessed range, or without any message."""
    stop = streams.now() // MINUTE * MINUTE - 40 * MINUTE
    past = window(stop - 4 * MINUTE, stop, ("startTime", "endTime"))
    endings = []
    for how in ("with_errors", "failed", "nothing"):
        streams.simulator.faults({"fault": "recovery_ends", "how": how})
        endings.append(json.loads(streams.lines(**past)[-1]).get("info", {}))
    assert "minutes_failed" in endings[0]
    assert "unprocessed_range" in endings[1]
    assert endings[2] == {}


def window(start: int, stop: int, names: tuple[str, str]) -> dict[str, str]:
    """Write a window as the service wants it."""
    form = "%Y%m%d%H%M" if names[0] == "fromDate" else "%Y-%m-%dT%H:%M:%SZ"
    dates = (datetime.fromtimestamp(time_ms / 1000, UTC).strftime(form) for time_ms in (start, stop))
    return dict(zip(names, dates, strict=True))
