"""What the messages of a volume stream are: posts, likes, unlikes, and what the service says of the stream itself."""

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
# the vendor's documents know only texts; the first that fits counts
_REASONS = (
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
    """The envelopes that notices were seen in."""

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
    """What the service says of the stream itself.

    :param kind: one of this module's constants; ``notice`` for whatever else it may say.
    :param text: in its own words.
    :param count: how many messages it sent, where it says so.
    :param missing: what it could not send.
    """

    kind: str
    text: str
    count: int | None = None
    missing: tuple[Window, ...] = ()


_messages = msgspec.json.Decoder(_Message)
_systems = msgspec.json.Decoder(_System)


def message_key(record: bytes) -> bytes:
    """Return what tells a message from others: the id of a post or like; post, user and moment of an unlike."""
    message = _read(record)
    if message is None:
        return record
    if message.id is not None:
        return str(message.id).encode()
    if message.delete and message.delete.favorite:
        favorite = message.delete.favorite
        return f"{favorite.tweet_id} {favorite.user_id} {message.delete.timestamp_ms}".encode()
    return record


def moment_ms(record: bytes) -> int | None:
    """Return when a message was made, in epoch milliseconds; ``None`` if it does not say."""
    message = _read(record)
    if message is None:
        return None
    told = message.delete.timestamp_ms if message.delete else message.timestamp_ms
    if told is not None and str(told).isdigit():
        return int(told)
    number = int(message.id) if message.id is not None and str(message.id).isdigit() else 0
    return (number >> 22) + X_EPOCH_MS if number > SNOWFLAKES_SINCE else None


def notice_of(line: bytes) -> Notice | None:
    """Return what a line says of the stream itself; ``None`` for any other message."""
    if len(line) > 100_000 or not any(word in line for word in (b'"info"', b'"warn"', b'"error', b'"title"')):
        return None
    try:
        said = _systems.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if said.id is not None or said.delete is not None:
        return None
    told = said.info or said.warn or said.error or next(iter(said.errors), None)
    if told is None:
        told = _Notice(title=said.title, detail=said.detail)
    text = " ".join(filter(None, (told.message, told.title, told.disconnect_type, told.detail)))
    return Notice(_kind(text), text, told.activity_count, _missing(told)) if text else None


def _read(record: bytes) -> _Message | None:
    try:
        return _messages.decode(record)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _kind(text: str) -> str:
    spoken = text.lower()
    return next((kind for words, kind in _REASONS if words in spoken), "notice")


def _missing(told: _Notice) -> tuple[Window, ...]:
    windows = list(_minutes(told.minutes_failed))
    if told.unprocessed_range:
        windows.append(Window(*(_moment(told.unprocessed_range[edge]) for edge in ("fromDate", "toDate"))))
    return tuple(windows)


def _minutes(dates: Iterable[str]) -> Iterable[Window]:
    return [Window(minute, minute.add(minutes=1)) for minute in map(_moment, dates)]


def _moment(text: str) -> pendulum.DateTime:
    return pendulum.instance(datetime.fromisoformat(text)).in_timezone("UTC")
