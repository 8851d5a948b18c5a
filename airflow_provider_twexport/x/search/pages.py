"""A search in X: the request, the cursor, and the pages of its results."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pendulum

from airflow_provider_twexport.core.json_documents import without_surrogates
from airflow_provider_twexport.exceptions import IncompleteLandingError, InvalidRequestError
from airflow_provider_twexport.x.search.query import normalize

if TYPE_CHECKING:
    from airflow_provider_twexport.core.window import Window

Bucket = Literal["minute", "hour", "day"]

BUCKETS = {
    "minute": pendulum.duration(minutes=1),
    "hour": pendulum.duration(hours=1),
    "day": pendulum.duration(days=1),
}
MAX_PER_PAGE, MIN_PER_PAGE = 500, 10
PAGE_REACH = pendulum.duration(days=31)
# by the vendor's FAQ
SHORTEST_PAGE_REACH = pendulum.duration(days=30)
MAX_STALLED_PAGES = 2
RECENT_PAGES = 4
FIRST_POST = pendulum.datetime(2006, 3, 21)
SMALLEST_WINDOW = pendulum.duration(hours=6)
_MINUTE_FORMAT = "YYYYMMDDHHmm"
_PERIOD = re.compile("[0-9]{12}")
_NOTHING, _NULL = msgspec.Raw(), msgspec.Raw(b"null")
_JSON = json.JSONDecoder()
_RESULTS = re.compile(r'"results"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")
# where one result seems to end and the next one to start
_BOUNDARY = re.compile(
    r'\}\s*,\s*\{\s*"|\}\s*\]\s*,\s*"(next|requestParameters|totalCount)"|\}\s*\]\s*\}\s*$'
)
_NEXT = re.compile(r'"next"\s*:\s*"([^"\\]+)"')
_CREATED_AT_FORMATS = ("%a %b %d %H:%M:%S %z %Y", "%Y-%m-%dT%H:%M:%S.%f%z")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to search for: nothing else changes the results.

    :param query: a PowerTrack rule, at most 2,048 characters.
    :param window: the time of publication, in whole minutes.
    :param bucket: count the posts of each ``minute``, ``hour`` or ``day``; ``None`` for the posts themselves.
    :param tag: returned with each post, at most 255 characters.
    :raises InvalidRequestError: if the service would refuse the request, or would return something else than it says.
    """

    query: str
    window: Window
    bucket: Bucket | None = None
    tag: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", normalize(self.query))
        if self.bucket is not None and self.bucket not in BUCKETS:
            raise InvalidRequestError(
                f"bucket={self.bucket!r} is unknown. Choose one of {', '.join(BUCKETS)}."
            )
        if self.tag and len(self.tag) > 255:
            raise InvalidRequestError(f"The tag has {len(self.tag)} characters. Shorten it to 255.")
        if self.window.start < FIRST_POST:
            raise InvalidRequestError(
                f"The window {self.window} starts before the first post. Start it on 2006-03-21 or later."
            )
        for moment in (self.window.start, self.window.stop):
            if moment.in_timezone("UTC") != moment.in_timezone("UTC").start_of(self.unit):
                raise InvalidRequestError(
                    f"The window {self.window} does not start and stop at a whole {self.unit} in UTC. "
                    f"X cannot search a part of a {self.unit}: move start and stop."
                )

    def source(self, product: str, max_results: int | None) -> dict[str, Any]:
        """Return the ``source`` of a manifest; its ``owner`` is a digest of all of it.

        :param product: ``30day`` or ``fullarchive``, whose cursors differ.
        :param max_results: the limit of the landing; ``None`` for no limit.
        """
        content = {
            "product": product,
            "query": self.query,
            "tag": self.tag,
            "bucket": self.bucket,
            "limit": max_results,
            "window": self.window.to_json(),
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        return {"system": "x_search", "owner": digest, "scope": product, **content}

    @property
    def unit(self) -> Bucket:
        """Return the unit that start and stop are whole multiples of."""
        return self.bucket or "minute"


@dataclass(frozen=True, slots=True)
class SearchCursor:
    """How far a search has come, from the newest post to the oldest; its text is the cursor of a batch.

    The window is searched in slices. Times are UTC, as the service writes them: ``YYYYMMDDHHmm``.

    :param start: first minute of the current slice, inclusive.
    :param stop: last minute of the current slice, exclusive; everything newer was read.
    :param reached: everything newer than this was read too.
    :param token: the service's token for the next page of the slice; ``None`` for the first page.
    :param requests: how many requests were sent so far.
    :param counted: how many posts were counted so far.
    """

    start: str
    stop: str
    reached: str
    token: str | None = None
    requests: int = 0
    counted: int = 0

    @classmethod
    def of(cls, request: SearchRequest, text: str | None) -> SearchCursor:
        """Return the cursor of a batch, or the start of a search.

        :param text: the cursor of a batch of this search; ``None`` for the start.
        """
        if text is not None:
            return cls(**json.loads(text))
        stop = format_minute(request.window.stop)
        return cls(format_minute(request.window.start), stop, stop)

    def __str__(self) -> str:
        """Return the cursor of a batch."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @property
    def is_end(self) -> bool:
        """Return whether everything was read."""
        return self.start == self.stop

    def after(self, page: Page, request: SearchRequest, *, leads_on: bool = True) -> SearchCursor:
        """Return the cursor after a page.

        :param leads_on: whether the page's token, if there is one, leads to another page.
        """
        reached, counted = page.oldest(self, request)
        here = replace(self, reached=reached, counted=self.counted + counted)
        if page.next and leads_on and not page.lacks_counts(reached, request):
            return replace(here, token=page.next)
        if page.next or page.is_cut or (request.bucket and reached > self.start):
            # what is older than what came is asked for by itself
            return replace(here, stop=reached, token=None)
        length = _parse_minute(self.stop) - _parse_minute(self.start)
        start = max(request.window.start.in_timezone("UTC"), _parse_minute(self.start) - length)
        return SearchCursor(format_minute(start), self.start, self.start, None, self.requests, here.counted)

    def halved(self, request: SearchRequest) -> SearchCursor | None:
        """Return the start of a slice half as long, after what was read; ``None`` if the slice is too short for it."""
        unit = BUCKETS[request.unit]
        length, shortest = _parse_minute(self.stop) - _parse_minute(self.start), max(SMALLEST_WINDOW, unit)
        if length <= shortest:
            return None
        seconds = max(shortest, length / 2).total_seconds()
        half = pendulum.duration(seconds=math.ceil(seconds / unit.total_seconds()) * unit.total_seconds())
        start = max(_parse_minute(self.start), _parse_minute(self.reached) - half)
        return SearchCursor(
            format_minute(start), self.reached, self.reached, None, self.requests, self.counted
        )


class _Post(msgspec.Struct):
    """The fields of a post that a search needs, in native format or in the older activity streams format."""

    id: int | str | None = None
    id_str: str | None = None
    created_at: str | None = None
    posted: str | None = msgspec.field(default=None, name="postedTime")


class _Count(msgspec.Struct):
    period: str = msgspec.field(name="timePeriod")
    count: int | str


class _Body(msgspec.Struct):
    results: msgspec.Raw = msgspec.Raw()  # empty: there are none
    next: str | int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of results.

    :param records: posts or counts, each on one line, otherwise as received.
    :param next: the service's token for the next page; ``None``: this is the last one.
    :param unreadable: what else is among the results, as received.
    :param is_cut: whether the page breaks off, so that nobody knows whether it is the last one.
    """

    records: list[bytes]
    next: str | None = None
    unreadable: list[bytes] = field(default_factory=list)
    is_cut: bool = False

    @classmethod
    def parse(cls, content: bytes, request: SearchRequest) -> Page:
        """Return the page that a response holds, whatever is wrong with single results.

        :raises ValueError: if it is no page at all.
        """
        is_sound = _is_count if request.bucket else _is_post
        found = _parsed(content)
        if found is None:
            is_sound = _is_count if request.bucket else _is_dated_post
            found = _salvaged(content)
        results, token, is_cut = found
        return cls(
            # JSON can have line breaks only between its tokens
            [one.replace(b"\n", b" ").replace(b"\r", b" ") for one in results if is_sound(one)],
            token,
            [one for one in results if not is_sound(one)],
            is_cut,
        )

    def new(self, cursor: SearchCursor, request: SearchRequest) -> list[bytes]:
        """Return the records that bring a search on: all posts; those counts between which no bucket is missing."""
        return list(self._counts(cursor, request).values()) if request.bucket else self.records

    def oldest(self, cursor: SearchCursor, request: SearchRequest) -> tuple[str, int]:
        """Return the minute, or bucket, after which everything was read, and how many posts its counts add up to."""
        if request.bucket:
            counts = self._counts(cursor, request)
            return min(counts, default=cursor.reached), sum(map(_count_of, counts.values()))
        created = min(filter(None, map(_created_at, map(_post, self.records))), default=None)
        if created is None:
            return cursor.reached, 0
        after = format_minute(pendulum.instance(created).start_of("minute").add(minutes=1))
        least = format_minute(_parse_minute(cursor.start).add(minutes=1))
        return max(least, min(after, cursor.reached)), 0

    def lacks_counts(self, reached: str, request: SearchRequest) -> bool:
        """Return whether a bucket is missing among its counts.

        :param reached: the bucket to which none is missing.
        """
        return request.bucket is not None and any(
            count_period(record).decode() < reached for record in self.records
        )

    def _counts(self, cursor: SearchCursor, request: SearchRequest) -> dict[str, bytes]:
        """Return the counts by period, the newest first, from where the search is to the first bucket that is missing.

        X fills buckets without posts with zero, so a missing one was not counted.
        """
        by_period: dict[str, bytes] = {}
        for record in self.records:
            by_period.setdefault(count_period(record).decode(), record)
        found, unit = dict[str, bytes](), BUCKETS[request.unit]
        period = format_minute(_parse_minute(cursor.reached) - unit)
        while period >= cursor.start and period in by_period:
            found[period] = by_period[period]
            period = format_minute(_parse_minute(period) - unit)
        return found


class Progress:
    """Whether the pages of one try bring a search on; X bills those that do not, too.

    :param request: the search.
    """

    def __init__(self, request: SearchRequest) -> None:
        self._request = request
        self._tokens: set[str] = set()
        self._recent: deque[frozenset[bytes]] = deque(maxlen=RECENT_PAGES)
        self._slice = ("", "")
        self._empty = 0
        self._stalled = 0

    def leads_on(self, page: Page, cursor: SearchCursor) -> bool:
        """Return whether the page's token was not seen before.

        :param cursor: of the page's request.
        """
        self._tokens |= {cursor.token} if cursor.token else set()
        is_new = page.next not in self._tokens
        self._tokens |= {page.next} if page.next else set()
        return is_new

    def check(self, page: Page, before: SearchCursor, after: SearchCursor) -> None:
        """Record a page.

        :param before: the cursor of its request.
        :param after: the cursor after it.
        :raises IncompleteLandingError: it is the second one in a row that brings nothing new.
        """
        self._stalled = 0 if self._gets_on(page, before, after) else self._stalled + 1
        if self._stalled >= MAX_STALLED_PAGES:
            raise IncompleteLandingError(
                f"X answers with pages that bring nothing new, and each is billed. The search has reached "
                f"{after.reached} (UTC), and what came is kept: a retry continues from there.",
                facts={"reached": after.reached},
            )

    def _gets_on(self, page: Page, before: SearchCursor, after: SearchCursor) -> bool:
        if after.is_end or after.start != before.start:
            return True
        if self._request.bucket:
            return after.reached < before.reached
        if not page.records:
            return bool(after.token) and (bool(page.unreadable) or self._may_be_empty(before))
        ids = frozenset(map(post_id, page.records))
        is_new = not any(ids <= recent for recent in self._recent)
        self._recent.append(ids)
        return is_new

    def _may_be_empty(self, cursor: SearchCursor) -> bool:
        """Return whether the slice is long enough for one more page of a time without posts."""
        if self._slice != (cursor.start, cursor.stop):
            self._slice, self._empty = (cursor.start, cursor.stop), 0
        self._empty += 1
        length = _parse_minute(cursor.stop) - _parse_minute(cursor.start)
        return self._empty <= math.ceil(length / SHORTEST_PAGE_REACH)


_bodies = msgspec.json.Decoder(_Body)
_lists = msgspec.json.Decoder(list[msgspec.Raw])
_posts = msgspec.json.Decoder(_Post)
_counts = msgspec.json.Decoder(_Count)


def post_id(record: bytes) -> bytes:
    """Return the id of a post, which stays the same when its engagement changes."""
    post = _post(record)
    return str(post.id_str or post.id).rpartition(":")[2].encode()


def count_period(record: bytes) -> bytes:
    """Return the period of a count, which identifies it."""
    return _counts.decode(record).period.encode()


def most_requests(posts: int, window: Window) -> int:
    """Return how many requests a search needs at most.

    :param posts: how many posts there are, by the counts.
    :param window: of the search; a page covers at most 31 days.
    """
    slices = math.ceil((window.stop - window.start).total_seconds() / PAGE_REACH.total_seconds())
    return math.ceil(posts / MAX_PER_PAGE) + slices


def _parsed(content: bytes) -> tuple[list[bytes], str | None, bool] | None:
    """Return results and token of a page; ``None`` if it is not sound JSON.

    :raises ValueError: if it is JSON, and no page.
    """
    for text in (content, without_surrogates(content)):
        try:
            body = _bodies.decode(text)
            raw = _lists.decode(body.results) if body.results not in (_NOTHING, _NULL) else []
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        except (msgspec.DecodeError, RecursionError):
            continue
        if body.results == _NOTHING and body.next is None and b'"requestParameters"' not in text:
            raise ValueError("it has neither results nor a token")
        results, at = [], 0
        for one in raw:
            at = text.index(bytes(one), at)
            results.append(content[at : at + len(bytes(one))])
            at += len(bytes(one))
        return results, None if body.next in (None, "") else str(body.next), False
    return None


def _salvaged(content: bytes) -> tuple[list[bytes], str | None, bool]:
    """Return what can be read of a page that is not sound JSON: its results one by one, and its token.

    :raises ValueError: if it is no page at all.
    """
    text = content.decode("utf-8", "surrogateescape")
    opening = _RESULTS.search(text)
    if not opening:
        raise ValueError("it is no JSON")
    results, at = [], _skip(text, opening.end())
    while at < len(text) and text[at] != "]":
        try:
            _, end = _JSON.raw_decode(text, at)
        except (ValueError, RecursionError):
            boundary = _BOUNDARY.search(text, at)
            end = boundary.start() + 1 if boundary else len(text)
        results.append(text[at:end].encode("utf-8", "surrogateescape"))
        at = _skip(text, end)
    tokens = _NEXT.findall(text)
    return results, tokens[-1] if tokens else None, not tokens and at >= len(text)


def _skip(text: str, at: int) -> int:
    between = _BETWEEN.match(text, at)
    return between.end() if between else at


def _is_post(record: bytes) -> bool:
    """Return whether a result is a JSON object in UTF-8 that has an id."""
    try:
        record.decode()
        post = _post(record)
    except (UnicodeDecodeError, msgspec.MsgspecError):
        return False
    return bool(post.id_str or post.id)


def _is_dated_post(record: bytes) -> bool:
    return _is_post(record) and _created_at(_post(record)) is not None


def _is_count(record: bytes) -> bool:
    try:
        count = _counts.decode(record)
    except (UnicodeDecodeError, msgspec.MsgspecError):
        return False
    return bool(_PERIOD.fullmatch(count.period) and re.fullmatch("[0-9]{1,18}", str(count.count)))


def _post(record: bytes) -> _Post:
    try:
        return _posts.decode(record)
    except msgspec.MsgspecError:
        return _posts.decode(without_surrogates(record))


def _count_of(record: bytes) -> int:
    return int(_counts.decode(record).count)


def _created_at(post: _Post) -> datetime | None:
    text = post.created_at or post.posted or ""
    for date_format in _CREATED_AT_FORMATS:
        try:
            return datetime.strptime(text, date_format)  # noqa: DTZ007  (both formats name their zone)
        except ValueError:
            continue
    return None


def format_minute(moment: pendulum.DateTime) -> str:
    """Return a moment as X writes it, in UTC."""
    return moment.in_timezone("UTC").format(_MINUTE_FORMAT)


def _parse_minute(text: str) -> pendulum.DateTime:
    return pendulum.from_format(text, _MINUTE_FORMAT, tz="UTC")
