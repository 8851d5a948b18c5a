"""Twelve months at once against an account that cannot pay for all: it keeps its floor to the credit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.live.year import Year
from tests.simulator_process import running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.stack import AirflowStack

pytestmark = pytest.mark.live

FLOOR, EACH = 2_000, 2_000
SHORT = (
    "--credits",
    "10000",
    "--results-per-day",
    "100",
    "--day-variation",
    "0",
    "--results-per-second",
    "null",
)


@pytest.fixture(scope="module")
def year(stack: AirflowStack, landing: Path) -> Iterator[Year]:
    """Return a year at 24,000 credits, ordered with 10,000 on the account, of which 2,000 must stay."""
    with running_simulator(*SHORT, "--reads-per-minute", "null") as talkwalker:
        ordered = Year(stack, talkwalker, landing, "floor")
        ordered.start(limit=EACH, min_credits_left=FLOOR)
        yield ordered


def test_exports_are_bought_down_to_the_floor_and_not_one_credit_further(year: Year) -> None:
    """Four months are bought and land; the other eight fail at once, with the numbers, and are not tried again."""
    assert year.wait_for_end() == "failed"
    assert year.credits == {
        "remaining": FLOOR,
        "charged_total": 4 * EACH,
        "charged_by_reason": {"export": 4 * EACH},
    }
    year.check_bought_and_landed_once(months=4)
    assert year.states_of("create_export") == {"success": 4, "failed": 8}
    for refused in year.tasks("failed"):
        assert refused["try_number"] == 1
        told = year.log(refused)
        # as a text before Airflow 3.3, in fields of its own since
        assert re.search(
            r'BudgetExceededError(: |", ?"exc_value": ?")The export may cost 2,000 credits, ', told
        )
        assert "and min_credits_left=2,000 must stay: " in told
        assert "Nothing was bought." in told


def test_after_a_top_up_only_the_rest_is_bought(year: Year) -> None:
    """Clearing what has failed buys the other eight months, and each of the twelve has landed once."""
    year.talkwalker.settings(credits=20_000)
    year.stack.api.clear_failed("live_year", year.run_id)
    assert year.wait_for_end() == "success"
    assert year.credits["remaining"] == 20_000 - 8 * EACH
    assert year.credits["charged_total"] == 12 * EACH
    year.check_bought_and_landed_once()
