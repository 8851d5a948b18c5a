"""What is searched for in X, how far a search has come, and what a page of it holds."""

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
from airflow_provider_twexport.x.search.query import checked

if TYPE_CHECKING:
    from airflow_provider_twexport.core.window import Window

Bucket = Literal["minute", "hour", "day"]

BUCKETS = {
    "minute": pendulum.duration(minutes=1),
    "hour": pendulum.duration(hours=1),
    "day": pendulum.duration(days=1),
}
MOST_PER_PAGE, FEWEST_PER_PAGE = 500, 10
PAGE_REACH = pendulum.duration(days=31)
FIRST_POST = pendulum.datetime(2006, 3, 21)
SMALLEST_WINDOW = pendulum.duration(hours=6)
_MINUTES = "YYYYMMDDHHmm"
_CREATED = ("%a %b %d %H:%M:%S %z %Y", "%Y-%m-%dT%H:%M:%S.%f%z")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to search for: this, and nothing else, decides what is found.

    :param query: in the language of PowerTrack rules, 2,048 characters at most.
    :param window: the time of publication, in whole minutes.
    :param bucket: count the posts of each ``minute``, ``hour`` or ``day``; ``None`` for the posts themselves.
    :param tag: comes back with each post.
    :raises InvalidRequestError: if the service would refuse it, or would answer something else than is meant.
    """

    query: str
    window: Window
    bucket: Bucket | None = None
    tag: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", checked(self.query))
        if self.bucket is not None and self.bucket not in BUCKETS:
            raise InvalidRequestError(f"bucket={self.bucket!r} is none of {', '.join(BUCKETS)}.")
        if self.tag and len(self.tag) > 255:
            raise InvalidRequestError(f"The tag has {len(self.tag)} characters, 255 are allowed.")
        if self.window.start < FIRST_POST:
            raise InvalidRequestError(f"The window {self.window} begins before the first post, 2006-03-21.")
        for moment in (self.window.start, self.window.stop):
            if moment.in_timezone("UTC") != moment.in_timezone("UTC").start_of(self.unit):
                raise InvalidRequestError(
                    f"The window {self.window} does not begin and end with a whole {self.unit} in UTC: "
                    f"what lies in a part of a {self.unit} cannot be asked for."
                )

    def source(self, product: str, max_results: int | None) -> dict[str, Any]:
        """Return what a manifest tells of where its results come from; ``search_id`` stands for all of it.

        :param product: the cursors of one product are no use with another.
        :param max_results: results at most.
        """
        content = {
            "product": product,
            "query": self.query,
            "tag": self.tag,
            "bucket": self.bucket,
            "limit": max_results,
            "window": {
                "start": self.window.start.in_timezone("UTC").to_iso8601_string(),
                "stop": self.window.stop.in_timezone("UTC").to_iso8601_string(),
            },
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        return {"system": "x_enterprise_search", "search_id": digest, **content}

    @property
    def unit(self) -> Bucket:
        """Return how finely its window can be cut."""
        return self.bucket or "minute"


@dataclass(frozen=True, slots=True)
class SearchCursor:
    """How far a search has come, from the newest post to the oldest; as text it is the cursor of a batch.

    :param start: the slice of the window that is being paged begins here.
    :param stop: and ends here; what is newer is there already.
    :param reached: what is newer than this is there, too.
    :param token: the service's for the next page of the slice; ``None`` at its begin.
    :param requests: how many were made so far.
    :param counted: how many posts were counted so far.
    """

    start: str
    stop: str
    reached: str
    token: str | None = None
    requests: int = 0
    counted: int = 0

    @classmethod
    def of(cls, search: SearchRequest, cursor: str | None) -> SearchCursor:
        """Return the place that a cursor names, or the begin of a search.

        :param cursor: the cursor of a batch of this search.
        """
        if cursor is not None:
            return cls(**json.loads(cursor))
        stop = _spelled(search.window.stop)
        return cls(_spelled(search.window.start), stop, stop)

    def __str__(self) -> str:
        """Return the cursor."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @property
    def is_end(self) -> bool:
        """Tell whether everything is there."""
        return self.start == self.stop

    def after(self, page: Page, search: SearchRequest) -> SearchCursor:
        """Return the place after a page."""
        counted = self.counted + page.counted
        if page.next:
            return replace(
                self, token=page.next, reached=page.oldest(search) or self.reached, counted=counted
            )
        length = _moment(self.stop) - _moment(self.start)
        start = max(search.window.start.in_timezone("UTC"), _moment(self.start) - length)
        return SearchCursor(_spelled(start), self.start, self.start, None, self.requests, counted)

    def smaller(self, search: SearchRequest) -> SearchCursor | None:
        """Return the begin of a slice half as long of what is not there yet; ``None`` if it is short already."""
        unit = BUCKETS[search.unit]
        length, shortest = _moment(self.stop) - _moment(self.start), max(SMALLEST_WINDOW, unit)
        if length <= shortest:
            return None
        seconds = max(shortest, length / 2).total_seconds()
        half = pendulum.duration(seconds=math.ceil(seconds / unit.total_seconds()) * unit.total_seconds())
        start = max(_moment(self.start), _moment(self.reached) - half)
        return SearchCursor(_spelled(start), self.reached, self.reached, None, self.requests, self.counted)


