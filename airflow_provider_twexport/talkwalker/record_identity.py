"""What identifies a Talkwalker result, and when it was published.

A result has no id, and its bytes differ from export to export: each export writes its own id into it, and numbers such
as engagement change with time. Its address, its id on X, its date, its title and its text stay the same.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from airflow_provider_twexport.core.json_documents import without_surrogates

# ids of posts on X hold when they were created: milliseconds since this moment, above 22 other bits
_X_EPOCH_MS = 1_288_834_974_657
_X_ID_SHIFT = 22


class _Lasting(msgspec.Struct, gc=False):
    url: msgspec.Raw = msgspec.Raw()
    external_provider: msgspec.Raw = msgspec.Raw()
    external_id: msgspec.Raw = msgspec.Raw()
    published: msgspec.Raw = msgspec.Raw()
    title: msgspec.Raw = msgspec.Raw()
    content: msgspec.Raw = msgspec.Raw()


class _Dates(msgspec.Struct, gc=False):
    published: Any = None
    indexed: Any = None
    external_provider: Any = None
    external_id: Any = None


class _Lasts(msgspec.Struct, gc=False):
    data: _Lasting


class _Dated(msgspec.Struct, gc=False):
    data: _Dates


_T = TypeVar("_T")
_LASTS = msgspec.json.Decoder(_Lasts)
_DATED = msgspec.json.Decoder(_Dated)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def identity(record: bytes) -> bytes:
    """Return bytes that are the same for one result in every export; those of a result without an address are its own.

    :param record: the result as it was received.
    """
    try:
        known = _decoded(_LASTS, record).data
    except _UNREADABLE:
        return record
    address = bytes(known.url), bytes(known.external_provider), bytes(known.external_id)
    if not (address[0] or address[2]):
        return record
    return b"\n".join((*address, bytes(known.published), bytes(known.title), bytes(known.content)))


def published_ms(record: bytes) -> tuple[int | None, bool]:
    """Return when a result was published, in epoch milliseconds, and whether that is certain.

    :param record: the result as it was received.
    :returns: without a date, when it was indexed, which is not certain: that may be a day later, or more; ``None``
        where it has neither.
    """
    try:
        dates = _decoded(_DATED, record).data
    except _UNREADABLE:
        return None, False
    if published := _number(dates.published) or _of_post(dates):
        return published, True
    return _number(dates.indexed), False


def _decoded(decoder: msgspec.json.Decoder[_T], record: bytes) -> _T:
    try:
        return decoder.decode(record)
    except msgspec.DecodeError:
        return decoder.decode(without_surrogates(record))


def _of_post(dates: _Dates) -> int | None:
    number = _number(dates.external_id) if dates.external_provider == "twitter" else None
    return (number >> _X_ID_SHIFT) + _X_EPOCH_MS if number and number >> _X_ID_SHIFT else None


def _number(value: Any) -> int | None:
    """Return a positive whole number, however it is written; 0 and -1 stand for no date."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number > 0 else None
