"""X enterprise search: the posts of a query and a window, or their counts, page by page.

Vendor page: "Enterprise Search APIs" (30-day and full archive). Every request is billed, also one for counts; a page
is asked for once, and again only after the service has refused it (429, 503): whatever else goes wrong is for the
caller, who goes on from the last cursor. Out of scope: streams, and the premium and v2 APIs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import msgspec
import pendulum

from airflow_provider_twexport.clients import _retry
from airflow_provider_twexport.clients._http import BasicLogin, Session
from airflow_provider_twexport.clients._retry import Patience, Retry
from airflow_provider_twexport.clients.batch import Batch
from airflow_provider_twexport.clients.errors import (
    BuyCreditsError,
    FixConnectionError,
    FixRequestError,
    RetryLaterError,
    ThrottledError,
    UnexpectedAnswerError,
)
from airflow_provider_twexport.clients.x_errors import explain
from airflow_provider_twexport.clients.x_pace import SharedPace
from airflow_provider_twexport.clients.x_query import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_twexport.clients.window import Window

log = logging.getLogger(__name__)

Product = Literal["30day", "fullarchive"]
Bucket = Literal["minute", "hour", "day"]

DEFAULT_HOST = "https://gnip-api.x.com"
PRODUCTS = ("30day", "fullarchive")
BUCKETS = {
    "minute": pendulum.duration(minutes=1),
    "hour": pendulum.duration(hours=1),
    "day": pendulum.duration(days=1),
}
REQUESTS_PER_MINUTE = 120
MOST_PER_PAGE, FEWEST_PER_PAGE = 500, 10
PAGE_REACH = pendulum.duration(days=31)
FIRST_POST = pendulum.datetime(2006, 3, 21)
SEARCHABLE_AFTER = pendulum.duration(seconds=30)
SMALLEST_WINDOW = pendulum.duration(hours=6)
# the vendor's procedure: again shortly after, then four failures in a row with ten minutes between them
OVERLOAD_WAITS = (5.0, 600.0, 600.0, 600.0)
ANSWER_SECONDS = 120.0
_MINUTES = "YYYYMMDDHHmm"
_CREATED = ("%a %b %d %H:%M:%S %z %Y", "%Y-%m-%dT%H:%M:%S.%f%z")


@dataclass(frozen=True, slots=True)
class Search:
    """What to search for: this, and nothing else, decides what is found.

    :param query: in the language of PowerTrack rules, 2,048 characters at most.
    :param window: the time of publication, in whole minutes.
    :param bucket: count the posts of each ``minute``, ``hour`` or ``day``; ``None`` for the posts themselves.
    :param tag: comes back with each post.
    :raises FixRequestError: if the service would refuse it, or would answer something else than is meant.
    """

    query: str
    window: Window
    bucket: Bucket | None = None
    tag: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", checked(self.query))
        if self.bucket is not None and self.bucket not in BUCKETS:
            raise FixRequestError(f"bucket={self.bucket!r} is none of {', '.join(BUCKETS)}.")
        if self.tag and len(self.tag) > 255:
            raise FixRequestError(f"The tag has {len(self.tag)} characters, 255 are allowed.")
        if self.window.start < FIRST_POST:
            raise FixRequestError(f"The window {self.window} begins before the first post, 2006-03-21.")
        for moment in (self.window.start, self.window.stop):
            if moment.in_timezone("UTC") != moment.in_timezone("UTC").start_of(self.unit):
                raise FixRequestError(
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
class Place:
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
    def of(cls, search: Search, cursor: str | None) -> Place:
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

    def after(self, page: _Page, search: Search) -> Place:
        """Return the place after a page."""
        counted = self.counted + page.counted
        if page.next:
            return replace(
                self, token=page.next, reached=page.oldest(search) or self.reached, counted=counted
            )
        length = _moment(self.stop) - _moment(self.start)
        start = max(search.window.start.in_timezone("UTC"), _moment(self.start) - length)
        return Place(_spelled(start), self.start, self.start, None, self.requests, counted)

    def smaller(self, search: Search) -> Place | None:
        """Return the begin of a slice half as long of what is not there yet; ``None`` if it is short already."""
        unit = BUCKETS[search.unit]
        length, shortest = _moment(self.stop) - _moment(self.start), max(SMALLEST_WINDOW, unit)
        if length <= shortest:
            return None
        seconds = max(shortest, length / 2).total_seconds()
        half = pendulum.duration(seconds=math.ceil(seconds / unit.total_seconds()) * unit.total_seconds())
        start = max(_moment(self.start), _moment(self.reached) - half)
        return Place(_spelled(start), self.reached, self.reached, None, self.requests, self.counted)


class _Post(msgspec.Struct):
    """What is looked at in a post: native format, or the older activity streams."""

    id: int | str | None = None
    id_str: str | None = None
    created_at: str | None = None
    posted: str | None = msgspec.field(default=None, name="postedTime")


class _Count(msgspec.Struct):
    period: str = msgspec.field(name="timePeriod")
    count: int


class _Page(msgspec.Struct):
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

    def oldest(self, search: Search) -> str | None:
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


class XSearchClient:
    """Asks one account of X enterprise search.

    :param login: e-mail address of the console.
    :param password: its password.
    :param account: name of the account, case-sensitive.
    :param label: label of the search stream, such as ``prod``, case-sensitive.
    :param product: ``30day`` or ``fullarchive``.
    :param base_url: ``https://`` address of the service; ``http://`` for loopback hosts only.
    :param requests_per_minute: what the contract allows for the product, data and counts together.
    :param retry: how long throttling is waited out.
    :param overload_waits: seconds before each next try of a search that overloads the service (503); ``None`` for
        those that the vendor advises.
    :raises FixConnectionError: if something of this is missing or cannot be meant.
    """

    def __init__(
        self,
        login: str,
        password: str,
        *,
        account: str,
        label: str,
        product: str = "fullarchive",
        base_url: str = DEFAULT_HOST,
        requests_per_minute: int = REQUESTS_PER_MINUTE,
        retry: Retry | None = None,
        overload_waits: tuple[float, ...] | None = None,
    ) -> None:
        for name, value in (("login", login), ("password", password), ("account", account), ("label", label)):
            if not value:
                raise FixConnectionError(f"The connection has no {name}: give the one of the X console.")
        if product not in PRODUCTS:
            raise FixConnectionError(f"product {product!r} is none of {', '.join(PRODUCTS)}.")
        if requests_per_minute < 1:
            raise FixConnectionError("requests_per_minute must be 1 at least.")
        self._session = Session(base_url, BasicLogin(login, password), explain, retry or _retry.DEFAULT)
        self._account = account
        self._product = product
        self._path = f"/search/{product}/accounts/{quote(account, safe='')}/{quote(label, safe='')}"
        self._pace = SharedPace(f"{self.base_url} {account} {product}", requests_per_minute)
        self._overload_waits = OVERLOAD_WAITS if overload_waits is None else overload_waits

    @property
    def base_url(self) -> str:
        """Return the address of the service."""
        return self._session.base_url

    def get_usage(self) -> dict[str, Any]:
        """Return what was used by the month, as the service says it; free, twice a minute at most."""
        path = f"/metrics/usage/accounts/{quote(self._account, safe='')}.json"
        usage = self._session.call("GET", path, params={"bucket": "month"})
        if not isinstance(usage, dict):
            raise UnexpectedAnswerError("X's answer about its usage is none.")
        return usage

    def pages(
        self,
        search: Search,
        *,
        cursor: str | None = None,
        missing: Callable[[], float] = lambda: math.inf,
        max_requests: int | None = None,
    ) -> Iterator[Batch]:
        """Yield the pages of a search, the newest posts first; each costs a request.

        The next page is asked for when the next batch is. One that overloads the service is asked for again with a
        smaller window, down to 6 hours; the edge of the next page may then repeat posts of up to a minute.

        :param cursor: of the last batch that is there; ``None`` for the start.
        :param missing: tells how many results are still wanted; asked before each request.
        :param max_requests: how many may be made in all, those before ``cursor`` included.
        :raises BuyCreditsError: if that is not enough.
        :raises RetryLaterError: if no answer came, or throttling or overload does not end; the cursor holds.
        """
        self._check_reach(search)
        place = Place.of(search, cursor)
        while not place.is_end and missing() > 0:
            page, place = self._page(search, place, missing(), max_requests)
            yield Batch(page.records, str(place))

    def _check_reach(self, search: Search) -> None:
        now = pendulum.now("UTC")
        if self._product == "30day" and search.window.start < now - PAGE_REACH:
            raise FixRequestError(
                f"The window {search.window} begins more than 31 days ago: product 30day holds no older posts, "
                "fullarchive does."
            )
        if search.window.stop > now:
            raise FixRequestError(f"The window {search.window} ends in the future: search when it is over.")
        time.sleep(max(0.0, (search.window.stop + SEARCHABLE_AFTER - now).total_seconds()))

    def _page(
        self, search: Search, place: Place, missing: float, max_requests: int | None
    ) -> tuple[_Page, Place]:
        patience, waits = Patience(self._session.retry), iter(self._overload_waits)
        while True:
            if max_requests is not None and place.requests >= max_requests:
                raise _used_up(max_requests, place)
            place = replace(place, requests=place.requests + 1)
            try:
                page = self._ask(search, place, missing)
                return page, place.after(page, search)
            except ThrottledError as error:
                patience.bear(error)
            except RetryLaterError as error:
                if error.evidence is None or error.evidence.status != 503:
                    raise
                place = self._relieved(search, place, error, next(waits, None))

    def _relieved(self, search: Search, place: Place, error: RetryLaterError, wait: float | None) -> Place:
        """Sleep before the next try or, when there were enough, go on with a smaller window."""
        if wait is not None:
            log.warning("%s Trying again in %.0f s.", error, wait)
            time.sleep(wait)
            return place
        smaller = place.smaller(search)
        if smaller is None:
            error.add(
                "It stays so for a window of 6 hours. Split long lists of OR into several searches, and leave out "
                "fewer terms; or try later: a retry goes on from here."
            )
            raise error
        log.warning("%s Going on with a smaller window: [%s, %s).", error, smaller.start, smaller.stop)
        return smaller

    def _ask(self, search: Search, place: Place, missing: float) -> _Page:
        body: dict[str, Any] = {"query": search.query, "fromDate": place.start, "toDate": place.stop}
        if search.tag:
            body["tag"] = search.tag
        if search.bucket:
            path, body["bucket"] = f"{self._path}/counts.json", search.bucket
        else:
            path = f"{self._path}.json"
            body["maxResults"] = int(max(FEWEST_PER_PAGE, min(MOST_PER_PAGE, missing)))
        if place.token:
            body["next"] = place.token
        self._pace.keep()
        content = self._session.content("POST", path, body=body, seconds=ANSWER_SECONDS)
        try:
            return msgspec.json.decode(content, type=_Page)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            msg = f"X's answer is no page of a search ({error}): is there another service at the connection's host?"
            raise UnexpectedAnswerError(msg) from None


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


def _used_up(max_requests: int, place: Place) -> BuyCreditsError:
    return BuyCreditsError(
        f"max_requests={max_requests:,} are used up and the search has come down to {place.reached} (UTC). What "
        "came so far is kept: with a higher max_requests it goes on from there."
    )


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
