"""X enterprise search over a real socket: pages, counts, budgets, refusals and retries."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
import requests

from airflow_provider_twexport.core.retry import Retry
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import (
    ConnectionConfigError,
    IncompleteLandingError,
    InvalidRequestError,
    PermissionDeniedError,
    QuerySyntaxError,
    RequestBudgetExceededError,
    ThrottledError,
    TransientError,
    TwexportError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.storage.part_options import PartOptions
from airflow_provider_twexport.x.search.landing import SearchLanding
from airflow_provider_twexport.x.search.pages import SearchRequest, most_requests, post_id
from tests.service_clients import JANUARY, x_client_of
from tests.waiting import PATIENCE, QUICK

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_twexport.x.search.client import XSearchClient
    from tests.simulator_process import Simulator

COFFEE = SearchRequest("coffee lang:en", JANUARY)


def truth(simulator: Simulator, query: str = COFFEE.query, window: Window = JANUARY) -> list[str]:
    """Return the ids of all posts there are, the newest first."""
    span = {"start": round(window.start.timestamp() * 1000), "stop": round(window.stop.timestamp() * 1000)}
    response = requests.get(
        f"{simulator.url}/_control/x/posts", params={"query": query, **span}, timeout=PATIENCE
    )
    return [post["id"] for post in response.json()]


def ids(records: list[bytes]) -> list[str]:
    """Return the ids of posts."""
    return [post_id(record).decode() for record in records]


def everything(client: XSearchClient, request: SearchRequest = COFFEE, **options: Any) -> list[bytes]:
    """Return all records."""
    return [record for batch in client.pages(request, **options) for record in batch.records]


def pages(simulator: Simulator) -> list[dict[str, Any]]:
    """Return what was billed."""
    billed: list[dict[str, Any]] = simulator.ledger()["x"]["pages"]
    return billed


def failing(status: int, times: int = 1, message: str = "Exceeded rate limit", **more: Any) -> dict[str, Any]:
    """Order so many refusals of searches."""
    return {"fault": "error", "http": status, "times": times, "message": message, **more}


def test_all_posts_come_newest_first_as_sent(x_client: XSearchClient, simulator: Simulator) -> None:
    """Each page of 500 is requested once, and ids stay exact above 2 to the 53."""
    records = everything(x_client)
    assert ids(records) == truth(simulator)
    assert {page["maxResults"] for page in pages(simulator)} == {500}
    assert len(pages(simulator)) <= most_requests(len(records), JANUARY)
    assert b'"id":' + ids(records)[0].encode() in records[0]


def test_a_search_resumes_from_any_cursor_without_paying_again(
    x_client: XSearchClient, simulator: Simulator
) -> None:
    """Only the remainder is requested, also by another client."""
    first = next(x_client.pages(COFFEE))
    assert first.cursor is not None
    rest = everything(x_client, cursor=first.cursor)
    assert ids([*first.records, *rest]) == truth(simulator)
    assert Counter(page["before"] for page in pages(simulator)).most_common(1)[0][1] == 1


def test_no_more_is_requested_than_is_wanted(x_client: XSearchClient, simulator: Simulator) -> None:
    """The last page is as small as X allows."""
    came: list[bytes] = []
    for batch in x_client.pages(COFFEE, missing=lambda landed=came: 503 - len(landed)):
        came.extend(batch.records)
    assert [page["maxResults"] for page in pages(simulator)] == [500, 10]
    assert len(came) == 510


@pytest.mark.slow
@pytest.mark.parametrize("bucket", ["minute", "hour", "day"])
def test_counts_add_up_to_the_posts(x_client: XSearchClient, simulator: Simulator, bucket: Any) -> None:
    """The counts of all pages, however short, add up to the number of posts."""
    window = Window(pendulum.datetime(2023, 12, 1), pendulum.datetime(2024, 2, 10))
    simulator.settings(x_counts_page_buckets=None if bucket == "minute" else 20)
    *_, last = x_client.pages(SearchRequest("coffee", window, bucket))
    assert json.loads(last.cursor or "")["counted"] == len(truth(simulator, "coffee", window))


def test_the_budget_counts_all_attempts(x_client: XSearchClient, simulator: Simulator) -> None:
    """Requests of earlier attempts count; the error says how far the search has come."""
    batch = next(x_client.pages(COFFEE, max_requests=2))
    with pytest.raises(RequestBudgetExceededError, match="max_requests=2 are used up"):
        everything(x_client, cursor=batch.cursor, max_requests=2)
    assert len(pages(simulator)) == 2


@pytest.mark.parametrize("status", [408, 420, 429, 500, 502, 503, 504])
def test_transient_refusals_are_retried(x_client: XSearchClient, simulator: Simulator, status: int) -> None:
    """A refused request bought nothing, so the page is requested again; each request counts."""
    simulator.faults(failing(status, times=2))
    *_, last = x_client.pages(COFFEE)
    assert json.loads(last.cursor or "")["requests"] == len(pages(simulator)) + 2


def test_endless_429_is_an_error_that_says_so(simulator: Simulator) -> None:
    """The error contains X's message and its transaction id."""
    simulator.faults(failing(429, times=999))
    impatient = x_client_of(
        simulator, timing=replace(QUICK, retry=Retry(throttled_wait=0.05, throttled_for=0.3))
    )
    with pytest.raises(ThrottledError, match=r"fewer requests.*request [0-9a-f]{16}.*Exceeded rate limit"):
        everything(impatient)


