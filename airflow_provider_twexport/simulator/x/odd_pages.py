"""Pages of a search as X has sent them and no document describes: odd pages, odd results, odd counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.prng import hash64
from airflow_provider_twexport.simulator.x.documents import halved_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_twexport.simulator.x.requests import PageRequest
    from airflow_provider_twexport.simulator.x.settings import XSettings

PAGES = ("empty", "no_results", "repeat", "same_token")
COUNTS = ("lacks", "repeats", "no_total", "ends_early")
# none of them is a post in UTF-8
NO_RESULTS = (
    b"null",
    b'"text"',
    b"7",
    b"{}",
    b'{"limit":{"track":1}}',
    b'{"created_at":"Wed Jan 31 23:51:56 +0000 2024","id":5,"text":"\xed\xa0\xbd\xed\xb8\x80"}',
    b'{"created_at":"Wed Jan 31 23:51:56 +0000 2024","id":6,"text":"a "quote" in it"}',
)


def page_of(
    page: dict[str, Any],
    newer: Callable[[], list[dict[str, Any]]],
    request: PageRequest,
    settings: XSettings,
) -> dict[str, Any]:
    """Return a page of posts, or an odd one in its place that leads to it.

    :param newer: returns some posts of the page before.
    """
    if request.visit or not _happens(
        settings.x_odd_pages, "page", request.start, request.stop, request.before
    ):
        return page
    kind = PAGES[hash64("kind", request.before) % len(PAGES)]
    if kind == "same_token":
        # nobody can see that of a token that was not used before
        has_token = "next" in page and request.before != request.stop
        return page | {"next": request.next_token(request.before)} if has_token else page
    odd = {
        "next": request.next_token(request.before, visit=1),
        "requestParameters": page["requestParameters"],
    }
    if kind == "no_results":
        return odd
    return {"results": newer() if kind == "repeat" else []} | odd


def results_of(posts: list[dict[str, Any]], settings: XSettings) -> list[Any]:
    """Return posts as they are sent, with what is none among them."""
    results: list[Any] = []
    for post in posts:
        key = post["id_str"]
        if settings.x_odd_posts and hash64("posts", key) % settings.x_odd_posts == 0:
            results.append(msgspec.Raw(halved_pair(msgspec.json.encode(post))))
        else:
            results.append(post)
        if settings.x_odd_results and hash64("results", key) % settings.x_odd_results == 0:
            results.append(msgspec.Raw(NO_RESULTS[hash64("result", key) % len(NO_RESULTS)]))
    return results


def counts_of(page: dict[str, Any], request: PageRequest, settings: XSettings) -> dict[str, Any]:
    """Return a page of counts, or one with which something is wrong."""
    key, buckets = (request.start, request.stop, request.before), page["results"]
    if len(buckets) < 2 or not _happens(settings.x_odd_counts, "counts", *key):
        return page
    # the first one stays, so that whoever asks on gets on
    kind, at = COUNTS[hash64("kind", *key) % len(COUNTS)], 1 + hash64("at", *key) % (len(buckets) - 1)
    if kind == "lacks":
        return page | {"results": buckets[:at] + buckets[at + 1 :]}
    if kind == "repeats":
        return page | {"results": buckets[:at] + buckets[at - 1 :]}
    if kind == "no_total":
        return {name: value for name, value in page.items() if name != "totalCount"}
    return {name: value for name, value in page.items() if name != "next"} | {"results": buckets[:at]}


def _happens(share: float, *key: object) -> bool:
    return hash64(*key) % 10_000 < share * 10_000
