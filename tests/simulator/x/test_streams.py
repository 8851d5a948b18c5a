"""The volume streams as X serves them: gzip, CRLF, heartbeats, backfill, last words, and windows again."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

MINUTE = 60_000


@dataclass(frozen=True)
class Stream:
    """The API through plain `requests`."""

    simulator: Simulator

    def open(self, stream: str = "sample10", way: str = "stream", **params: Any) -> requests.Response:
        """Connect."""
        headers = params.pop("headers", {})
        url = f"{self.simulator.url}/{way}/{stream}/accounts/demo/publishers/twitter/prod.json"
        params = {"partition": 1} | params
        login = (self.simulator.x_login, self.simulator.x_password)
        return requests.get(url, params=params, auth=login, headers=headers, timeout=10, stream=True)

    def lines(self, stream: str = "sample10", **params: Any) -> list[bytes]:
        """Read until the service closes; heartbeats are empty lines."""
        unpacked = zlib.decompressobj(31)
        answer = self.open(stream, **params)
        assert answer.ok, answer.text
        body = b"".join(map(unpacked.decompress, answer.raw.stream(decode_content=False)))
        *lines, rest = body.split(b"\r\n")
        assert (rest, unpacked.eof) == (b"", False)
        return lines

    def now(self) -> int:
        """Tell simulated time in epoch milliseconds."""
        return int(self.simulator.control("time")["now"] * 1000)


@pytest.fixture
def streams(simulator: Simulator) -> Stream:
    """Streams of an account that may connect as often as it likes."""
    simulator.settings(x_connects_per_minute=None)
    return Stream(simulator)


def ids(lines: list[bytes]) -> list[str]:
    """Return the ids of the posts among some lines."""
    messages = (json.loads(line) for line in lines if line)
    return [message["id_str"] for message in messages if "id_str" in message]


def truth(simulator: Simulator, start: int, stop: int, stream: str = "sample10") -> list[str]:
    """Return the keys of a window."""
    window = {"stream": stream, "start": start, "stop": stop}
    return list(requests.get(f"{simulator.url}/_control/x/stream", params=window, timeout=30).json())


def test_a_stream_without_gzip_is_refused(streams: Stream) -> None:
    """In the vendor's words."""
    answer = streams.open(headers={"Accept-Encoding": "identity"})
    assert (answer.status_code, "requires compression" in answer.text) == (406, True)


@pytest.mark.parametrize("params", [{"partition": 3}, {"partition": None}, {"backfillMinutes": 6}])
def test_partition_and_backfill_have_limits(streams: Stream, params: dict[str, Any]) -> None:
    """Two partitions, of which one must be named, and five minutes."""
    assert streams.open(**params).status_code == 406


def test_the_eleventh_connection_of_a_minute_is_refused(streams: Stream) -> None:
    """429, as for searches."""
    streams.simulator.settings(x_connects_per_minute=10)
    answers = [streams.open(partition=9).status_code for _ in range(10)]
    assert (set(answers), streams.open().status_code) == ({406}, 429)


def test_backfill_brings_the_last_minutes_of_its_partition(streams: Stream) -> None:
    """Then it goes on live, with heartbeats where nothing happens, until the last words."""
    streams.simulator.settings(x_disconnect_every_seconds=60, speed=60)
    got = {one: streams.lines(partition=one, backfillMinutes=2) for one in (1, 2)}
    now = streams.now()
    assert not set(ids(got[1])) & set(ids(got[2]))
    lasting = truth(streams.simulator, now - 150_000, now - 110_000)
    assert set(ids(got[1]) + ids(got[2])) >= set(lasting)
    assert "operational reasons" in got[1][-1].decode()


def test_a_quiet_stream_has_heartbeats(streams: Stream) -> None:
    """Blank lines."""
    streams.simulator.settings(x_disconnect_every_seconds=45, x_stream_per_minute=0, speed=60)
    *lines, last = streams.lines()
    assert lines.count(b"") >= 3
    assert "error" in json.loads(last)


