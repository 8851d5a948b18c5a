"""Searches: pages, counts, limits, the bill, and the words of refusals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
import requests

from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulator_process import Simulator

JANUARY = {"query": "coffee lang:en", "fromDate": "202401010000", "toDate": "202402010000"}
UNLIMITED = {"x_requests_per_minute": None, "x_requests_per_second": None}


@dataclass(frozen=True)
class Search:
    """The API through plain `requests`."""

    simulator: Simulator

    def ask(self, what: str = "prod", product: str = "fullarchive", **body: Any) -> requests.Response:
        """Ask for one page."""
        url = f"{self.simulator.url}/search/{product}/accounts/demo/{what}.json"
        return requests.post(url, json=body, auth=("demo@example.com", "demo-password"), timeout=PATIENCE)

    def pages(self, what: str = "prod", **body: Any) -> Iterator[dict[str, Any]]:
        """Ask for page after page."""
        page: dict[str, Any] = {"next": None}
        while "next" in page:
            response = self.ask(what, **body, **({"next": page["next"]} if page["next"] else {}))
            assert response.ok, response.text
            page = response.json()
            yield page


@pytest.fixture
def search(simulator: Simulator) -> Search:
    """A search API without rate limits."""
    simulator.settings(**UNLIMITED)
    return Search(simulator)


def post_ids(simulator: Simulator, **params: Any) -> list[str]:
    """Return the ids of all posts of a query in January 2024, the newest first."""
    window = {"start": 1_704_067_200_000, "stop": 1_706_745_600_000}
    response = requests.get(
        f"{simulator.url}/_control/x/posts", params={**window, **params}, timeout=PATIENCE
    )
    return [post["id"] for post in response.json()]


def test_pages_hold_every_post_once_newest_first(search: Search) -> None:
    """Pages of 500 end with one that has no token; ids are integers above 2 to the 53."""
    pages = list(search.pages(**JANUARY, maxResults="500"))
    posts = [post for page in pages for post in page["results"]]
    ids = [post["id"] for post in posts]
    assert [str(post_id) for post_id in ids] == post_ids(search.simulator, query=JANUARY["query"])
    assert all(newer > older > 2**53 for newer, older in pairwise(ids))
    assert [len(page["results"]) for page in pages[:-1]] == [500] * (len(pages) - 1)
    assert pages[0]["requestParameters"] == {
        "maxResults": 500,
        "fromDate": "202401010000",
        "toDate": "202402010000",
    }


def test_a_page_ends_after_31_days(search: Search) -> None:
    """The pages of a wide window cover 31 days each, even if they are far from full."""
    search.simulator.settings(x_posts_per_day=1)
    body = {"query": "rare", "fromDate": "202301010000", "toDate": "202401010000", "maxResults": 500}
    assert len(list(search.pages(**body))) == 12
    search.simulator.settings(x_posts_per_day=0)
    assert [len(page["results"]) for page in search.pages(**body)] == [0] * 12


def test_a_token_returns_the_same_page_again_and_is_billed_again(search: Search) -> None:
    """A token never expires, and is valid for its query and window only."""
    token = search.ask(**JANUARY).json()["next"]
    again = [search.ask(**JANUARY, next=token).json()["results"] for _ in range(2)]
    assert again[0] == again[1]
    assert search.simulator.ledger()["x"]["billed"] == {"fullarchive data": 3}
    assert search.ask(**{**JANUARY, "query": "tea"}, next=token).status_code == 422
    assert search.ask(**{**JANUARY, "toDate": "202403010000"}, next=token).status_code == 422


def test_page_edges_may_repeat_a_post(search: Search) -> None:
    """A switch repeats the last post of a page as the first of the next one."""
    search.simulator.settings(x_repeat_at_edges=True)
    first, second, *_ = search.pages(**JANUARY, maxResults=500)
    assert first["results"][-1]["id"] == second["results"][0]["id"]


@pytest.mark.parametrize(
    ("bucket", "periods"),
    [("day", 31), ("hour", 744), pytest.param("minute", 44_640, marks=pytest.mark.slow)],
)
def test_counts_count_the_posts(search: Search, bucket: str, periods: int) -> None:
    """Buckets are contiguous, the newest first, and their sum is the number of posts."""
    (page,) = search.pages("prod/counts", **JANUARY, bucket=bucket)
    assert len(page["results"]) == periods
    assert page["totalCount"] == sum(bucket["count"] for bucket in page["results"])
    assert page["totalCount"] == len(post_ids(search.simulator, query=JANUARY["query"]))
    assert page["results"][-1]["timePeriod"] == "202401010000"


def test_pages_of_counts_end_after_31_days_too(search: Search) -> None:
    """A year of days is twelve pages, or more (a switch), and no bucket is split."""
    year = {"query": "coffee", "fromDate": "202301010000", "toDate": "202401011200", "bucket": "day"}
    pages = list(search.pages("prod/counts", **year))
    periods = [bucket["timePeriod"] for page in pages for bucket in page["results"]]
    assert (len(pages), len(periods), len(set(periods))) == (12, 365, 365)
    search.simulator.settings(x_counts_page_buckets=10, x_counts_order="ascending")
    assert sorted(
        bucket["timePeriod"] for page in search.pages("prod/counts", **year) for bucket in page["results"]
    ) == (sorted(periods))


def test_a_request_without_dates_means_thirty_days(search: Search) -> None:
    """The response shows the window that it covers: thirty days, from midnight."""
    echoed = search.ask(query="coffee").json()["requestParameters"]
    assert echoed["fromDate"].endswith("0000")
    assert echoed["maxResults"] == 100


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("(coffee OR tea) is:verified", None),
        ('"black coffee"~3 -is:nullcast -(tea OR milk) from:42', None),
        ('point_radius:[-70.6 -33.4 10mi] place:"New York" #café 😀', None),
        ("is:retweet", "is/has/lang cannot be used as a standalone operator (at position 1)"),
        ("coffee OR (lang:en has:links)", "cannot be used as a standalone operator (at position 12)"),
        ("coffee bio:tea", "Reference to invalid operator 'bio'"),
        ("coffee is:nullcast", "Reference to invalid operator 'is:nullcast'"),
        ("coffee and tea", "Ambiguous use of and as a keyword"),
        ("coffee)", "missing EOF at ')' (at position 7)"),
        ("(coffee", "Missing closing parenthesis (at position 1)"),
        ("[coffee", "no viable alternative at input '[' (at position 1)"),
        ('coffee "tea', "no viable alternative at character '\"' (at position 8)"),
        ("coffee OR", "no viable alternative at input '<EOF>' (at position 10)"),
        (
            "-coffee",
            "Rules must contain a non-negation term (at position 1), "
            "Rules must contain at least one positive, non-stopword clause (at position 1)",
        ),
        ("coffee OR -tea", "non-stopword clause (at position 11)"),
        ("a" * 2049, "2048"),
    ],
)
def test_queries_are_refused_in_the_vendors_words(search: Search, query: str, words: str | None) -> None:
    """The response is 422 with the problem and its position; nothing is billed."""
    response = search.ask(**{**JANUARY, "query": query})
    if words is None:
        assert response.ok, response.text
        return
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["message"].startswith("There were errors processing your request: ")
    assert words in error["message"]
    assert len(error["transactionId"]) == 16
    assert search.simulator.ledger()["x"]["billed"] == {}


@pytest.mark.parametrize(
    ("what", "changes", "status", "words"),
    [
        ("prod", {"fromDate": "2024-01-01"}, 422, "Invalid date format for query parameter 'fromDate'"),
        ("prod", {"fromDate": "202403010000"}, 422, "Invalid date for query parameter 'fromDate'"),
        ("prod", {"fromDate": "200001010000"}, 422, "Invalid date for query parameter 'fromDate'"),
        ("prod", {"toDate": "209901010000"}, 422, "'toDate'. Can't ask for activities from the future."),
        ("prod", {"maxResults": 501}, 422, "maxResults"),
        ("prod", {"bucket": "day"}, 404, "bucket"),
        ("prod/counts", {"maxResults": 100}, 404, "maxResults"),
        ("Prod", {}, 404, "Not Found"),
        ("data-only/counts", {}, 401, "Unauthorized: Stream is not enabled for count requests"),
    ],
)
def test_other_refusals(search: Search, what: str, changes: dict[str, Any], status: int, words: str) -> None:
    """Invalid dates, sizes, parameters and labels are refused, and counts for an account without them."""
    response = search.ask(what, **{**JANUARY, **changes})
    assert (response.status_code, words in response.json()["error"]["message"]) == (status, True)


def test_thirty_days_reach_back_31_days(search: Search) -> None:
    """The product `30day` has no archive."""
    assert search.ask(product="30day", query="coffee").ok
    assert search.ask(product="30day", **JANUARY).status_code == 422


def test_get_returns_the_same_as_post(search: Search) -> None:
    """The parameters may be in the query string."""
    url = f"{search.simulator.url}/search/fullarchive/accounts/demo/prod.json"
    response = requests.get(url, params=JANUARY, auth=("demo@example.com", "demo-password"), timeout=PATIENCE)
    assert response.json() == search.ask(**JANUARY).json()


def test_wrong_credentials(search: Search) -> None:
    """The response is 401 in the same envelope."""
    url = f"{search.simulator.url}/search/fullarchive/accounts/demo/prod.json"
    response = requests.post(url, json=JANUARY, auth=("demo@example.com", "wrong"), timeout=PATIENCE)
    assert (response.status_code, response.json()["error"]["message"]) == (401, "Unauthorized")


def test_rate_limits_are_shared_by_data_and_counts(search: Search) -> None:
    """Each product allows so many in a minute; then the response is 429 until time has passed."""
    search.simulator.settings(x_requests_per_minute=2)
    statuses = [search.ask(what, **JANUARY).status_code for what in ("prod", "prod/counts", "prod")]
    assert statuses == [200, 200, 429]
    assert search.ask(product="30day", query="coffee").ok
    search.simulator.advance(61)
    assert search.ask(**JANUARY).ok


def test_a_wide_window_may_be_too_much(search: Search) -> None:
    """With a switch, the response to windows that are too long is 503."""
    search.simulator.settings(x_longest_window_hours=24)
    assert search.ask(**JANUARY).status_code == 503
    assert search.ask(**{**JANUARY, "toDate": "202401020000"}).ok


def test_usage_is_free_and_limited(search: Search) -> None:
    """It shows the requests of the month by product; two calls a minute are allowed."""
    search.ask(**JANUARY)
    url = f"{search.simulator.url}/metrics/usage/accounts/demo.json"
    responses = [
        requests.get(url, auth=("demo@example.com", "demo-password"), timeout=PATIENCE) for _ in range(3)
    ]
    assert [response.status_code for response in responses] == [200, 200, 429]
    assert responses[0].json()["publishers"][0]["used"][0]["searchRequestsFullArchive"] == 1
    assert search.simulator.ledger()["x"]["billed"] == {"fullarchive data": 1}


def test_usage_is_of_whole_days(search: Search) -> None:
    """The first day counts from midnight; with a last day, today does not count."""
    search.ask(**JANUARY)
    now = pendulum.from_timestamp(search.simulator.control("time")["now"], tz="UTC")
    end_of_day, tomorrow = now.format("YYYYMMDD2359"), now.add(days=1).format("YYYYMMDDHHmm")
    url = f"{search.simulator.url}/metrics/usage/accounts/demo.json"
    counted = [
        requests.get(url, auth=("demo@example.com", "demo-password"), params=edges, timeout=PATIENCE).json()[
            "publishers"
        ][0]["used"][-1]["searchRequestsFullArchive"]
        for edges in ({"fromDate": end_of_day}, {"fromDate": end_of_day, "toDate": tomorrow})
    ]
    assert counted == [1, 0]
