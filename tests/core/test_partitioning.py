"""Directories that a lake can prune by."""

from __future__ import annotations

import pendulum
import pytest

from airflow_provider_twexport.core.partitioning import partition_path
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import InvalidRequestError

MARCH = Window(pendulum.datetime(2024, 3, 1), pendulum.datetime(2024, 4, 1))
NOON = Window(pendulum.datetime(2024, 3, 9, 12), pendulum.datetime(2024, 3, 9, 13))


@pytest.mark.parametrize(
    ("window", "partition_by", "path"),
    [
        (MARCH, "month", "year=2024/month=03"),
        (MARCH, "day", "year=2024/month=03/day=01"),
        (NOON, "hour", "year=2024/month=03/day=09/hour=12"),
        (Window(pendulum.datetime(2024, 1, 1), MARCH.start), "year", "year=2024"),
    ],
)
def test_names_the_parts_of_the_start(window: Window, partition_by: str, path: str) -> None:
    """Every engine reads `key=value` directories as columns."""
    assert partition_path(window, partition_by) == path


@pytest.mark.parametrize(("window", "partition_by"), [(MARCH, "year"), (NOON, "day"), (MARCH, "week")])
def test_refuses_what_would_put_two_windows_in_one_place(window: Window, partition_by: str) -> None:
    """A window that begins within a part would land where another one belongs."""
    with pytest.raises(InvalidRequestError, match="partition_by"):
        partition_path(window, partition_by)