def test_likes_and_unlikes_come_in_one_stream(streams: Stream) -> None:
    """Each as the vendor's page shows it."""
    streams.simulator.settings(x_disconnect_every_seconds=5, speed=60)
    messages = [json.loads(line) for line in streams.lines("sample10-likes", backfillMinutes=1) if line]
    likes = [one for one in messages if "favorited_status" in one]
    unlikes = [one["delete"] for one in messages if "delete" in one]
    assert {(len(one["id"]), type(one["timestamp_ms"])) for one in likes} == {(32, int)}
    assert {type(one["timestamp_ms"]) for one in unlikes} == {str}
    assert unlikes[0]["favorite"]["user_id_str"] == str(unlikes[0]["favorite"]["user_id"])


def test_one_connection_too_many_is_sent_away(streams: Stream) -> None:
    """The newest."""
    streams.simulator.settings(x_connections_per_partition=1)
    with streams.open():
        assert "Too many connections" in streams.lines()[-1].decode()


@pytest.mark.parametrize(("way", "extra"), [("stream", {}), ("replay", {"partition": None})])
def test_a_window_comes_again(streams: Stream, way: str, extra: dict[str, Any]) -> None:
    """Whole, from the oldest minute on, and ends with the words that say so."""
    stop = streams.now() // MINUTE * MINUTE - 40 * MINUTE
    start = stop - 3 * MINUTE
    names = ("fromDate", "toDate") if way == "replay" else ("startTime", "endTime")
    lines = streams.lines(way=way, **window(start, stop, names), **extra)
    info = json.loads(lines[-1])["info"]
    kind = "Replay" if way == "replay" else "Recovery"
    assert info["message"] == f"{kind} Request Completed"
    whole = truth(streams.simulator, start, stop)
    assert len(ids(lines)) == info["activity_count"]
    got = ids(lines)
    assert got == sorted(got, key=int)
    assert set(got) <= set(whole)
    assert len(whole) // len(got) == (1 if way == "replay" else 2)


@pytest.mark.parametrize(
    ("way", "names", "words"),
    [
        ("stream", ("startTime", "endTime"), "'endTime'. Can't ask for tweets from the future."),
        ("replay", ("fromDate", "toDate"), "'toDate'. Can't ask for tweets from within the past 30 minutes."),
    ],
)
def test_a_window_that_is_too_young_is_refused(
    streams: Stream, way: str, names: tuple[str, str], words: str
) -> None:
    """Replay begins half an hour ago."""
    start = streams.now() // MINUTE * MINUTE - 20 * MINUTE
    stop = start + (10 if way == "replay" else 25) * MINUTE
    answer = streams.open(way=way, **window(start, stop, names))
    assert (answer.status_code, words in answer.text) == (406, True)


def test_a_window_can_end_in_other_ways(streams: Stream) -> None:
    """With failed minutes, with a rest, or without a word."""
    stop = streams.now() // MINUTE * MINUTE - 40 * MINUTE
    asked = window(stop - 4 * MINUTE, stop, ("startTime", "endTime"))
    endings = []
    for how in ("with_errors", "failed", "nothing"):
        streams.simulator.faults({"fault": "recovery_ends", "how": how})
        endings.append(json.loads(streams.lines(**asked)[-1]).get("info", {}))
    assert "minutes_failed" in endings[0]
    assert "unprocessed_range" in endings[1]
    assert endings[2] == {}


def window(start: int, stop: int, names: tuple[str, str]) -> dict[str, str]:
    """Write a window as the service wants it."""
    form = "%Y%m%d%H%M" if names[0] == "fromDate" else "%Y-%m-%dT%H:%M:%SZ"
    dates = (datetime.fromtimestamp(one / 1000, UTC).strftime(form) for one in (start, stop))
    return dict(zip(names, dates, strict=True))
