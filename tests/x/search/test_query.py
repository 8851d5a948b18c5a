"""Queries are checked before a request is spent on them."""

from __future__ import annotations

import pytest

from airflow_provider_twexport.exceptions import QuerySyntaxError
from airflow_provider_twexport.x.search.query import normalize

GOOD = [
    "coffee",
    "(coffee OR tea) is:verified lang:en",
    '"black coffee"~6 -is:nullcast -(tea OR milk) from:42 to:demo @demo #café $ABC 😀',
    'point_radius:[-70.6 -33.4 24.9mi] place:"New York City" place_country:CL has:geo',
    'bounding_box:[-70.7 -33.5 -70.4 -33.3] url:"https://example.com" profile_region:"New York"',
    "geo_bounding_box:[10 80 11.5 80.3] coffee",
    "retweets_of_user:demo has:videos -has:links",
    "(lang:en coffee) OR (lang:es café)",
    "señor-x or l'eau",
    "url_title:coffee bio_location:santiago",
    "a" * 2048,
    r'"say \"coffee\" twice" from:demo',
    r'coffee url:"a\"b"',
]
# the vendor's pages leave it open
DOUBTFUL = [
    "point_radius:[-70.6 -33.4 25mi]",
    "point_radius:[-70.6 -33.4 40.2336km]",
    "bounding_box:[0 -0.1809 0.3618 0.1809]",
    "bounding_box:[-70.6 -33.5 -70.3 -33.1382]",
    "coffee+tea",
    "AT&T",
]


@pytest.mark.parametrize("query", GOOD)
def test_good_queries_pass(query: str) -> None:
    """They are sent as they are."""
    assert normalize(query) == query


@pytest.mark.parametrize("query", DOUBTFUL)
def test_x_decides_where_its_pages_do_not(query: str, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong refusal blocks a user, and one by X costs nothing: the log says so."""
    assert normalize(query) == query
    assert "X decides whether it takes the query, and bills nothing if it refuses" in caplog.text


@pytest.mark.parametrize("query", GOOD)
def test_good_queries_have_no_warning(query: str, caplog: pytest.LogCaptureFixture) -> None:
    """Only doubts are logged."""
    normalize(query)
    assert caplog.text == ""


def test_lines_become_one() -> None:
    """A query may be written over several lines; its length counts without them."""
    assert normalize("  coffee\n   OR\ttea ") == "coffee OR tea"


@pytest.mark.parametrize(
    ("query", "position", "words"),
    [
        ("", 1, "no query"),
        ("a" * 2049, 2049, "2,049 characters"),
        ("coffee bio:tea", 8, "no operator bio:"),
        ("coffee url_contains:tea", 8, "no operator url_contains:"),
        ("coffee has:lang", 8, "no has:lang"),
        ("is:retweet", 1, "only narrow"),
        ("is:verified has:links", 1, "only narrow"),
        ("lang:en", 1, "only narrow"),
        ("coffee OR (lang:en has:links)", 12, "only narrow"),
        ("-is:retweet", 1, "only narrow"),
        ("-coffee", 1, "leave out"),
        ("coffee OR -tea", 11, "leave out"),
        ("-(coffee tea)", 1, "leave out"),
        ("coffee is:nullcast", 8, "-is:nullcast"),
        ("coffee (tea -is:nullcast)", 13, "outside of parentheses"),
        ("point_radius:[-70.6 -33.4 25.1mi]", 1, "below 25 mi"),
        ("bounding_box:[0 0 0.3 0.37]", 1, "21 by 26 mi"),
        ("coffee - tea", 8, "stands alone"),
        ("coffee + tea", 8, "stands alone"),
        ("+", 1, "stands alone"),
        (r'"coffee \"', 1, "quote is not closed"),
        ("point_radius:[-70.6 -33.4 41km]", 1, "below 25 mi"),
        ("coffee point_radius:[-70.6 -33.4 10]", 8, "with mi or km"),
        ("point_radius:[-190 -33.4 10mi]", 1, "-180"),
        ("bounding_box:[-71 -33.5 -70.4 -33.3]", 1, "35 by 14 mi"),
        ("bounding_box:[-70.4 -33.5 -70.7 -33.3]", 1, "west must be below east"),
        ("bounding_box:[-70.4 -33.5]", 1, "west south east north"),
        ('"coffee tea"~7', 1, "6 apart"),
        ("coffee AND tea", 8, "a space means AND"),
        ("(coffee", 1, "not closed"),
        ("coffee)", 7, "too many"),
        ('coffee "tea', 8, "quote is not closed"),
        ("coffee OR", 9, "missing"),
        ("OR coffee", 1, "missing"),
        ("coffee ()", 9, "missing"),
        ("[coffee]", 1, "not allowed here"),
    ],
)
def test_bad_queries_are_refused_with_the_position(query: str, position: int, words: str) -> None:
    """The error says what is wrong, where, and shows the place; it can be copied, as between processes."""
    with pytest.raises(QuerySyntaxError, match="query") as raised:
        normalize(query)
    assert words in str(raised.value)
    assert raised.value.facts == {"position": position}
