"""What has landed of which day."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.coverage.coverage import (
    DayState,
    LandedSpan,
    Series,
    coverage,
    landed_span,
    table,
)
from tests.counting_calls import calls_in
from tests.talkwalker.planning.landed import Manifest

NEW_YEAR = pendulum.datetime(2024, 1, 1)


def days(first: float, last: float) -> Window:
    """The time between two days of January, counted from 0; they may be broken."""
    return Window(NEW_YEAR.add(minutes=round(first * 1440)), NEW_YEAR.add(minutes=round(last * 1440)))


def span(first: float, last: float, export_id: str = "e1", results: int = 100, **more: Any) -> LandedSpan:
    """A landing of the demo project."""
    return LandedSpan(days(first, last), "demo", export_id, results, **more)


def states(*landings: LandedSpan, within: Window | None = None) -> list[str]:
    """The states of the only track's days."""
    (covered,) = coverage(landings, within)
    return [str(day.state) for day in covered.days]


def test_days_are_landed_truncated_partial_or_missing() -> None:
    """Each day tells how much of it is there."""
    landings = [
        span(0, 2),
        span(3, 4, "e2", truncated=True),
        span(4, 5, "e3", complete=False),
        span(5, 5.5, "e4"),
    ]
    assert states(*landings, within=days(0, 7)) == [
        "landed",
        "landed",
        "missing",
        "truncated",
        "partial",
        "partial",
        "missing",
    ]


def test_parts_of_a_day_add_up() -> None:
    """Two landings that touch within a day cover it, and it was not bought twice."""
    (covered,) = coverage([span(0, 0.5, results=10), span(0.5, 2, "e2", results=60)])
    assert [(day.state, day.results, day.bought_twice) for day in covered.days] == [
        (DayState.LANDED, 30, False),
        (DayState.LANDED, 40, False),
    ]
    assert covered.days[0].export_ids == ("e1", "e2")


def test_days_add_up_to_what_landed() -> None:
    """However the results of a landing fall on its days, none is lost or made up by rounding."""
    (covered,) = coverage([span(0, 31, results=1_000), span(31, 60, "e2", results=999)])
    assert sum(day.results for day in covered.days) == 1_999


def test_overlapping_exports_were_bought_twice() -> None:
    """Days that two exports hold were paid twice; the same export landed in two places was not."""
    (covered,) = coverage([span(0, 3), span(2, 4, "e2"), span(0, 1)])
    assert [day.bought_twice for day in covered.days] == [False, False, True, False]
    assert covered.counts == {
        "missing": 0,
        "unlanded": 0,
        "partial": 0,
        "truncated": 0,
        "landed": 4,
        "bought_twice": 1,
        "copied": 3,
    }


def test_a_truncated_landing_is_whole_once_its_rest_has_landed() -> None:
    """Days of a rest are landed, the others when all of it is; neither was bought twice, not even in two steps."""
    whole = span(0, 6, results=100, truncated=True, owner="T")
    first = span(1, 2, "e2", owner="A", remainder_of=("T",), remainder_windows=2)
    second = span(4, 6, "e3", owner="B", remainder_of=("T",), remainder_windows=2)
    assert states(whole) == ["truncated"] * 6
    assert states(whole, first) == ["truncated", "landed", *["truncated"] * 4]
    again = replace(second, truncated=True)
    assert states(whole, first, again)[4:] == ["truncated"] * 2
    third = span(5, 6, "e4", owner="C", remainder_of=("T", "B"), remainder_windows=1)
    for landings in ([whole, first, second], [whole, first, again, third]):
        assert states(*landings) == ["landed"] * 6
        (covered,) = coverage(landings)
        assert covered.counts["bought_twice"] == 0
    stranger = span(1, 2, "e5", owner="X")
    (covered,) = coverage([whole, first, second, stranger])
    assert covered.counts["bought_twice"] == 1


def test_what_was_bought_but_not_landed_is_told() -> None:
    """An export that has not landed covers nothing, but buying its time once more is buying twice."""
    bought = span(0, 2, "e1", results=0, complete=False)
    (covered,) = coverage([bought, span(1, 2, "e2")])
    assert [(str(day.state), day.bought_twice) for day in covered.days] == [
        ("unlanded", False),
        ("landed", True),
    ]