class _Post(msgspec.Struct):
    """What is looked at in a post: native format, or the older activity streams."""

    id: int | str | None = None
    id_str: str | None = None
    created_at: str | None = None
    posted: str | None = msgspec.field(default=None, name="postedTime")


class _Count(msgspec.Struct):
    period: str = msgspec.field(name="timePeriod")
    count: int


class Page(msgspec.Struct):
    """An answer; its results as the bytes that came."""

    results: list[msgspec.Raw]
    next: str | None = None
    total: int | None = msgspec.field(default=None, name="totalCount")

    @property
    def counted(self) -> int:
        """Return how many posts this page counts."""
        if self.total is None:
            return 0
        return sum(msgspec.json.decode(one, type=_Count).count for one in self.results)

    @property
    def records(self) -> list[bytes]:
        """Return the results; JSON has line breaks between its tokens at most."""
        return [bytes(one).replace(b"\n", b" ").replace(b"\r", b" ") for one in self.results]

    def oldest(self, search: SearchRequest) -> str | None:
        """Return the minute, or the bucket, after which all is there; ``None`` if the page is empty."""
        if search.bucket:
            return min((msgspec.json.decode(one, type=_Count).period for one in self.results), default=None)
        posts = (msgspec.json.decode(one, type=_Post) for one in self.results)
        created = min(filter(None, map(_created, posts)), default=None)
        return (
            None
            if created is None
            else _spelled(pendulum.instance(created).start_of("minute").add(minutes=1))
        )


def post_id(record: bytes) -> bytes:
    """Return what tells a post from others, also where its engagement has changed since."""
    post = msgspec.json.decode(record, type=_Post)
    return str(post.id_str or post.id).rpartition(":")[2].encode()


def count_period(record: bytes) -> bytes:
    """Return what tells one count from others."""
    return msgspec.json.decode(record, type=_Count).period.encode()


def most_requests(posts: int, window: Window) -> int:
    """Return how many requests a search takes at most.

    :param posts: how many there are, by the counts.
    :param window: of the search; a page reaches over 31 days at most.
    """
    slices = math.ceil((window.stop - window.start).total_seconds() / PAGE_REACH.total_seconds())
    return math.ceil(posts / MOST_PER_PAGE) + slices


def _created(post: _Post) -> datetime | None:
    text = post.created_at or post.posted or ""
    for form in _CREATED:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  (both forms name their zone)
        except ValueError:
            continue
    return None


def _spelled(moment: pendulum.DateTime) -> str:
    return moment.in_timezone("UTC").format(_MINUTES)


def _moment(text: str) -> pendulum.DateTime:
    return pendulum.from_format(text, _MINUTES, tz="UTC")