def test_endless_503_is_an_error_that_says_so(x_client: XSearchClient, simulator: Simulator) -> None:
    """The error comes after the smallest window, with the vendor's advice."""
    simulator.faults(failing(503, times=999, message="Service Unavailable"))
    with pytest.raises(TransientError, match=r"overloaded.*6 hours.*OR.*Service Unavailable"):
        everything(x_client)
    assert pages(simulator) == []


def test_a_search_that_overloads_x_uses_smaller_windows(
    x_client: XSearchClient, simulator: Simulator
) -> None:
    """Windows are halved until X accepts them, and nothing is missing or paid for twice."""
    simulator.settings(x_longest_window_hours=48, x_posts_per_day=30)
    assert ids(everything(x_client)) == truth(simulator)
    assert len({(page["fromDate"], page["toDate"]) for page in pages(simulator)}) >= 16


@pytest.mark.slow
def test_windows_can_shrink_in_the_middle(x_client: XSearchClient, simulator: Simulator) -> None:
    """Earlier pages stay valid; at most the posts of one minute come twice."""
    batches = x_client.pages(COFFEE)
    first = next(batches)
    simulator.settings(x_longest_window_hours=100)
    rest = [record for batch in batches for record in batch.records]
    came = ids([*first.records, *rest])
    assert sorted(set(came), reverse=True) == sorted(truth(simulator), reverse=True)
    assert len(came) - len(set(came)) <= 5


def test_the_posts_of_one_minute_land_once_on_both_sides_of_a_pages_edge(
    x_client: XSearchClient, simulator: Simulator, tmp_path: Path
) -> None:
    """Where a window shrinks, the minute at the edge is searched again; no post is lost or doubled."""
    simulator.settings(x_posts_per_day=6_000)
    request = SearchRequest("coffee", Window(JANUARY.start, JANUARY.start.add(hours=12)))
    batches = x_client.pages(request)
    with SearchLanding(x_client, request).open(tmp_path, PartOptions("jsonl")) as landing:
        landing.write(next(batches))
        simulator.settings(x_longest_window_hours=7)
        for batch in batches:
            landing.write(batch)
        landed = landing.commit()
    lines = b"".join((tmp_path / part.name).read_bytes() for part in landed.parts).splitlines()
    assert ids(lines) == truth(simulator, "coffee", request.window)
    assert landed.duplicates_dropped > 0


@pytest.mark.parametrize("fault", ["drop", "lost_answer", "garbage"])
def test_a_lost_response_is_not_requested_again(
    x_client: XSearchClient, simulator: Simulator, fault: str
) -> None:
    """It may have been billed, so only the caller may request it again."""
    simulator.faults({"fault": fault})
    with pytest.raises((TransientError, UnexpectedResponseError)):
        everything(x_client)
    assert simulator.ledger()["counts"] == {"POST /search/{product}/accounts/{account}/{label}.json": 1}


