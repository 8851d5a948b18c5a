"""The volume streams: live with backfill, or a past window again (Recovery, Replay)."""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import StreamingResponse

from airflow_provider_twexport.simulator.day import DAY_MS, MINUTE_MS
from airflow_provider_twexport.simulator.faults import Fault
from airflow_provider_twexport.simulator.prng import hash64
from airflow_provider_twexport.simulator.wire import FAULT, break_connection
from airflow_provider_twexport.simulator.x.corpus import PARTITIONS, key_of
from airflow_provider_twexport.simulator.x.documents import halved_pair
from airflow_provider_twexport.simulator.x.errors import INVALID_DATE, XError
from airflow_provider_twexport.simulator.x.weather import LIMIT, fate, outage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from airflow_provider_twexport.simulator.clock import Clock
    from airflow_provider_twexport.simulator.x.corpus import StreamMessages
    from airflow_provider_twexport.simulator.x.settings import XSettings

STREAMS = ("sample10", "sample10-likes")
CRLF = b"\r\n"
POLL_SECONDS = 0.01
MESSAGES_AT_ONCE = 200
# X's pages have both
WINDOW_NAMES = ("startTime", "endTime", "start_time", "end_time")
RECOVERY = ("recovery", 0)
MAX_RECOVERIES = 2
MAX_BACKFILL_MINUTES = 5
RECOVERABLE_MS = 5 * DAY_MS
REPLAYABLE_AFTER_MS = 30 * MINUTE_MS
OUT_OF_RANGE = "Invalid date for query parameter"
GOODBYES = {
    "operational": "This stream has been disconnected for operational reasons.",
    "slow": "This stream has been disconnected because your client was unable to keep up with us.",
    "full_buffer": "Force closing connection to because it reached the maximum allowed backup (buffer size is ).",
    "connection_limit": LIMIT,
    "too_many": "Forced Disconnect: Too many connections. (Allowed Connections = {allowed})",
}
# what a stream may carry beside messages; the first ones are over several lines
OTHERS = (
    b'{"warning":{\r\n  "code":"FALLING_BEHIND",\r\n  "percent_full":60\r\n}}',
    b"<html>\n<head><title>Sign in</title></head></html>",
    b'{"limit":{"track":1234,"timestamp_ms":"1480631259353"}}',
    b'{"warning":{"code":"FALLING_BEHIND","message":"Your connection is falling behind.","percent_full":60}}',
    b'{"error":"something went wrong"}',
    b'{"errors":[{"message":"something went wrong","code":131}]}',
    b"null",
    b'"text"',
    b"[1,2]",
    b'{"new":"kind"}',
    b'{"id":[1]}',
    b'{"id":1,"text":"cut',
    b'{"id":2,"text":"\xed\xa0\xbd\xed\xb8\x80"}',
    b"{" * 2000,
)
COMPLETIONS = {
    "completed": "Completed",
    "with_errors": "Completed with Errors",
    "failed": "Failed to Complete",
}


