"""Credits as the service may tell them: a number, no limit, or nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pendulum
import pytest

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import BudgetExceededError, UnexpectedResponseError
from airflow_provider_twexport.talkwalker.models import UNLIMITED, Credits, ExportOrder, credits_text
from airflow_provider_twexport.talkwalker.planning.plan import plan
from airflow_provider_twexport.talkwalker.planning.plan_table import table
from airflow_provider_twexport.talkwalker.purchasing.budget import Budget, check_budget

NOW = pendulum.datetime(2024, 6, 1)
JANUARY = Window(pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 2, 1))
MONTHLY, ONETIME = "remaining_credits_monthly", "remaining_credits_onetime"


@pytest.mark.parametrize(
    ("body", "remaining", "text"),
    [
        ({MONTHLY: 5_000, ONETIME: 500}, 5_500, "5,500"),
        ({MONTHLY: "5000"}, 5_000, "5,000"),
        ({MONTHLY: 0, ONETIME: None}, 0, "0"),
        ({MONTHLY: -1, ONETIME: 0}, UNLIMITED, "unlimited"),
        ({MONTHLY: "Unlimited"}, UNLIMITED, "unlimited"),
        ({MONTHLY: -200, ONETIME: 0}, -200, "-200"),
        ({}, None, "not told by the service"),
        ({MONTHLY: None, ONETIME: ""}, None, "not told by the service"),
    ],
)
def test_credits_are_said_as_they_are_told(body: dict[str, Any], remaining: float | None, text: str) -> None:
    """An account without a limit is not one of -1 credits, and an unknown number is not 0."""
    told = Credits.from_json(body).remaining
    assert told == remaining
    assert credits_text(told) == text


def test_what_is_no_number_is_refused() -> None:
    """The error names the field and what was there."""
    with pytest.raises(UnexpectedResponseError, match="remaining_credits_monthly='many'"):
        Credits.from_json({MONTHLY: "many"})


@pytest.mark.parametrize(("balance", "text"), [(UNLIMITED, "unlimited"), (None, "not told by the service")])
def test_a_plan_says_so(balance: float | None, text: str) -> None:
    """In the table and in JSON, whose numbers are null then."""
    found = plan(ExportOrder(JANUARY, query="coffee"), [(JANUARY, 500)], exports=[], balance=balance, now=NOW)
    assert f"Balance: {text}." in table(found)
    assert text in table(found).splitlines()[1]
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (document["balance"], document["windows"][0]["balance_after"]) == (None, None)
    assert (document["balance_text"], document["balance_after_text"]) == (text, text)


@dataclass(frozen=True)
class Account:
    """An account without exports."""

    body: dict[str, Any]

    def get_credits(self) -> Credits:
        """What it tells."""
        return Credits.from_json(self.body)

    def list_exports(self, collector_id: str | None = None) -> list[Any]:
        """No exports."""
        return []

    def list_collectors(self) -> list[Any]:
        """No collectors."""
        return []


def test_a_budget_keeps_to_what_is_told() -> None:
    """What must be left is surely left without a limit, and surely not kept where nobody knows what is left."""
    budget = Budget(min_credits_left=1_000)
    unlimited: Any = Account({MONTHLY: -1})
    assert check_budget(unlimited, budget, 500, NOW).to_come() == 0
    unknown: Any = Account({})
    with pytest.raises(BudgetExceededError, match="not told by the service"):
        check_budget(unknown, budget, 500, NOW)
