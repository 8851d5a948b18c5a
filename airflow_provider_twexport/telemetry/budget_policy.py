"""On Airflow 3.3 and newer, a task's retry policy decides whether what a budget refused is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from airflow_provider_twexport.exceptions import BudgetExceededError, InsufficientCreditsError

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context, RetryDecision, RetryPolicy

# another day, or after somebody has bought credits, the same order may be possible
BUDGET_ERRORS = (BudgetExceededError, InsufficientCreditsError)


class BudgetRetryPolicy:
    """Fails a task at once on a budget error, unless the task's own policy says what to do.

    It has the methods of Airflow's ``RetryPolicy``; as a subclass it would load that whenever a DAG is parsed.

    :param own: the policy that the user gave, if any; it decides on all other errors.
    """

    def __init__(self, own: RetryPolicy | None = None) -> None:
        self.own = own

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Return whether to retry."""
        from airflow.sdk import RetryAction, RetryDecision

        decision = RetryDecision.default()
        if self.own:
            decision = self.own.evaluate(exception, try_number, max_tries, context)
        if decision.action is RetryAction.DEFAULT and isinstance(exception, BUDGET_ERRORS):
            return RetryDecision.fail(f"{exception.kind}: a retry would be refused as well.")
        return decision

    def serialize(self) -> dict[str, Any]:
        """Return what to store of it: nothing, because only workers ask it."""
        return {}


def add_budget_policy(task: BaseOperator) -> None:
    """Let a task's retry policy decide on budget errors, where Airflow has retry policies."""
    if hasattr(task, "retry_policy"):
        task.retry_policy = cast("RetryPolicy", BudgetRetryPolicy(task.retry_policy))


def is_left_to_policy(task: BaseOperator, error: Exception) -> bool:
    """Return whether the retry policy of a task decides on an error."""
    return isinstance(error, BUDGET_ERRORS) and getattr(task, "retry_policy", None) is not None
