"""X enterprise search: the posts of a query and a window, or their counts, page by page.

Vendor page: "Enterprise Search APIs" (30-day and full archive). X bills every request, also one for counts. So the
client sends the request of a page once, and again only after the service has refused it (429, 5xx). After any other
error, the caller resumes from the last cursor. Out of scope: streams, and the premium and v2 APIs.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pendulum

from airflow_provider_twexport.core import timing as core_timing
from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.core.json_documents import load
from airflow_provider_twexport.core.rate_limit import RateLimiter
from airflow_provider_twexport.core.retry import RetryState, WireEvent
from airflow_provider_twexport.exceptions import (
    ConnectionConfigError,
    Evidence,
    InvalidRequestError,
    RequestBudgetExceededError,
    RetriableError,
    ThrottledError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.x.error_codes import words_of
from airflow_provider_twexport.x.search.pages import (
    MAX_PER_PAGE,
    MIN_PER_PAGE,
    PAGE_REACH,
    Page,
    Progress,
    SearchCursor,
    format_minute,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_twexport.x.search.pages import SearchRequest
    from airflow_provider_twexport.x.session import XCredential

log = logging.getLogger(__name__)

DEFAULT_HOST = "https://gnip-api.x.com"
PRODUCTS = ("30day", "fullarchive")
REQUESTS_PER_MINUTE = 120
# X has refused the request, or failed with it
OVERLOADED = frozenset((500, 502, 503, 504))
SEARCHABLE_AFTER = pendulum.duration(seconds=30)


class XSearchClient:
    """Searches X with one account.

    :param credential: of the account.
    :param product: ``30day`` or ``fullarchive``.
    :param base_url: ``https://`` URL of the service; ``http://`` for loopback hosts only.
    :param requests_per_minute: how many the contract allows for the product, data and counts together.
    :param timing: how long everything waits; ``None`` for the default.
    :raises ConnectionConfigError: if one of these is invalid.
    """

    def __init__(
        self,
        credential: XCredential,
        *,
        product: str = "fullarchive",
        base_url: str = DEFAULT_HOST,
        requests_per_minute: int = REQUESTS_PER_MINUTE,
        timing: core_timing.Timing | None = None,
    ) -> None:
        self.timing = timing or core_timing.DEFAULT
        self._session = credential.session(base_url, self.timing.retry)
        if product not in PRODUCTS:
            raise ConnectionConfigError(
                f"The connection's product {product!r} is unknown. Choose one of {', '.join(PRODUCTS)}."
            )
        if requests_per_minute < 1:
            raise ConnectionConfigError(
                "The connection's requests_per_minute is less than 1. Set it to 1 or more."
            )
        account, label = quote(credential.account, safe=""), quote(credential.label, safe="")
        self._usage_path = f"/metrics/usage/accounts/{account}.json"
        self._path = f"/search/{product}/accounts/{account}/{label}"
        self.product = product
        self._limiter = RateLimiter(
            f"{self.base_url} {credential.account} {product}",
            requests_per_minute,
            self.timing.requests_per_second,
        )

    @property
    def base_url(self) -> str:
        """Return the URL of the service."""
        return self._session.base_url

    def get_usage(
        self,
        bucket: str = "month",
        start: pendulum.DateTime | None = None,
        stop: pendulum.DateTime | None = None,
    ) -> dict[str, Any]:
        """Return what the account used in each day or month, as the service reports it; free, 2 calls a minute.

        :param bucket: ``day`` or ``month``.
        :param start: first day, in the last 13 months; ``None`` for X's own choice.
        :param stop: last day, exclusive, at most three months later; ``None`` for now. With a ``stop``, X reports
            no day that has not ended.
        """
        params = {"bucket": bucket}
        if start:
            params["fromDate"] = format_minute(start)
        if stop:
            params["toDate"] = format_minute(stop)
        usage = self._session.call("GET", self._usage_path, params=params)
        if not isinstance(usage, dict):
            raise UnexpectedResponseError("X's response has no usage. Check the connection's host.")
        return usage

    def pages(
        self,
        request: SearchRequest,
        *,
        cursor: str | None = None,
        missing: Callable[[], float] = lambda: math.inf,
        max_requests: int | None = None,
        page_size: int = MAX_PER_PAGE,
    ) -> Iterator[Batch]:
        """Yield the pages of a search, the newest posts first; each costs a request.

        Each next batch sends the request of the next page. If a page overloads the service, the client requests it
        again with a smaller window, down to 6 hours; then the next page may repeat the posts of up to a minute. It
        does the same where a page's token leads nowhere, and where a count is missing.

        :param cursor: of the last batch received; ``None`` for the start.
        :param missing: returns how many results are still wanted; called before each request.
        :param max_requests: how many requests to send in all, those before ``cursor`` included.
        :param page_size: how many posts a page may have, 10 to 500; each page is a request.
        :raises InvalidRequestError: the window is out of reach, or the page size is.
        :raises RequestBudgetExceededError: if the search needs more requests.
        :raises IncompleteLandingError: if two pages in a row bring nothing new; the cursor stays valid.
        :raises RetriableError: if no response came, or throttling or overload does not end; likewise.
        """
        if not MIN_PER_PAGE <= page_size <= MAX_PER_PAGE:
            raise InvalidRequestError(
                f"page_size={page_size} is not allowed. Give {MIN_PER_PAGE} to {MAX_PER_PAGE} posts a page."
            )
        self._check_window(request)
        position, progress = SearchCursor.of(request, cursor), Progress(request)
        while not position.is_end and missing() > 0:
            page, here = self._next_page(request, position, min(missing(), page_size), max_requests)
            position = here.after(page, request, leads_on=progress.leads_on(page, here))
            yield Batch(page.new(here, request), str(position), unreadable=page.unreadable)
            progress.check(page, here, position)

    def _check_window(self, request: SearchRequest) -> None:
        now = pendulum.now("UTC")
        if self.product == "30day" and request.window.start < now - PAGE_REACH:
            raise InvalidRequestError(
                f"The window {request.window} starts more than 31 days ago. Product 30day has no older posts; "
                "use fullarchive."
            )
        if request.window.stop > now:
            raise InvalidRequestError(
                f"The window {request.window} ends in the future. Search it when it is over."
            )
        time.sleep(max(0.0, (request.window.stop + SEARCHABLE_AFTER - now).total_seconds()))

    def _next_page(
        self, request: SearchRequest, cursor: SearchCursor, missing: float, max_requests: int | None
    ) -> tuple[Page, SearchCursor]:
        retry_state, waits = RetryState(self.timing.retry), iter(self.timing.overload)
        while True:
            if max_requests is not None and cursor.requests >= max_requests:
                raise _budget_exceeded(max_requests, cursor)
            cursor = replace(cursor, requests=cursor.requests + 1)
            try:
                return self._request_page(request, cursor, missing), cursor
            except ThrottledError as error:
                retry_state.wait(error)
            except RetriableError as error:
                if error.evidence is None or error.evidence.status not in OVERLOADED:
                    raise
                cursor = self._after_overload(request, cursor, error, next(waits, None))

    def _after_overload(
        self, request: SearchRequest, cursor: SearchCursor, error: RetriableError, seconds: float | None
    ) -> SearchCursor:
        """Sleep before the next attempt; after the last one, continue with a smaller window."""
        if seconds is not None:
            seconds = max(seconds, min(error.retry_after or 0.0, self.timing.retry.throttled_for))
            self.timing.retry.on_event(WireEvent.RETRY)
            log.warning("%s Retrying in %.0f s.", error, seconds)
            time.sleep(seconds)
            return cursor
        halved = cursor.halved(request)
        if halved is None:
            error.add(
                "A window of 6 hours does not help. Split long lists of OR into several searches, and exclude fewer "
                "terms; or retry later: a retry resumes from here."
            )
            raise error
        self.timing.retry.on_event(WireEvent.RETRY)
        log.warning("%s Continuing with a smaller window: [%s, %s).", error, halved.start, halved.stop)
        return halved

    def _request_page(self, request: SearchRequest, cursor: SearchCursor, missing: float) -> Page:
        body: dict[str, Any] = {"query": request.query, "fromDate": cursor.start, "toDate": cursor.stop}
        if request.tag:
            body["tag"] = request.tag
        if request.bucket:
            path, body["bucket"] = f"{self._path}/counts.json", request.bucket
        else:
            path = f"{self._path}.json"
            body["maxResults"] = int(max(MIN_PER_PAGE, min(MAX_PER_PAGE, missing)))
        if cursor.token:
            body["next"] = cursor.token
        self._limiter.acquire()
        content = self._session.content("POST", path, body=body, timeout=self.timing.search_response)
        try:
            return Page.parse(content, request)
        except ValueError as error:
            msg = f"X's response is not a page of a search ({error}). Check the connection's host."
            raise UnexpectedResponseError(msg, self._evidence(path, content)) from None

    def _evidence(self, path: str, content: bytes) -> Evidence:
        """Return what a response says that is no page; never what it holds."""
        try:
            words, transaction = words_of(self._session.redact(load(content)))
        except ValueError:
            return self._session.evidence_of("POST", path, 200, content)
        return Evidence("POST", path, 200, request_id=transaction, details=words)


def _budget_exceeded(max_requests: int, cursor: SearchCursor) -> RequestBudgetExceededError:
    return RequestBudgetExceededError(
        f"max_requests={max_requests:,} are used up. The search has reached {cursor.reached} (UTC), and its results "
        "are kept: raise max_requests to continue from there.",
        facts={"budget": "max_requests", "allowed": max_requests, "reached": str(cursor.reached)},
    )
