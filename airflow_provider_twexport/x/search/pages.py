"""A search in X: the request, the cursor, and the pages of its results."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pendulum

from airflow_provider_twexport.exceptions import InvalidRequestError
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
FIRST_POST = pendulum.datetime(2006, 3, 21)
SMALLEST_WINDOW = pendulum.duration(hours=6)
_MINUTE_FORMAT = "YYYYMMDDHHmm"
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
        stop = _format_minute(request.window.stop)
        return cls(_format_minute(request.window.start), stop, stop)

    def __str__(self) -> str:
        """Return the cursor of a batch."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @property
    def is_end(self) -> bool:
        """Return whether everything was read."""
        return self.start == self.stop

    def after(self, page: Page, request: SearchRequest) -> SearchCursor:
        """Return the cursor after a page."""
        counted = self.counted + page.counted
        if page.next:
            return replace(
                self, token=page.next, reached=page.oldest(request) or self.reached, counted=counted
            )
        length = _parse_minute(self.stop) - _parse_minute(self.start)
        start = max(request.window.start.in_timezone("UTC"), _parse_minute(self.start) - length)
        return SearchCursor(_format_minute(start), self.start, self.start, None, self.requests, counted)

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
            _format_minute(start), self.reached, self.reached, None, self.requests, self.counted
        )


class _Post(msgspec.Struct):
    """The fields of a post that a search needs, in native format or in the older activity streams format."""

    id: int | str | None = None
    id_str: str | None = None
    created_at: str | None = None
    posted: str | None = msgspec.field(default=None, name="postedTime")


class _Count(msgspec.Struct):
    period: str = msgspec.field(name="timePeriod")
    count: int


class Page(msgspec.Struct):
    """A page of results, each as the bytes received."""

    results: list[msgspec.Raw]
    next: str | None = None
    total: int | None = msgspec.field(default=None, name="totalCount")

    @property
    def counted(self) -> int:
        """Return how many posts this page of counts adds up to."""
        if self.total is None:
            return 0
        return sum(msgspec.json.decode(one, type=_Count).count for one in self.results)

    @property
    def records(self) -> list[bytes]:
        """Return the results, each on one line: JSON can have line breaks only between its tokens."""
        return [bytes(one).replace(b"\n", b" ").replace(b"\r", b" ") for one in self.results]

    def oldest(self, request: SearchRequest) -> str | None:
        """Return the minute, or the bucket, after which everything was read; ``None`` for an empty page."""
        if request.bucket:
            return min((msgspec.json.decode(one, type=_Count).period for one in self.results), default=None)
        posts = (msgspec.json.decode(one, type=_Post) for one in self.results)
        created = min(filter(None, map(_created_at, posts)), default=None)
        if created is None:
            return None
        return _format_minute(pendulum.instance(created).start_of("minute").add(minutes=1))


def post_id(record: bytes) -> bytes:
    """Return the id of a post, which stays the same when its engagement changes."""
    post = msgspec.json.decode(record, type=_Post)
    return str(post.id_str or post.id).rpartition(":")[2].encode()


def count_period(record: bytes) -> bytes:
    """Return the period of a count, which identifies it."""
    return msgspec.json.decode(record, type=_Count).period.encode()


def most_requests(posts: int, window: Window) -> int:
    """Return how many requests a search needs at most.

    :param posts: how many posts there are, by the counts.
    :param window: of the search; a page covers at most 31 days.
    """
    slices = math.ceil((window.stop - window.start).total_seconds() / PAGE_REACH.total_seconds())
    return math.ceil(posts / MAX_PER_PAGE) + slices


def _created_at(post: _Post) -> datetime | None:
    text = post.created_at or post.posted or ""
    for date_format in _CREATED_AT_FORMATS:
        try:
            return datetime.strptime(text, date_format)  # noqa: DTZ007  (both formats name their zone)
        except ValueError:
            continue
    return None


def _format_minute(moment: pendulum.DateTime) -> str:
    return moment.in_timezone("UTC").format(_MINUTE_FORMAT)


def _parse_minute(text: str) -> pendulum.DateTime:
    return pendulum.from_format(text, _MINUTE_FORMAT, tz="UTC")
