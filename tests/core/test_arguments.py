"""Arguments, perhaps rendered templates, and the values that they stand for."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pendulum
import pytest

from airflow_provider_twexport.core.arguments import (
    parse_budget,
    parse_choice,
    parse_flag,
    parse_int,
    parse_list,
    parse_moment,
    parse_required_text,
    parse_text,
)
from airflow_provider_twexport.exceptions import InvalidRequestError


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-31T23:00:00Z",
        "2024-02-01T00:00:00+01:00",
        "2024-01-31 23:00:00",
        datetime(2024, 1, 31, 23, tzinfo=UTC),
        datetime(2024, 1, 31, 23),  # noqa: DTZ001 - a naive one is what this is about
        pendulum.datetime(2024, 2, 1, tz="Europe/Madrid"),
    ],
)
def test_moments_are_read_in_utc(value: Any) -> None:
    """Every form means the same moment; without a zone it is UTC."""
    assert parse_moment(value) == pendulum.datetime(2024, 1, 31, 23)
    assert parse_moment(value).timezone_name == "UTC"


@pytest.mark.parametrize("value", ["", "None", "yesterday", "2024-13-01", 5, "12:00", "P1M"])
def test_what_is_not_a_moment_is_refused(value: Any) -> None:
    """A template that rendered to nothing is not a date."""
    with pytest.raises(InvalidRequestError, match="not a date"):
        parse_moment(value)


def test_a_date_is_its_first_moment() -> None:
    """As the text of the date is."""
    assert parse_moment(date(2024, 1, 31)) == parse_moment("2024-01-31") == pendulum.datetime(2024, 1, 31)


@pytest.mark.parametrize("empty", [None, "", " ", "None", "null"])
def test_what_rendered_to_nothing_is_no_argument(empty: str | None) -> None:
    """A form field that nobody filled in renders to one of these, and none is a query, a number or a list."""
    assert parse_text("query", empty) is None
    assert parse_int("limit", empty) is None
    assert parse_list(empty) == ()
    assert parse_flag("buy_expired", empty) is False
    with pytest.raises(InvalidRequestError, match=r"query=.* is empty"):
        parse_required_text("query", empty)


@pytest.mark.parametrize("empty", ["", " ", "None", "null"])
def test_an_empty_budget_is_refused(empty: str) -> None:
    """It is a template without a value, and would else mean that anything may be spent."""
    with pytest.raises(InvalidRequestError, match=r"an empty budget is no budget.* Nothing was bought"):
        parse_budget("max_credits", empty)
    assert parse_budget("max_credits", None) is None
    assert parse_budget("max_credits", " 5000 ") == 5_000


@pytest.mark.parametrize(
    ("value", "flag"), [(True, True), ("true", True), (" True ", True), (False, False), ("False", False)]
)
def test_a_flag_is_true_or_false(value: bool | str, flag: bool) -> None:
    """As a value or as a rendered text."""
    assert parse_flag("export_all_profiles", value) is flag


@pytest.mark.parametrize("value", ["yes", "0", 1, "{}", ["true"]])
def test_a_flag_is_not_true_because_something_is_there(value: object) -> None:
    """A guard that any text opens is none."""
    with pytest.raises(InvalidRequestError, match="neither true nor false"):
        parse_flag("export_all_profiles", value)


@pytest.mark.parametrize("value", ["1.5", 1.5, True, "1,000", ["1"], "a"])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    """A budget is never guessed."""
    with pytest.raises(InvalidRequestError, match=r"limit=.* is not a whole number"):
        parse_int("limit", value)


def test_lists_come_in_many_forms() -> None:
    """From Python, from a form, and from a native template; only the text of a Python list is refused."""
    assert parse_list("a, b,") == parse_list(["a", " b "]) == ("a", "b")
    assert parse_list(12) == parse_list([12]) == ("12",)
    with pytest.raises(InvalidRequestError, match="commas"):
        parse_list("['a', 'b']")
    with pytest.raises(InvalidRequestError, match="topics="):
        parse_list({"a": 1})  # type: ignore[arg-type]


def test_a_text_is_no_list() -> None:
    """A native template may render to anything."""
    assert parse_text("project_id", 12) == "12"
    with pytest.raises(InvalidRequestError, match=r"query=\[1\] is a list"):
        parse_text("query", [1])


def test_a_wrong_choice_names_the_right_ones() -> None:
    """It never acts as the default."""
    assert parse_choice("if_exists", " fail ", ("adopt", "fail")) == "fail"
    with pytest.raises(
        InvalidRequestError, match=r"if_exists='reuse' is unknown\. Choose one of adopt, fail"
    ):
        parse_choice("if_exists", "reuse", ("adopt", "fail"))
