"""The messages of a volume stream: posts, likes, unlikes, and the notices of X about the stream itself."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pendulum

from airflow_provider_twexport.core.json_documents import load, without_surrogates
from airflow_provider_twexport.core.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable

X_EPOCH_MS = 1_288_834_974_657
SNOWFLAKES_SINCE = 1 << 40

COMPLETED, WITH_ERRORS, FAILED = "completed", "completed with errors", "failed to complete"
COMPLETIONS = frozenset((COMPLETED, WITH_ERRORS, FAILED))
OPERATIONAL, FULL_BUFFER, TOO_MANY = "operational", "full buffer", "too many connections"
ENDINGS = frozenset((OPERATIONAL, FULL_BUFFER, TOO_MANY))
NOTICE, UNREADABLE, NO_MESSAGE = "notice", "unreadable", "no message"
# the vendor documents only texts; the first that matches decides
_KINDS = (
    ("completed with errors", WITH_ERRORS),
    ("failed to complete", FAILED),
    ("completed", COMPLETED),
    ("too many connections", TOO_MANY),
    ("maximum allowed connection", TOO_MANY),
    ("maximum allowed backup", FULL_BUFFER),
    ("unable to keep up", FULL_BUFFER),
    ("operational", OPERATIONAL),
)
# of the older streams; all others end a connection for reasons of X
_DISCONNECT_CODES = {"2": TOO_MANY, "4": FULL_BUFFER}
_ENVELOPES = ("info", "warn", "warning", "error", "errors", "disconnect", "limit")
_TEXTS = ("message", "title", "disconnect_type", "detail", "reason", "code", "track")
MAX_TEXT = 500


class _Favorite(msgspec.Struct):
    tweet_id: int | str | None = None
    user_id: int | str | None = None


class _Delete(msgspec.Struct):
    favorite: _Favorite | None = None
    timestamp_ms: int | str | None = None


class _Message(msgspec.Struct):
    id: int | str | None = None
    id_str: str | None = None
    timestamp_ms: int | str | None = None
    delete: _Delete | None = None

    @property
    def is_known(self) -> bool:
        """Return whether this is a post, a like or an unlike."""
        return bool(self.id or self.id_str or (self.delete and self.delete.favorite))


@dataclass(frozen=True, slots=True)
class Notice:
    """What X says about the stream itself.

    :param kind: one of this module's constants, or X's own name of it, such as ``limit`` or ``warning``.
    :param text: X's own words.
    :param count: how many messages X sent, if it says so.
    :param missing: what X could not send.
    """

    kind: str
    text: str
    count: int | None = None
    missing: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """What some lines hold.

    :param records: posts, likes and unlikes, as received.
    :param notices: what X says about the stream.
    :param unreadable: lines that are no JSON document in UTF-8, as received.
    :param others: how many lines are no message, by kind: notices, ``unreadable``, and ``no message``.
    """

    records: list[bytes] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    unreadable: list[bytes] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    @property
    def is_heartbeat(self) -> bool:
        """Return whether there is nothing but heartbeats."""
        return not self.records and not self.others


_messages = msgspec.json.Decoder(_Message)


def received(some_lines: Iterable[bytes]) -> Received:
    """Return the messages, the notices, and what is neither, among some lines."""
    found = Received()
    for line in filter(None, some_lines):
        message = _read(line)
        if message is not None and message.is_known:
            found.records.append(line)
        elif notice := notice_of(line):
            found.notices.append(notice)
            found.others[notice.kind] += 1
        elif is_document(line):
            found.others[NO_MESSAGE] += 1
        else:
            found.unreadable.append(line)
            found.others[UNREADABLE] += 1
    return found


def is_document(line: bytes) -> bool:
    """Return whether a line is one JSON document in UTF-8."""
    if _read(line) is not None:
        return True
    try:
        load(line)
    except ValueError:
        return False
    return True


def message_key(record: bytes) -> bytes:
    """Return what identifies a message: the id of a post or like; the post, user and time of an unlike."""
    message = _read(record)
    if message is None:
        return record
    if identity := message.id or message.id_str:
        return str(identity).encode()
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
    if timestamp is not None and str(timestamp).isdecimal() and len(str(timestamp)) < 16:
        return int(timestamp)
    identity = str(message.id or message.id_str)
    number = int(identity) if identity.isdecimal() and len(identity) < 20 else 0
    return (number >> 22) + X_EPOCH_MS if number > SNOWFLAKES_SINCE else None


def notice_of(line: bytes) -> Notice | None:
    """Return the notice on a line, as a document or as text; ``None`` for a message, or what nobody knows."""
    try:
        said = load(line)
    except ValueError:
        said = line.decode(errors="replace")
    if isinstance(said, str):
        kind = kind_of(said)
        return None if kind == NOTICE else Notice(kind, said[:MAX_TEXT])
    return (
        _notice_in(said) if isinstance(said, dict) and not {"id", "id_str", "delete"} & said.keys() else None
    )


def _notice_in(said: dict[str, Any]) -> Notice | None:
    """Return the notice in a document, in any of the known envelopes."""
    name = next((name for name in _ENVELOPES if said.get(name)), None)
    inner = said[name] if name else said
    inner = inner[0] if isinstance(inner, list) else inner
    inner = inner if isinstance(inner, dict) else {"message": inner}
    text = " ".join(str(inner[key]) for key in _TEXTS if inner.get(key) not in (None, ""))
    if not text or not (name or said.keys() & {"title", "detail", "message"}):
        return None
    kind = kind_of(text)
    if kind == NOTICE and name == "disconnect":
        kind = _DISCONNECT_CODES.get(str(inner.get("code")), OPERATIONAL)
    elif kind == NOTICE and name in ("limit", "warning"):
        kind = name
    return Notice(kind, text[:MAX_TEXT], _count(inner.get("activity_count")), _missing(inner))


def _read(record: bytes) -> _Message | None:
    try:
        if not record.isascii():
            record.decode()
        return _messages.decode(record)
    except UnicodeDecodeError:
        return None
    except msgspec.MsgspecError:
        pass
    try:
        return _messages.decode(without_surrogates(record))
    except msgspec.MsgspecError:
        return None


def kind_of(text: str) -> str:
    """Return what a text of X says about the stream; ``notice`` for anything else."""
    lower = text.lower()
    return next((kind for words, kind in _KINDS if words in lower), NOTICE)


def _count(value: Any) -> int | None:
    return int(value) if re.fullmatch(r"[0-9]{1,18}", str(value)) else None


def _missing(notice: dict[str, Any]) -> tuple[Window, ...]:
    minutes = notice.get("minutes_failed")
    moments = map(_moment, minutes if isinstance(minutes, list) else ())
    windows = [Window(moment, moment.add(minutes=1)) for moment in moments if moment]
    unprocessed = notice.get("unprocessed_range")
    if isinstance(unprocessed, dict):
        start, stop = (_moment(unprocessed.get(edge)) for edge in ("fromDate", "toDate"))
        if start and stop and start < stop:
            windows.append(Window(start, stop))
    return tuple(windows)


def _moment(text: Any) -> pendulum.DateTime | None:
    try:
        return pendulum.instance(datetime.fromisoformat(str(text))).in_timezone("UTC")
    except ValueError:
        return None
