"""X enterprise search: the posts of a query and a window, or their counts, page by page.

Vendor page: "Enterprise Search APIs" (30-day and full archive). Every request is billed, also one for counts; a page
is asked for once, and again only after the service has refused it (429, 503): whatever else goes wrong is for the
caller, who goes on from the last cursor. Out of scope: streams, and the premium and v2 APIs.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import pendulum

from airflow_provider_twexport.core import timing as core_timing
from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.core.rate_limit import RateLimiter
from airflow_provider_twexport.core.retry import RetryState, WireEvent
from airflow_provider_twexport.exceptions import (
    ConnectionConfigError,
    InvalidRequestError,
    RequestBudgetExceededError,
    ThrottledError,
    TransientError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.x.search.pages import (
    FEWEST_PER_PAGE,
    MOST_PER_PAGE,
    PAGE_REACH,
    Page,
    SearchCursor,
)
from airflow_provider_twexport.x.session import x_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_twexport.x.search.pages import SearchRequest

log = logging.getLogger(__name__)

DEFAULT_HOST = "https://gnip-api.x.com"
PRODUCTS = ("30day", "fullarchive")
REQUESTS_PER_MINUTE = 120
SEARCHABLE_AFTER = pendulum.duration(seconds=30)


class XSearchClient:
    """Asks one account of X enterprise search.

    :param login: e-mail address of the console.
    :param password: its password.
    :param account: name of the account, case-sensitive.
    :param label: label of the search stream, such as ``prod``, case-sensitive.
    :param product: ``30day`` or ``fullarchive``.
    :param base_url: ``https://`` address of the service; ``http://`` for loopback hosts only.
    :param requests_per_minute: what the contract allows for the product, data and counts together.
    :param timing: how long everything waits; ``None`` for the usual waits.
    :raises ConnectionConfigError: if something of this is missing or cannot be meant.
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
        timing: core_timing.Timing | None = None,
    ) -> None:
        self.timing = timing or core_timing.DEFAULT
        self._session = x_session(login, password, account, label, base_url, self.timing.retry)
        if product not in PRODUCTS:
            raise ConnectionConfigError(f"product {product!r} is none of {', '.join(PRODUCTS)}.")
        if requests_per_minute < 1:
            raise ConnectionConfigError("requests_per_minute must be 1 at least.")
        self._account = account
        self._product = product
        self._path = f"/search/{product}/accounts/{quote(account, safe='')}/{quote(label, safe='')}"
        self._pace = RateLimiter(f"{self.base_url} {account} {product}", requests_per_minute)

    @property
    def base_url(self) -> str:
        """Return the address of the service."""
        return self._session.base_url

    def get_usage(self) -> dict[str, Any]:
        """Return what was used by the month, as the service says it; free, twice a minute at most."""
        path = f"/metrics/usage/accounts/{quote(self._account, safe='')}.json"
        usage = self._session.call("GET", path, params={"bucket": "month"})
        if not isinstance(usage, dict):
            raise UnexpectedResponseError("X's answer about its usage is none.")
        return usage

    def pages(
        self,
        search: SearchRequest,
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
        :raises RequestBudgetExceededError: if that is not enough.
        :raises TransientError: if no answer came, or throttling or overload does not end; the cursor holds.
        """
        self._check_reach(search)
        place = SearchCursor.of(search, cursor)
        while not place.is_end and missing() > 0:
            page, place = self._page(search, place, missing(), max_requests)
            yield Batch(page.records, str(place))

    def _check_reach(self, search: SearchRequest) -> None:
        now = pendulum.now("UTC")
        if self._product == "30day" and search.window.start < now - PAGE_REACH:
            raise InvalidRequestError(
                f"The window {search.window} begins more than 31 days ago: product 30day holds no older posts, "
                "fullarchive does."
            )
        if search.window.stop > now:
            raise InvalidRequestError(
                f"The window {search.window} ends in the future: search when it is over."
            )
        time.sleep(max(0.0, (search.window.stop + SEARCHABLE_AFTER - now).total_seconds()))

    def _page(
        self, search: SearchRequest, place: SearchCursor, missing: float, max_requests: int | None
    ) -> tuple[Page, SearchCursor]:
        retry_state, waits = RetryState(self.timing.retry), iter(self.timing.overload)
        while True:
            if max_requests is not None and place.requests >= max_requests:
                raise _used_up(max_requests, place)
            place = replace(place, requests=place.requests + 1)
            try:
                page = self._ask(search, place, missing)
                return page, place.after(page, search)
            except ThrottledError as error:
                retry_state.wait(error)
            except TransientError as error:
                if error.evidence is None or error.evidence.status != 503:
                    raise
                place = self._relieved(search, place, error, next(waits, None))

    def _relieved(
        self, search: SearchRequest, place: SearchCursor, error: TransientError, wait: float | None
    ) -> SearchCursor:
        """Sleep before the next try or, when there were enough, go on with a smaller window."""
        if wait is not None:
            self.timing.retry.on_event(WireEvent.RETRY)
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
        self.timing.retry.on_event(WireEvent.RETRY)
        log.warning("%s Going on with a smaller window: [%s, %s).", error, smaller.start, smaller.stop)
        return smaller

    def _ask(self, search: SearchRequest, place: SearchCursor, missing: float) -> Page:
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
        self._pace.acquire()
        content = self._session.content("POST", path, body=body, timeout=self.timing.search_response)
        try:
            return msgspec.json.decode(content, type=Page)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            msg = f"X's answer is no page of a search ({error}): is there another service at the connection's host?"
            raise UnexpectedResponseError(msg) from None


def _used_up(max_requests: int, place: SearchCursor) -> RequestBudgetExceededError:
    return RequestBudgetExceededError(
        f"max_requests={max_requests:,} are used up and the search has come down to {place.reached} (UTC). What "
        "came so far is kept: with a higher max_requests it goes on from there.",
        facts={"budget": "max_requests", "allowed": max_requests, "reached": str(place.reached)},
    )
