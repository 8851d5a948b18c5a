"""The volume streams on the wire: live with backfill, or a past window again (Recovery, Replay)."""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import StreamingResponse

from airflow_provider_twexport.simulator.wire import FAULT, hang_up
from airflow_provider_twexport.simulator.x.corpus import MINUTE, PARTITIONS, key_of
from airflow_provider_twexport.simulator.x.errors import XError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.faults import Fault
    from airflow_provider_twexport.simulator.x.corpus import Volume
    from airflow_provider_twexport.simulator.x.settings import Settings

STREAMS = ("sample10", "sample10-likes")
CRLF = b"\r\n"
LOOK_SECONDS = 0.01
AT_ONCE = 200
RECOVERY = ("recovery", 0)
RECOVERIES_AT_ONCE = 2
BAD_DATE = "Invalid date for query parameter"
RECOVERABLE = 5 * 24 * 60 * MINUTE
REPLAYABLE_AFTER = 30 * MINUTE
LAST_WORDS = {
    "operational": "This stream has been disconnected for operational reasons.",
    "slow": "This stream has been disconnected because your client was unable to keep up with us.",
    "full_buffer": "Force closing connection to because it reached the maximum allowed backup (buffer size is ).",
    "too_many": "Forced Disconnect: Too many connections. (Allowed Connections = {allowed})",
}