def test_a_hole_shows_though_the_rest_was_bought_twice() -> None:
    """Bought twice is told beside the state, not in its place."""
    (covered,) = coverage([span(0, 0.5), span(0, 0.5, "e2")], days(0, 1))
    assert [(day.state, day.share, day.bought_twice) for day in covered.days] == [
        (DayState.PARTIAL, 0.5, True)
    ]


def test_topics_are_series_of_their_own() -> None:
    """A topic is covered by landings of it and of the whole project; both together were bought twice."""
    all_series = coverage(
        [span(0, 1, topics=("a", "b")), span(0, 2, "e2"), span(2, 3, "e3", topics=("b",))], days(0, 3)
    )
    found = {covered.series.topic: covered for covered in all_series}
    assert list(found) == ["*", "a", "b"]
    assert [str(day.state) for day in found["*"].days] == ["landed", "landed", "missing"]
    assert [str(day.state) for day in found["a"].days] == ["landed", "landed", "missing"]
    assert [str(day.state) for day in found["b"].days] == ["landed", "landed", "landed"]
    assert [day.bought_twice for day in found["b"].days] == [True, False, False]


def test_queries_and_scopes_do_not_cover_each_other() -> None:
    """What was landed of one query says nothing of another."""
    all_series = coverage(
        [span(0, 1), span(0, 1, "e2", query="cats"), replace(span(0, 1, "e3"), scope="other")]
    )
    assert [covered.series for covered in all_series] == [
        Series("demo"),
        Series("demo", query="cats"),
        Series("other"),
    ]
    assert not any(day.bought_twice for covered in all_series for day in covered.days)


def test_nothing_is_missing_before_the_first_landing_of_a_query() -> None:
    """Nor behind the last; but the topics of a scope are told of for the same days."""
    all_series = coverage(
        [span(0, 2, topics=("a",)), span(1, 3, "e2", topics=("b",)), span(9, 10, "e3", query="cats")]
    )
    found = {(covered.series.topic, covered.series.query): covered for covered in all_series}
    assert [str(day.state) for day in found["a", ""].days] == ["landed", "landed", "missing"]
    assert [str(day.state) for day in found["b", ""].days] == ["missing", "landed", "landed"]
    assert [str(day.state) for day in found["*", "cats"].days] == ["landed"]


@given(st.lists(st.tuples(st.integers(0, 239), st.integers(1, 100)), min_size=1, max_size=8))
def test_every_hour_counts(spans: list[tuple[int, int]]) -> None:
    """The share of a day is the share of its hours that something holds; twice is where two exports hold one."""
    landings = [span(at / 24, (at + length) / 24, f"e{n}") for n, (at, length) in enumerate(spans)]
    (covered,) = coverage(landings, days(0, 15))
    for number, day in enumerate(covered.days):
        holders = [
            sum(at <= hour < at + length for at, length in spans)
            for hour in range(24 * number, 24 * number + 24)
        ]
        assert round(day.share * 24) == sum(count > 0 for count in holders)
        assert day.bought_twice == any(count > 1 for count in holders)


def test_a_span_is_read_from_a_manifest() -> None:
    """Scope, topics and query come from the source; a landing of no scope is one of its own."""
    window = {"start": "2024-01-01T00:00:00Z", "stop": "2024-01-02T00:00:00Z"}
    source = {"owner": "twx-demo", "export_id": "e1", "window": window}
    assert landed_span(Manifest(source)) == LandedSpan(days(0, 1), "twx-demo", "e1", 7, owner="twx-demo")
    span = landed_span(Manifest(source | {"scope": "p", "topics": ["a"], "query": "cats"}))
    assert span == LandedSpan(days(0, 1), "p", "e1", 7, topics=("a",), query="cats", owner="twx-demo")
    remainder = landed_span(Manifest(source | {"remainder_of": ["twx-whole"], "remainder_windows": 3}))
    assert remainder is not None
    assert (remainder.remainder_of, remainder.remainder_windows) == (("twx-whole",), 3)
    assert landed_span(Manifest({"owner": "box", "window": None})) is None


def test_what_was_published_after_a_landing_is_not_landed() -> None:
    """A window that ended in the future is covered up to the landing; one that had not begun is not."""
    source = {
        "owner": "twx-demo",
        "window": {"start": "2024-01-01T00:00:00Z", "stop": "2024-01-05T00:00:00Z"},
    }
    landed = landed_span(Manifest(source, created_at="2024-01-02T00:00:00+00:00"))
    assert landed is not None
    assert landed.window == days(0, 1)
    assert landed_span(Manifest(source, created_at="2023-12-31T00:00:00+00:00")) is None


