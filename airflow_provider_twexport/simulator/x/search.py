"""One page of posts or of counts."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.day import DAY
from airflow_provider_twexport.simulator.x.requests import BUCKETS, spelled

if TYPE_CHECKING:
    from airflow_provider_twexport.simulator.x.corpus import Matches
    from airflow_provider_twexport.simulator.x.documents import Posts
    from airflow_provider_twexport.simulator.x.requests import Asked
    from airflow_provider_twexport.simulator.x.settings import Settings


def data_page(asked: Asked, matches: Matches, posts: Posts, settings: Settings) -> dict[str, Any]:
    """Return the newest posts below the token's moment: as many as are wanted, or 31 days of them."""
    low = _slice_start(asked, settings)
    found = list(islice(matches.backwards(low, asked.before), asked.max_results))
    full = len(found) == asked.max_results
    before = found[-1][0].moment(found[-1][1]) if full else low
    more = matches.count(asked.start, before) > 0 if full else low > asked.start
    if full and settings.x_repeat_at_edges:
        before += 1
    results = [
        posts.post(day, index, asked.tag, edit_metadata=settings.x_edit_metadata) for day, index in found
    ]
    echo = {"maxResults": asked.max_results, **_window(asked)}
    return {"results": results, **_next(asked, before, more=more), "requestParameters": echo}


def counts_page(asked: Asked, matches: Matches, settings: Settings) -> dict[str, Any]:
    """Return whole buckets from the token's moment back, 31 days of them at most."""
    step = BUCKETS[asked.bucket]
    last = asked.before // step * step
    first = -(-max(asked.start, last - settings.x_page_days * DAY) // step) * step
    if settings.x_counts_page_buckets:
        first = max(first, last - settings.x_counts_page_buckets * step)
    results = [
        {"timePeriod": spelled(begin), "count": matches.count(begin, begin + step)}
        for begin in range(last - step, first - step, -step)
    ]
    more = first - step >= asked.start
    if settings.x_counts_order == "ascending":
        results.reverse()
    total = matches.count(first, max(first, last))
    echo = {"bucket": asked.bucket, **_window(asked)}
    return {
        "results": results,
        "totalCount": total,
        **_next(asked, first, more=more),
        "requestParameters": echo,
    }


def _slice_start(asked: Asked, settings: Settings) -> int:
    length = settings.x_page_days * DAY
    slices_done = (asked.stop - asked.before) // length
    return max(asked.start, asked.stop - (slices_done + 1) * length)


def _window(asked: Asked) -> dict[str, str]:
    return {"fromDate": spelled(asked.start), "toDate": spelled(asked.stop)}


def _next(asked: Asked, before: int, *, more: bool) -> dict[str, str]:
    return {"next": asked.next_token(before)} if more else {}
