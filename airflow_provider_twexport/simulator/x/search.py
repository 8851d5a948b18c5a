"""Searches: one page of posts or of counts."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.day import DAY_MS
from airflow_provider_twexport.simulator.x.odd_pages import counts_of, page_of, results_of
from airflow_provider_twexport.simulator.x.requests import BUCKETS, format_date

if TYPE_CHECKING:
    from airflow_provider_twexport.simulator.day import Day
    from airflow_provider_twexport.simulator.x.corpus import Matches
    from airflow_provider_twexport.simulator.x.documents import Posts
    from airflow_provider_twexport.simulator.x.requests import PageRequest
    from airflow_provider_twexport.simulator.x.settings import XSettings

# posts of the page before, on an odd page
REPEATED = 10


def data_page(request: PageRequest, matches: Matches, posts: Posts, settings: XSettings) -> dict[str, Any]:
    """Return the newest posts that are older than the token: as many as fit, or 31 days of them."""
    slice_start = _slice_start(request, settings)
    found = list(islice(matches.newest_first(slice_start, request.before), request.max_results))
    is_full = len(found) == request.max_results
    before = found[-1][0].published_ms(found[-1][1]) if is_full else slice_start
    has_more = matches.count(request.start, before) > 0 if is_full else slice_start > request.start
    if is_full and settings.x_repeat_at_edges:
        before += 1
    echo = {"maxResults": request.max_results, **_window(request)}
    page: dict[str, Any] = {
        "results": _written(found, request, posts, settings),
        **_next(request, before, has_more=has_more),
        "requestParameters": echo,
    }

    def newer() -> list[dict[str, Any]]:
        until = min(request.stop, request.before + DAY_MS)
        last = list(matches.newest_first(request.before, until))[-REPEATED:]
        return _written(last, request, posts, settings)

    page = page_of(page, newer, request, settings)
    return page | ({"results": results_of(page["results"], settings)} if "results" in page else {})


def counts_page(request: PageRequest, matches: Matches, settings: XSettings) -> dict[str, Any]:
    """Return whole buckets that are older than the token, 31 days of them at most."""
    step = BUCKETS[request.bucket]
    last = request.before // step * step
    first = -(-max(request.start, last - settings.x_page_days * DAY_MS) // step) * step
    if settings.x_counts_page_buckets:
        first = max(first, last - settings.x_counts_page_buckets * step)
    results = [
        {"timePeriod": format_date(begin), "count": matches.count(begin, begin + step)}
        for begin in range(last - step, first - step, -step)
    ]
    has_more = first - step >= request.start
    if settings.x_counts_order == "ascending":
        results.reverse()
    total = matches.count(first, max(first, last))
    echo = {"bucket": request.bucket, **_window(request)}
    page = {
        "results": results,
        "totalCount": total,
        **_next(request, first, has_more=has_more),
        "requestParameters": echo,
    }
    return counts_of(page, request, settings)


def _written(
    found: list[tuple[Day, int]], request: PageRequest, posts: Posts, settings: XSettings
) -> list[dict[str, Any]]:
    return [
        posts.post(day, index, request.tag, edit_metadata=settings.x_edit_metadata) for day, index in found
    ]


def _slice_start(request: PageRequest, settings: XSettings) -> int:
    length = settings.x_page_days * DAY_MS
    slices_done = (request.stop - request.before) // length
    return max(request.start, request.stop - (slices_done + 1) * length)


def _window(request: PageRequest) -> dict[str, str]:
    return {"fromDate": format_date(request.start), "toDate": format_date(request.stop)}


def _next(request: PageRequest, before: int, *, has_more: bool) -> dict[str, str]:
    return {"next": request.next_token(before)} if has_more else {}