def test_a_service_that_does_not_respond_is_abandoned(simulator: Simulator) -> None:
    """The client does not wait for ever, and requests nothing twice."""
    simulator.faults({"fault": "hang"})
    with pytest.raises(TransientError):
        everything(x_client_of(simulator, timing=replace(QUICK, search_response=0.3)))
    assert simulator.ledger()["counts"] == {"POST /search/{product}/accounts/{account}/{label}.json": 1}


ERROR_BODIES = ["error", "errors", "detail", "text", "plain", "html"]


@pytest.mark.parametrize("form", ERROR_BODIES)
@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (403, PermissionDeniedError, "check account, label"),
        (404, ConnectionConfigError, "check account, label"),
        (422, InvalidRequestError, "correct what the details say"),
    ],
)
def test_errors_in_every_layout_have_the_words_of_x(
    x_client: XSearchClient,
    simulator: Simulator,
    form: str,
    status: int,
    error: type[TwexportError],
    advice: str,
) -> None:
    """The layouts of all generations, plain text and HTML: X's own words, and the advice that fits."""
    simulator.settings(x_error_body=form)
    simulator.faults(failing(status, message="Stream prod is not yours"))
    with pytest.raises(error, match=advice) as raised:
        everything(x_client)
    assert "Stream prod is not yours" in str(raised.value)
    assert "proxy" not in str(raised.value)
    assert "<" not in str(raised.value)


def test_a_page_with_half_a_surrogate_pair_is_read(x_client: XSearchClient, simulator: Simulator) -> None:
    """Each such post comes byte for byte."""
    simulator.settings(x_odd_posts=3)
    records = everything(x_client)
    assert ids(records) == truth(simulator)
    assert any(b'"text":"\\ud83d ' in record for record in records)


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
@pytest.mark.slow
def test_what_cannot_be_read_of_a_page_is_kept_aside(
    x_client: XSearchClient, simulator: Simulator, tmp_path: Path, file_format: str
) -> None:
    """Null, texts, other encodings and broken JSON: one file, byte for byte, counted, also when the try is repeated."""
    simulator.settings(x_odd_results=5, x_odd_posts=5)
    search = SearchLanding(x_client, COFFEE)
    pages = x_client.pages(COFFEE)
    with search.open(tmp_path, PartOptions(file_format)) as landing:
        landing.write(next(pages))
    with search.open(tmp_path, PartOptions(file_format)) as landing:
        landed = search.land(landing)
    assert landed.results == len(truth(simulator))
    assert landed.unreadable is not None
    aside = (tmp_path / landed.unreadable.file).read_bytes()
    assert (len(aside.splitlines()), len(aside)) == (landed.unreadable.count, landed.unreadable.bytes)
    assert {b"null", b'"text"', b"7"} <= set(aside.splitlines())
    assert b'"text":"a "quote" in it"' in aside
    assert {path.name for path in tmp_path.iterdir()} == {
        "_manifest.json",
        landed.unreadable.file,
        *(part.name for part in landed.parts),
    }


def asked(simulator: Simulator) -> int:
    """Return how many searches were sent."""
    return sum(simulator.ledger()["counts"].values())


FULL = '{"results":[{"id":9,"created_at":"Wed Jan 31 12:00:05 +0000 2024"}],"next":"t"}'


@pytest.mark.parametrize(
    "page", [FULL, '{"results":[],"next":"t"}', '{"next":"t"}', '{"results":null,"next":"t"}']
)
def test_pages_that_bring_nothing_new_end_the_try(
    x_client: XSearchClient, simulator: Simulator, page: str
) -> None:
    """One page for ever: the second one in a row that brings nothing new is the last that is paid for."""
    simulator.faults({"fault": "garbage", "body": page, "times": None})
    with pytest.raises(IncompleteLandingError, match="bring nothing new"):
        everything(x_client)
    assert asked(simulator) == 3