def test_nothing_landed_is_no_series() -> None:
    """Without landings there is nothing to tell."""
    assert coverage([]) == []


def test_table_and_json() -> None:
    """People read runs of days, scripts each day."""
    all_series = coverage([span(0, 2), span(3, 4, "e2"), span(3, 4, "e3")])
    assert [line.split("  ")[0] for line in table(all_series).splitlines()[1:]] == [
        "[2024-01-01T00:00Z, 2024-01-03T00:00Z)",
        "[2024-01-03T00:00Z, 2024-01-04T00:00Z)",
        "[2024-01-04T00:00Z, 2024-01-05T00:00Z)",
    ]
    (document,) = json.loads(json.dumps([covered.to_json() for covered in all_series]))
    assert document["counts"]["bought_twice"] == 1
    assert [day["results"] for day in document["days"]] == [50, 50, 0, 200]


def test_twice_the_landings_are_twice_the_work() -> None:
    """Not four times: each landing is compared with those of its days, and not with all."""

    def cover_hours(days: int) -> None:
        hours = Window(NEW_YEAR, NEW_YEAR.add(days=days)).cut("hour")
        (covered,) = coverage([LandedSpan(hour, "demo", f"e{n}", 5) for n, hour in enumerate(hours)])
        assert covered.counts["landed"] == days

    assert calls_in(lambda: cover_hours(40)) < 2.5 * calls_in(lambda: cover_hours(20))


def test_a_copied_landing_counts_once_and_is_marked() -> None:
    """A directory that was copied holds the same export; that is no second purchase."""
    copied = [span(0, 2, owner="box"), span(0, 2, owner="box"), span(2, 3, "e2", owner="other")]
    (covered,) = coverage(copied)
    assert [(str(day.state), day.results, day.copied, day.bought_twice) for day in covered.days] == [
        ("landed", 50, True, False),
        ("landed", 50, True, False),
        ("landed", 100, False, False),
    ]
    assert covered.counts["copied"] == 2
    assert "landed=" in table([covered])
    assert "= marks what landed in several directories from one export; it counts once." in table([covered])
    assert "=" not in table(coverage(copied[1:]))


def test_of_copies_the_one_that_holds_most_counts() -> None:
    """One was copied while it landed."""
    (covered,) = coverage([span(0, 1, results=10, complete=False), span(0, 1, results=100)])
    assert [(str(day.state), day.results) for day in covered.days] == [("landed", 100)]


def test_what_broke_off_does_not_count_beside_the_whole() -> None:
    """185 results of an aborted export and 2,400 of the whole window are 2,400, wherever the two landed."""
    part = span(0, 1, "aborted", 185, complete=False, owner="box")
    whole = span(0, 1, "finished", 2_400, owner="box")
    (covered,) = coverage([part, whole])
    assert [(str(day.state), day.results, day.export_ids) for day in covered.days] == [
        ("landed", 2_400, ("finished",))
    ]
    (alone,) = coverage([part])
    assert [(str(day.state), day.results) for day in alone.days] == [("partial", 185)]


@pytest.mark.slow
def test_three_thousand_copies_of_a_month_take_no_longer_than_their_number() -> None:
    """Twice as many take about twice as long, and so do overlapping remainders."""

    def copies(number: int) -> list[LandedSpan]:
        return [span(0, 31, owner="box") for _ in range(number)]

    def truncated(number: int) -> list[LandedSpan]:
        return [span(0, 31, f"e-{it}", owner=f"box-{it}", truncated=True) for it in range(number)]

    assert calls_in(lambda: coverage(copies(200))) < 2.5 * calls_in(lambda: coverage(copies(100)))
    assert calls_in(lambda: coverage(truncated(200))) < 2.5 * calls_in(lambda: coverage(truncated(100)))


def test_what_a_whole_export_covers_is_not_truncated() -> None:
    """A truncated landing has no remainder where another export has all of its time."""
    cut = span(0, 3, truncated=True, owner="cut")
    assert states(cut, span(0, 2, "e2", owner="whole")) == ["landed", "landed", "truncated"]
    assert states(cut, span(0, 1.5, "e2", owner="whole")) == ["landed", "truncated", "truncated"]
