"""The messages of a volume stream: posts, likes, unlikes, and the notices of X about the stream itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import pendulum

from airflow_provider_twexport.core.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable

X_EPOCH_MS = 1_288_834_974_657
SNOWFLAKES_SINCE = 1 << 40

COMPLETED, WITH_ERRORS, FAILED = "completed", "completed with errors", "failed to complete"
OPERATIONAL, FULL_BUFFER, TOO_MANY = "operational", "full buffer", "too many connections"
# the vendor documents only texts; the first that matches decides
_KINDS = (
    ("completed with errors", WITH_ERRORS),
    ("failed to complete", FAILED),
    ("request completed", COMPLETED),
    ("too many connections", TOO_MANY),
    ("maximum allowed backup", FULL_BUFFER),
    ("unable to keep up", FULL_BUFFER),
    ("operational", OPERATIONAL),
)


class _Favorite(msgspec.Struct):
    tweet_id: int | str | None = None
    user_id: int | str | None = None


class _Delete(msgspec.Struct):
    favorite: _Favorite | None = None
    timestamp_ms: int | str | None = None


class _Message(msgspec.Struct):
    id: int | str | None = None
    timestamp_ms: int | str | None = None
    delete: _Delete | None = None


class _Notice(msgspec.Struct):
    message: str = ""
    title: str = ""
    detail: str = ""
    disconnect_type: str = ""
    activity_count: int | None = None
    minutes_failed: list[str] = []
    unprocessed_range: dict[str, str] | None = None


class _System(msgspec.Struct):
    """The known envelopes of a notice."""

    id: msgspec.Raw | None = None
    delete: msgspec.Raw | None = None
    info: _Notice | None = None
    warn: _Notice | None = None
    error: _Notice | None = None
    errors: list[_Notice] = []
    title: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What X says about the stream itself.

    :param kind: one of this module's constants; ``notice`` for anything else.
    :param text: X's own words.
    :param count: how many messages X sent, if it says so.
    :param missing: what X could not send.
    """

    kind: str
    text: str
    count: int | None = None
    missing: tuple[Window, ...] = ()


_messages = msgspec.json.Decoder(_Message)
_systems = msgspec.json.Decoder(_System)


def message_key(record: bytes) -> bytes:
    """Return what identifies a message: the id of a post or like; the post, user and time of an unlike."""
    message = _read(record)
    if message is None:
        return record
    if message.id is not None:
        return str(message.id).encode()
    if message.delete and message.delete.favorite:
        favorite = message.delete.favorite
        return f"{favorite.tweet_id} {favorite.user_id} {message.delete.timestamp_ms}".encode()
    return record


def created_ms(record: bytes) -> int | None:
    """Return when a message was created, in epoch milliseconds; ``None`` if it does not say."""
    message = _read(record)
    if message is None:
        return None
    timestamp = message.delete.timestamp_ms if message.delete else message.timestamp_ms
    if timestamp is not None and str(timestamp).isdigit():
        return int(timestamp)
    number = int(message.id) if message.id is not None and str(message.id).isdigit() else 0
    return (number >> 22) + X_EPOCH_MS if number > SNOWFLAKES_SINCE else None


def notice_of(line: bytes) -> Notice | None:
    """Return the notice on a line; ``None`` for any other message."""
    if len(line) > 100_000 or not any(word in line for word in (b'"info"', b'"warn"', b'"error', b'"title"')):
        return None
    try:
        system = _systems.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if system.id is not None or system.delete is not None:
        return None
    notice = system.info or system.warn or system.error or next(iter(system.errors), None)
    if notice is None:
        notice = _Notice(title=system.title, detail=system.detail)
    text = " ".join(filter(None, (notice.message, notice.title, notice.disconnect_type, notice.detail)))
    return Notice(_kind(text), text, notice.activity_count, _missing(notice)) if text else None


def split_notices(some_lines: Iterable[bytes]) -> tuple[list[bytes], list[Notice]]:
    """Return the messages and the notices among some lines, without heartbeats."""
    records, notices = list[bytes](), list[Notice]()
    for line in filter(None, some_lines):
        if notice := notice_of(line):
            notices.append(notice)
        else:
            records.append(line)
    return records, notices


def _read(record: bytes) -> _Message | None:
    try:
        return _messages.decode(record)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _kind(text: str) -> str:
    lower = text.lower()
    return next((kind for words, kind in _KINDS if words in lower), "notice")


def _missing(notice: _Notice) -> tuple[Window, ...]:
    windows = [Window(minute, minute.add(minutes=1)) for minute in map(_moment, notice.minutes_failed)]
    if notice.unprocessed_range:
        windows.append(Window(*(_moment(notice.unprocessed_range[edge]) for edge in ("fromDate", "toDate"))))
    return tuple(windows)


def _moment(text: str) -> pendulum.DateTime:
    return pendulum.instance(datetime.fromisoformat(text)).in_timezone("UTC")