class Streams:
    """All connections to the streams of the account.

    :param volume: what they carry.
    """

    def __init__(self, clock: Clock, volume: Volume) -> None:
        self._clock = clock
        self._volume = volume
        self.reset()

    def reset(self) -> None:
        """Forget everything that happened since the start."""
        self.connections: list[dict[str, Any]] = []
        self._open: Counter[tuple[str, int]] = Counter()
        self._without_backfill: set[tuple[str, int]] = set()

    def keys(self, stream: str, start: int, stop: int, per_minute: int) -> list[str]:
        """List the keys of all messages of a window."""
        every = set(range(1, PARTITIONS + 1))
        return [key_of(one) for one in self._volume.messages(stream, every, start, stop, per_minute)]

    def open(self, request: Request, settings: Settings) -> StreamingResponse:
        """Connect to one partition, live or for a past window."""
        stream, asked = request.path_params["stream"], request.query_params
        partition = _number(asked.get("partition"), "partition", PARTITIONS)
        self.connections.append({"stream": stream, "at": self._clock.now_ms(), **asked})
        if "startTime" in asked or "endTime" in asked:
            start, stop = (_moment(asked.get(name, ""), name) for name in ("startTime", "endTime"))
            if stop > self._clock.now_ms():
                raise XError(406, f"{BAD_DATE} 'endTime'. Can't ask for tweets from the future.")
            self._check_window(start, stop, "startTime")
            if self._open[RECOVERY] >= RECOVERIES_AT_ONCE:
                raise XError(429, "Exceeded rate limit")
            return _gzipped(self._again(request, {partition}, start, stop, settings, "Recovery"))
        minutes = 0
        if "backfillMinutes" in asked:
            if not settings.x_backfill:
                raise XError(406, "Backfill is not enabled for this stream.")
            minutes = _number(asked["backfillMinutes"], "backfillMinutes", 5)
        return _gzipped(self._live(request, stream, partition, minutes, settings))

    def replay(self, request: Request, settings: Settings) -> StreamingResponse:
        """Connect to all partitions of a past window, by the older way."""
        stream, asked = request.path_params["stream"], request.query_params
        if stream != "sample10":
            raise XError(404, "Not Found")
        self.connections.append({"stream": f"replay {stream}", "at": self._clock.now_ms(), **asked})
        start, stop = (_minute(asked.get(name, ""), name) for name in ("fromDate", "toDate"))
        if stop > self._clock.now_ms() - REPLAYABLE_AFTER:
            raise XError(406, f"{BAD_DATE} 'toDate'. Can't ask for tweets from within the past 30 minutes.")
        self._check_window(start, stop, "fromDate")
        every = set(range(1, PARTITIONS + 1))
        return _gzipped(self._again(request, every, start, stop, settings, "Replay"))

    def _check_window(self, start: int, stop: int, name: str) -> None:
        if not self._clock.now_ms() - RECOVERABLE <= start < stop:
            raise XError(406, f"{BAD_DATE} '{name}'.")

    async def _live(
        self, request: Request, stream: str, partition: int, minutes: int, settings: Settings
    ) -> AsyncIterator[bytes]:
        pack, place = _Packer(), (stream, partition)
        connected = self._open  # a reset forgets those that are still there
        connected[place] += 1
        try:
            if connected[place] > settings.x_connections_per_partition:
                yield pack(self._last_words("too_many", settings))
                return
            if place in self._without_backfill:
                minutes = 0
                self._without_backfill.discard(place)
            began = spoke = self._clock.now_ms()
            sent, fault = began - minutes * MINUTE, request.scope.get(FAULT)
            while (end := self._end(fault, began, settings)) is None:
                now = self._clock.now_ms()
                for line in self._lines(stream, {partition}, sent, now, settings):
                    yield pack(line)
                    spoke = now
                sent = now
                if now - spoke >= settings.x_heartbeat_seconds * 1000:
                    yield pack(CRLF)
                    spoke = now
                await asyncio.sleep(LOOK_SECONDS)
            if end == "silence":
                await asyncio.sleep(3600)
            elif end == "broken":
                await hang_up(request.scope)
            elif end != "closed":
                yield pack(self._last_words(end, settings))
            if end in ("full_buffer", "slow"):
                self._without_backfill.add(place)
        finally:
            connected[place] -= 1

    def _end(self, fault: Fault | None, began: int, settings: Settings) -> str | None:
        """Tell whether and how a connection ends now."""
        lasted = (self._clock.now_ms() - began) / 1000
        if fault is not None and lasted >= float(fault.get("after_seconds", 0)):
            return "silence" if fault.kind == "silence" else str(fault.get("because", "operational"))
        every = settings.x_disconnect_every_seconds
        return "operational" if every is not None and lasted >= every else None

    async def _again(
        self, request: Request, partitions: set[int], start: int, stop: int, settings: Settings, name: str
    ) -> AsyncIterator[bytes]:
        pack, stream, count = _Packer(), request.path_params["stream"], 0
        fault = request.scope.get(FAULT)
        ending = str(fault.get("how", "nothing")) if fault else "completed"
        half = start + (stop - start) // 2 // MINUTE * MINUTE
        connected = self._open
        connected[RECOVERY] += name == "Recovery"
        try:
            yield pack(CRLF)
            for begin in range(start, stop, MINUTE):
                if begin >= half and ending in ("nothing", "failed"):
                    break
                if ending == "with_errors" and begin == half:
                    continue
                for line in self._lines(stream, partitions, begin, min(stop, begin + MINUTE), settings):
                    yield pack(line)
                    count += line.count(CRLF)
                    await asyncio.sleep(0)
            if ending != "nothing":
                yield pack(self._ended(name, ending, count, half, stop))
        finally:
            connected[RECOVERY] -= name == "Recovery"

    def _ended(self, name: str, ending: str, count: int, half: int, stop: int) -> bytes:
        words = {
            "completed": "Completed",
            "with_errors": "Completed with Errors",
            "failed": "Failed to Complete",
        }
        info = {"message": f"{name} Request {words[ending]}", "sent": self._sent(), "activity_count": count}
        if ending == "with_errors":
            info["minutes_failed"] = [_iso(half)]
        if ending == "failed":
            info["unprocessed_range"] = {"fromDate": _iso(half), "toDate": _iso(stop)}
        return msgspec.json.encode({"info": info}) + CRLF

    def _lines(
        self, stream: str, partitions: set[int], start: int, stop: int, settings: Settings
    ) -> Iterator[bytes]:
        """Yield messages, some at a time."""
        lines: list[bytes] = []
        for one in self._volume.messages(stream, partitions, start, stop, settings.x_stream_per_minute):
            lines.append(msgspec.json.encode(one) + CRLF)
            if len(lines) == AT_ONCE:
                yield b"".join(lines)
                lines.clear()
        if lines:
            yield b"".join(lines)

    def _last_words(self, why: str, settings: Settings) -> bytes:
        message = LAST_WORDS[why].format(allowed=settings.x_connections_per_partition)
        return msgspec.json.encode({"error": {"message": message, "sent": self._sent()}}) + CRLF

    def _sent(self) -> str:
        return _iso(self._clock.now_ms() // 1000 * 1000)


class _Packer:
    """Compresses so that each piece can be read when it comes; the gzip member never ends."""

    def __init__(self) -> None:
        self._gzip = zlib.compressobj(1, zlib.DEFLATED, 31)

    def __call__(self, data: bytes) -> bytes:
        return self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH)


def _gzipped(body: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(body, media_type="application/json", headers={"Content-Encoding": "gzip"})


def _number(text: str | None, name: str, most: int) -> int:
    if text is None or not text.isdigit() or not 1 <= int(text) <= most:
        raise XError(406, f"Invalid value for query parameter '{name}'.")
    return int(text)


def _moment(text: str, name: str) -> int:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        raise XError(406, f"Invalid date format for query parameter '{name}'.") from None


def _minute(text: str, name: str) -> int:
    try:
        return round(datetime.strptime(f"{text}+0000", "%Y%m%d%H%M%z").timestamp() * 1000)
    except ValueError:
        raise XError(
            406,
            f"Invalid date format for query parameter '{name}'. Expected format is 'yyyyMMddHHmm'. "
            "For example, '201701012315' for January 1st, 11:15 pm 2017 UTC.",
        ) from None


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat()