@pytest.mark.parametrize("query", ["coffee", "tea", "milk"])
@pytest.mark.parametrize("bucket", ["hour", "day"])
@pytest.mark.slow
def test_counts_that_are_wrong_are_asked_on(
    x_client: XSearchClient,
    simulator: Simulator,
    tmp_path: Path,
    query: str,
    bucket: Any,
) -> None:
    """A bucket that is missing or repeated, no total, an early end: each bucket lands once, and the total is right."""
    window = Window(pendulum.datetime(2023, 11, 1), pendulum.datetime(2024, 2, 10))
    simulator.settings(x_odd_counts=0.7, x_counts_page_buckets=50)
    search = SearchLanding(x_client, SearchRequest(query, window, bucket))
    with search.open(tmp_path, PartOptions("jsonl")) as landing:
        landed = search.land(landing)
    buckets = int((window.stop - window.start).total_seconds() // (3600 if bucket == "hour" else 86400))
    assert (landed.results, landed.duplicates_dropped) == (buckets, 0)
    assert landed.estimated_total == len(truth(simulator, query, window))


def test_counts_that_stay_incomplete_are_an_error(x_client: XSearchClient, simulator: Simulator) -> None:
    """A bucket that never comes is not counted as none."""
    page = '{"results":[{"timePeriod":"202401310000","count":3},{"timePeriod":"202401290000","count":5}]}'
    simulator.faults({"fault": "garbage", "body": page, "times": None})
    with pytest.raises(IncompleteLandingError, match="202401310000"):
        everything(x_client, SearchRequest("coffee", JANUARY, "day"))
    assert asked(simulator) == 3


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (
            400,
            "There were errors processing your request: Invalid json, could not parse.",
            InvalidRequestError,
        ),
        (401, "Unauthorized", ConnectionConfigError),
        (401, "Unauthorized: Stream is not enabled for count requests", PermissionDeniedError),
        (404, "Not Found", ConnectionConfigError),
        (
            422,
            "There were errors processing your request: missing EOF at ')' (at position 51)",
            InvalidRequestError,
        ),
    ],
)
def test_refusals_contain_the_services_message(
    x_client: XSearchClient, simulator: Simulator, status: int, message: str, error: type[TwexportError]
) -> None:
    """An error contains X's message and transaction id; nothing is retried."""
    simulator.faults(failing(status, message=message))
    with pytest.raises(error) as raised:
        everything(x_client)
    evidence = raised.value.evidence
    assert evidence is not None
    assert (evidence.status, evidence.details) == (status, message)
    assert evidence.request_id is not None
    assert len(evidence.request_id) == 16
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("query", "window", "bucket", "words"),
    [
        ("is:retweet", JANUARY, None, "position 1"),
        ("coffee", Window(JANUARY.start.add(seconds=1), JANUARY.stop), None, "whole minute"),
        ("coffee", Window(JANUARY.start.add(hours=1), JANUARY.stop), "day", "whole day"),
        ("coffee", Window(pendulum.datetime(2006, 1, 1), JANUARY.stop), None, "first post"),
        ("coffee", JANUARY, "week", "bucket='week'"),
    ],
)
def test_an_invalid_search_is_refused_before_a_request(
    query: str, window: Window, bucket: Any, words: str
) -> None:
    """An invalid search costs no request."""
    with pytest.raises(InvalidRequestError, match=words):
        SearchRequest(query, window, bucket)


def test_windows_out_of_reach_are_refused_before_a_request(simulator: Simulator) -> None:
    """The 30-day product has 31 days, and no product has the future."""
    small = x_client_of(simulator, product="30day")
    with pytest.raises(InvalidRequestError, match="31 days"):
        everything(small)
    today = pendulum.today("UTC")
    with pytest.raises(InvalidRequestError, match="future"):
        everything(small, SearchRequest("coffee", Window(today, today.add(days=2))))
    assert simulator.ledger()["counts"] == {}


def test_a_query_error_is_one_of_ours() -> None:
    """An operator fails without a retry."""
    assert issubclass(QuerySyntaxError, InvalidRequestError)
