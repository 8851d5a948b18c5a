"""What X reports about an account's usage."""

from __future__ import annotations

import pytest

from airflow_provider_twexport.x import usage


def test_the_latest_month_is_the_sum_of_its_days_and_publishers() -> None:
    """Days of earlier months do not count; a publisher that was not used hides no other."""
    report = {
        "publishers": [
            {"type": "another", "used": [{"timePeriod": "202406010000", "activities": 0}]},
            {
                "type": "twitter",
                "used": [
                    {"timePeriod": "202405310000", "activities": 100, "searchRequests30Day": 9},
                    {"timePeriod": "202406010000", "activities": 20, "searchRequests30Day": 1},
                    {"timePeriod": "202406020000", "activities": 3, "searchRequests30Day": 0},
                ],
            },
        ]
    }
    assert usage.latest_month(report) == ("2024-06", {"activities": 23, "searchRequests30Day": 1})


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ({}, (None, {})),
        ({"publishers": "none"}, (None, {})),
        ({"publishers": [None, {"used": ["none"]}]}, (None, {})),
        ({"publishers": [{"used": [{"activities": 3}]}]}, (None, {"activities": 3})),
        (
            {"publishers": [{"used": [{"timePeriod": 202406010000, "activities": "3", "jobs": [1]}]}]},
            ("2024-06", {"activities": 3}),
        ),
        (
            {"publishers": [{"used": [{"timePeriod": "20241301", "activities": 3}]}]},
            (None, {"activities": 3}),
        ),
    ],
)
def test_the_latest_month_takes_only_numbers(
    report: dict[str, object], expected: tuple[str | None, dict[str, int]]
) -> None:
    """What is missing or of another type is not counted."""
    assert usage.latest_month(report) == expected


def test_a_period_that_is_not_a_day_is_none() -> None:
    """Its counts are returned nevertheless."""
    used = [{"timePeriod": "soon", "activities": 3}, {"timePeriod": "202406020000", "activities": 4}]
    report = {"publishers": [{"products": [{"type": "PowerTrack", "used": used}]}]}
    assert [(row["period"], row["activities"]) for row in usage.rows(report)] == [
        (None, 3),
        ("2024-06-02", 4),
    ]