class Streams:
    """All connections to the streams of the account.

    :param messages: what the streams carry.
    """

    def __init__(self, clock: Clock, messages: StreamMessages) -> None:
        self._clock = clock
        self._messages = messages
        self.reset()

    def reset(self) -> None:
        """Return to the state of the start."""
        self.connections: list[dict[str, Any]] = []
        self._open: Counter[tuple[str, int]] = Counter()
        self._without_backfill: set[tuple[str, int]] = set()

    def keys(
        self, stream: str, start: int, stop: int, per_minute: int, partitions: frozenset[int] = PARTITIONS
    ) -> list[str]:
        """List the keys of all messages of a window."""
        messages = self._messages.messages(stream, partitions, start, stop, per_minute)
        return [key_of(message) for message in messages]

    def open(self, request: Request, settings: XSettings) -> StreamingResponse:
        """Connect to one partition, live or for a past window."""
        stream, params = request.path_params["stream"], request.query_params
        partition = _number(params.get("partition"), "partition", len(PARTITIONS))
        self.connections.append({"stream": stream, "at": self._clock.now_ms(), **params})
        if found := [name for name in WINDOW_NAMES if name in params]:
            start, stop = (_time(params.get(name, ""), name) for name in _both(found[0]))
            if stop > self._clock.now_ms():
                raise XError(406, f"{OUT_OF_RANGE} 'endTime'. Can't ask for tweets from the future.")
            self._check_window(start, stop, "startTime")
            if self._open[RECOVERY] >= MAX_RECOVERIES:
                raise XError(429, "Exceeded rate limit")
            return _gzipped(self._past(request, frozenset((partition,)), start, stop, settings, "Recovery"))
        backfill_minutes = 0
        if "backfillMinutes" in params:
            if not settings.x_backfill:
                raise XError(406, "Backfill is not enabled for this stream.")
            backfill_minutes = _number(params["backfillMinutes"], "backfillMinutes", MAX_BACKFILL_MINUTES)
        connected_at = self._clock.now_ms()
        return _gzipped(self._live(request, stream, partition, connected_at, backfill_minutes, settings))

    def replay(self, request: Request, settings: XSettings) -> StreamingResponse:
        """Connect to all partitions of a past window, with the older call."""
        stream, params = request.path_params["stream"], request.query_params
        if stream != "sample10":
            raise XError(404, "Not Found")
        self.connections.append({"stream": f"replay {stream}", "at": self._clock.now_ms(), **params})
        start, stop = (_minute(params.get(name, ""), name) for name in ("fromDate", "toDate"))
        if stop > self._clock.now_ms() - REPLAYABLE_AFTER_MS:
            raise XError(
                406, f"{OUT_OF_RANGE} 'toDate'. Can't ask for tweets from within the past 30 minutes."
            )
        self._check_window(start, stop, "fromDate")
        return _gzipped(self._past(request, PARTITIONS, start, stop, settings, "Replay"))

    def _check_window(self, start: int, stop: int, name: str) -> None:
        if not self._clock.now_ms() - RECOVERABLE_MS <= start < stop:
            raise XError(406, f"{OUT_OF_RANGE} '{name}'.")

    async def _live(
        self,
        request: Request,
        stream: str,
        partition: int,
        connected_at: int,
        backfill_minutes: int,
        settings: XSettings,
    ) -> AsyncIterator[bytes]:
        pack, key = _Packer(), (stream, partition)
        connected = self._open  # a reset replaces it, and this connection then no longer counts
        connected[key] += 1
        try:
            if connected[key] > settings.x_connections_per_partition:
                yield pack(self._goodbye("too_many", settings))
                return
            if key in self._without_backfill:
                backfill_minutes = 0
                self._without_backfill.discard(key)
            last_sent = connected_at
            sent_until = connected_at - backfill_minutes * MINUTE_MS
            fault, brings_nothing = self._fault_of(request, connected_at, settings)
            while (ending := self._ending(fault, connected_at, settings)) is None:
                now = self._clock.now_ms()
                for lines, _ in self._lines(stream, frozenset((partition,)), sent_until, now, settings):
                    if not brings_nothing:
                        yield pack(lines)
                        last_sent = now
                sent_until = now
                if now - last_sent >= settings.x_heartbeat_seconds * 1000:
                    yield pack(CRLF)
                    last_sent = now
                await asyncio.sleep(POLL_SECONDS)
            if ending == "silence":
                await asyncio.sleep(3600)
            elif ending == "broken":
                await break_connection(request.scope)
            elif ending == "bad_gzip":
                yield b"\xff" * 100
            elif ending != "closed":
                yield pack(self._goodbye(ending, settings))
            if ending in ("full_buffer", "slow"):
                self._without_backfill.add(key)
        finally:
            connected[key] -= 1

    def _fault_of(
        self, request: Request, connected_at: int, settings: XSettings
    ) -> tuple[Fault | None, bool]:
        """Return how a new connection ends, and whether it brings heartbeats only."""
        if request.scope.get(FAULT) or not settings.x_stream_weather:
            return request.scope.get(FAULT), False
        refusal = outage(settings.x_stream_weather, connected_at)
        if refusal is None:
            return fate(settings.x_stream_weather, len(self.connections)), False
        brings_nothing = refusal["because"] == "heartbeats"
        after = 30 if brings_nothing else 0
        because = "closed" if brings_nothing else refusal["because"]
        return Fault("disconnect", parameters={"after_seconds": after, "because": because}), brings_nothing

    def _ending(self, fault: Fault | None, connected_at: int, settings: XSettings) -> str | None:
        """Return how a connection ends now, or None if it stays open."""
        now, weather = self._clock.now_ms(), settings.x_stream_weather
        if weather and outage(weather, now) and not outage(weather, connected_at):
            return "operational"
        lasted = (self._clock.now_ms() - connected_at) / 1000
        if fault is not None and lasted >= float(fault.get("after_seconds", 0)):
            return "silence" if fault.kind == "silence" else str(fault.get("because", "operational"))
        every = settings.x_disconnect_every_seconds
        return "operational" if every is not None and lasted >= every else None

    async def _past(
        self,
        request: Request,
        partitions: frozenset[int],
        start: int,
        stop: int,
        settings: XSettings,
        name: str,
    ) -> AsyncIterator[bytes]:
        pack, stream, count = _Packer(), request.path_params["stream"], 0
        fault: Fault | None = request.scope.get(FAULT)
        ending = str(fault.get("how", "nothing")) if fault else "completed"
        half = start + (stop - start) // 2 // MINUTE_MS * MINUTE_MS
        connected = self._open
        connected[RECOVERY] += name == "Recovery"
        try:
            yield pack(CRLF)
            for begin in range(start, stop, MINUTE_MS):
                if begin >= half and ending not in ("completed", "with_errors"):
                    break
                if ending == "with_errors" and begin == half:
                    continue
                end = min(stop, begin + MINUTE_MS)
                for lines, messages in self._lines(stream, partitions, begin, end, settings):
                    yield pack(lines)
                    count += messages
                    await asyncio.sleep(0)
            if ending == "broken":
                await break_connection(request.scope)
            elif ending == "bad_gzip":
                yield b"\xff" * 100
            elif ending in GOODBYES:
                yield pack(self._goodbye(ending, settings))
            elif ending in COMPLETIONS:
                yield pack(self._completion(name, ending, count, half, stop, settings))
        finally:
            connected[RECOVERY] -= name == "Recovery"

    def _completion(
        self, name: str, ending: str, count: int, half: int, stop: int, settings: XSettings
    ) -> bytes:
        message = f"{name} Request {COMPLETIONS[ending]}"
        form = settings.x_completion
        if ending == "completed" and form in ("text", "string"):
            return message.encode() if form == "text" else msgspec.json.encode(message)
        counted = {"count_as_text": str(count), "null_count": None}.get(form, count)
        info: dict[str, Any] = {"message": message, "sent": self._sent(), "activity_count": counted}
        if form == "null_count":
            info["minutes_failed"] = None
        if ending == "with_errors":
            info["minutes_failed"] = [_iso(half)]
        if ending == "failed":
            info["unprocessed_range"] = {"fromDate": _iso(half), "toDate": _iso(stop)}
        return msgspec.json.encode({"info": info}) + CRLF

    def _lines(
        self, stream: str, partitions: frozenset[int], start: int, stop: int, settings: XSettings
    ) -> Iterator[tuple[bytes, int]]:
        """Yield the messages of a window, several at a time, and how many they are."""
        lines: list[bytes] = []
        count = 0
        per_minute = settings.x_stream_per_minute
        for message in self._messages.messages(stream, partitions, start, stop, per_minute):
            key = key_of(message)
            encoded, end = msgspec.json.encode(message), _line_end(settings.x_line_end, key)
            if _is_one_of(settings.x_stream_others, "others", key):
                lines += (OTHERS[hash64("other", key) % len(OTHERS)], end)
            lines += (
                halved_pair(encoded) if _is_one_of(settings.x_odd_posts, "posts", key) else encoded,
                end,
            )
            count += 1
            if count == MESSAGES_AT_ONCE:
                yield b"".join(lines), count
                lines.clear()
                count = 0
        if lines:
            yield b"".join(lines), count

    def _goodbye(self, reason: str, settings: XSettings) -> bytes:
        message = GOODBYES[reason].format(allowed=settings.x_connections_per_partition)
        content = msgspec.json.encode({"error": {"message": message, "sent": self._sent()}})
        return content + (CRLF if settings.x_line_end == "crlf" else b"\n")

    def _sent(self) -> str:
        return _iso(self._clock.now_ms() // 1000 * 1000)


def _both(name: str) -> tuple[str, str]:
    return WINDOW_NAMES[2:] if "_" in name else WINDOW_NAMES[:2]


def _line_end(form: str, key: str) -> bytes:
    is_lf = form == "lf" or (form == "mixed" and hash64("end", key) % 2)
    return b"\n" if is_lf else CRLF


def _is_one_of(number: int, what: str, key: str) -> bool:
    return bool(number) and hash64(what, key) % number == 0


class _Packer:
    """Compresses so that each piece can be read when it arrives; the gzip member never ends."""

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


def _time(text: str, name: str) -> int:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        raise XError(406, f"Invalid date format for query parameter '{name}'.") from None


def _minute(text: str, name: str) -> int:
    try:
        return round(datetime.strptime(f"{text}+0000", "%Y%m%d%H%M%z").timestamp() * 1000)
    except ValueError:
        raise XError(406, INVALID_DATE.format(name)) from None


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat()
