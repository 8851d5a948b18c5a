"""What a request asks for, and the token that asks for its next page."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.day import DAY
from airflow_provider_twexport.simulator.x import query
from airflow_provider_twexport.simulator.x.corpus import MINUTE
from airflow_provider_twexport.simulator.x.errors import (
    XError,
    bad_date,
    out_of_reach,
    unprocessable,
    unreadable,
)

if TYPE_CHECKING:
    from starlette.requests import Request

DATA_KEYS = frozenset(("query", "tag", "fromDate", "toDate", "maxResults", "next"))
COUNTS_KEYS = frozenset(("query", "tag", "fromDate", "toDate", "bucket", "next"))
BUCKETS = {"minute": MINUTE, "hour": 60 * MINUTE, "day": DAY}
FIRST_POST = int(datetime(2006, 3, 21, tzinfo=UTC).timestamp() * 1000)
DAYS_BACK = {"30day": 31, "fullarchive": None}


@dataclass(frozen=True)
class Asked:
    """A request for one page; moments in epoch milliseconds.

    :param before: the page begins below this moment.
    """

    query: str
    tag: str | None
    start: int
    stop: int
    before: int
    max_results: int
    bucket: str

    def next_token(self, before: int) -> str:
        """Return the token of the page below a moment; it freezes the window."""
        content = {"fromDate": spelled(self.start), "toDate": spelled(self.stop), "next": str(before)}
        signed = {"authenticity": _authenticity(self.query, content), **content}
        return base64.b64encode(msgspec.json.encode(signed)).decode()


async def read(request: Request, product: str, kind: str, now: int) -> Asked:
    """Read a request, from its JSON body or its query string.

    :raises XError: as the vendor refuses it.
    """
    asked = dict(request.query_params) if request.method == "GET" else await _body(request)
    if unknown := asked.keys() - (DATA_KEYS if kind == "data" else COUNTS_KEYS):
        raise XError(404, f"Not Found: {', '.join(sorted(unknown))}")
    text = str(asked.get("query") or "")
    query.check(text)
    start, stop = _window(asked, product, now)
    most = _number("maxResults", asked.get("maxResults", 100))
    if not 10 <= most <= 500:
        raise unprocessable("maxResults must be between 10 and 500")
    bucket = str(asked.get("bucket", "hour"))
    if bucket not in BUCKETS:
        raise unprocessable(f"Invalid bucket '{bucket}'")
    tag = asked.get("tag")
    first = Asked(text, tag and str(tag), start, stop, stop, most, bucket)
    return _continued(first, str(asked["next"]), asked) if asked.get("next") else first


def spelled(moment: int) -> str:
    """Write a moment as twelve digits."""
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y%m%d%H%M")


async def _body(request: Request) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise unreadable() from None
    if not isinstance(found, dict):
        raise unreadable()
    return found


def _continued(first: Asked, token: str, asked: dict[str, Any]) -> Asked:
    """Return the page that a token stands for; the rest of the request must be as before."""
    try:
        held = msgspec.json.decode(base64.b64decode(token, validate=True))
        authenticity = held.pop("authenticity")
        start, stop, before = (
            _moment("next", held["fromDate"]),
            _moment("next", held["toDate"]),
            int(held["next"]),
        )
    except (ValueError, KeyError, AttributeError, msgspec.DecodeError):
        raise unprocessable("Invalid next token") from None
    same = all(asked.get(name) in (None, held[name]) for name in ("fromDate", "toDate"))
    if not same or not hmac.compare_digest(authenticity, _authenticity(first.query, held)):
        raise unprocessable("The next token does not belong to this request")
    return replace(first, start=start, stop=stop, before=before)


def _window(asked: dict[str, Any], product: str, now: int) -> tuple[int, int]:
    stop = _moment("toDate", asked["toDate"]) if asked.get("toDate") else now - now % MINUTE
    default = (stop - 30 * DAY) // DAY * DAY
    start = _moment("fromDate", asked["fromDate"]) if asked.get("fromDate") else default
    if start >= stop:
        raise out_of_reach("fromDate", "It must be before toDate.")
    days = DAYS_BACK[product]
    if start < (FIRST_POST if days is None else now - days * DAY):
        raise out_of_reach("fromDate", "It is before the available period.")
    if stop > now:
        raise out_of_reach("toDate", "Can't ask for activities from the future.")
    return start, stop


def _moment(name: str, value: Any) -> int:
    if not re.fullmatch(r"\d{12}", str(value)):
        raise bad_date(name)
    try:
        return int(datetime.strptime(str(value), "%Y%m%d%H%M").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError:
        raise bad_date(name) from None


def _number(name: str, value: Any) -> int:
    if not re.fullmatch(r"\d{1,9}", str(value)):
        raise unprocessable(f"Invalid value for {name}")
    return int(value)


def _authenticity(text: str, content: dict[str, str]) -> str:
    return hmac.digest(b"stand-in", repr((text, sorted(content.items()))).encode(), hashlib.sha256).hex()
