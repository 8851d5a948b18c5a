"""Arguments, perhaps rendered templates, and the values that they stand for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pendulum
import pytest

from airflow_provider_twexport.core.arguments import parse_moment
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
