"""Reading a search: what one page shall hold, and the token of the next page."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.day import DAY_MS, HOUR_MS, MINUTE_MS
from airflow_provider_twexport.simulator.x import query
from airflow_provider_twexport.simulator.x.errors import (
    XError,
    date_out_of_range,
    invalid_date,
    unprocessable,
    unreadable,
)

if TYPE_CHECKING:
    from starlette.requests import Request

DATA_KEYS = frozenset(("query", "tag", "fromDate", "toDate", "maxResults", "next"))
COUNTS_KEYS = frozenset(("query", "tag", "fromDate", "toDate", "bucket", "next"))
BUCKETS = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}
FIRST_POST_MS = int(datetime(2006, 3, 21, tzinfo=UTC).timestamp() * 1000)
DAYS_BACK = {"30day": 31, "fullarchive": None}
DATE_FORMAT = "%Y%m%d%H%M"
SIGNING_KEY = b"stand-in"


@dataclass(frozen=True)
class PageRequest:
    """A request for one page; all times in epoch milliseconds.

    :param start: of the window.
    :param stop: of the window.
    :param before: the page has what is older than this.
    :param visit: 1 if an odd page has led here.
    """

    query: str
    tag: str | None
    start: int
    stop: int
    before: int
    max_results: int
    bucket: str
    visit: int = 0

    def next_token(self, before: int, visit: int = 0) -> str:
        """Return the token of the page before this time; it freezes the window."""
        content = {"fromDate": format_date(self.start), "toDate": format_date(self.stop), "next": str(before)}
        if visit:
            content["visit"] = str(visit)
        signed = {"authenticity": _signature(self.query, content), **content}
        return base64.b64encode(msgspec.json.encode(signed)).decode()


async def read_page_request(request: Request, product: str, kind: str, now: int) -> PageRequest:
    """Read a request, from its JSON body or its query string.

    :param kind: `data` or `counts`.
    :raises XError: as the vendor refuses it.
    """
    fields = dict(request.query_params) if request.method == "GET" else await _body(request)
    if unknown := fields.keys() - (DATA_KEYS if kind == "data" else COUNTS_KEYS):
        raise XError(404, f"Not Found: {', '.join(sorted(unknown))}")
    text = str(fields.get("query") or "")
    query.check(text)
    start, stop = _window(fields, product, now)
    max_results = _number("maxResults", fields.get("maxResults", 100))
    if not 10 <= max_results <= 500:
        raise unprocessable("maxResults must be between 10 and 500")
    bucket = str(fields.get("bucket", "hour"))
    if bucket not in BUCKETS:
        raise unprocessable(f"Invalid bucket '{bucket}'")
    tag = fields.get("tag")
    first_page = PageRequest(text, tag and str(tag), start, stop, stop, max_results, bucket)
    return _next_page(first_page, str(fields["next"]), fields) if fields.get("next") else first_page


def format_date(time_ms: int) -> str:
    """Write a time as twelve digits."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime(DATE_FORMAT)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise unreadable() from None
    if not isinstance(body, dict):
        raise unreadable()
    return body


def _next_page(first_page: PageRequest, token: str, fields: dict[str, Any]) -> PageRequest:
    """Return the page of a token; the rest of the request must be as before."""
    try:
        content = msgspec.json.decode(base64.b64decode(token, validate=True))
        signature = content.pop("authenticity")
        start, stop = parse_date("next", content["fromDate"]), parse_date("next", content["toDate"])
        before, visit = int(content["next"]), int(content.get("visit", 0))
    except (ValueError, KeyError, AttributeError, msgspec.DecodeError):
        raise unprocessable("Invalid next token") from None
    is_same_window = all(fields.get(name) in (None, content[name]) for name in ("fromDate", "toDate"))
    if not is_same_window or not hmac.compare_digest(signature, _signature(first_page.query, content)):
        raise unprocessable("The next token does not belong to this request")
    return replace(first_page, start=start, stop=stop, before=before, visit=visit)


def _window(fields: dict[str, Any], product: str, now: int) -> tuple[int, int]:
    stop = parse_date("toDate", fields["toDate"]) if fields.get("toDate") else now - now % MINUTE_MS
    default = (stop - 30 * DAY_MS) // DAY_MS * DAY_MS
    start = parse_date("fromDate", fields["fromDate"]) if fields.get("fromDate") else default
    if start >= stop:
        raise date_out_of_range("fromDate", "It must be before toDate.")
    days = DAYS_BACK[product]
    if start < (FIRST_POST_MS if days is None else now - days * DAY_MS):
        raise date_out_of_range("fromDate", "It is before the available period.")
    if stop > now:
        raise date_out_of_range("toDate", "Can't ask for activities from the future.")
    return start, stop


def parse_date(name: str, value: Any) -> int:
    """Read a time of twelve digits."""
    if not re.fullmatch(r"\d{12}", str(value)):
        raise invalid_date(name)
    try:
        return int(datetime.strptime(str(value), DATE_FORMAT).replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError:
        raise invalid_date(name) from None


def _number(name: str, value: Any) -> int:
    if not re.fullmatch(r"\d{1,9}", str(value)):
        raise unprocessable(f"Invalid value for {name}")
    return int(value)


def _signature(text: str, content: dict[str, str]) -> str:
    return hmac.digest(SIGNING_KEY, repr((text, sorted(content.items()))).encode(), hashlib.sha256).hex()
