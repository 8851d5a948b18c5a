"""What a budget refuses fails at once, unless the task's retry policy says otherwise (Airflow 3.3 and newer)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import airflow.sdk
import pytest
from airflow.sdk import DAG

from airflow_provider_twexport.exceptions import BudgetExceededError, TransientError
from airflow_provider_twexport.operators.talkwalker import (
    TalkwalkerCreateCollectorOperator,
    TalkwalkerCreateExportOperator,
)
from airflow_provider_twexport.transfers.x_search_to_object_storage import XSearchToObjectStorageOperator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "x_connection", "quick_timing")
HAS_POLICIES = hasattr(airflow.sdk, "RetryPolicy")
needs_policies = pytest.mark.skipif(not HAS_POLICIES, reason="Airflow has retry policies from 3.3 on.")

RETRIES = {"retries": 3, "retry_delay": timedelta(0)}


def two_orders(**default_args: Any) -> DAG:
    """Return a DAG whose first order uses up the day's budget."""
    with DAG("ordering", schedule=None, default_args=RETRIES | default_args) as dag:
        before = None
        for name, day in (("first", 1), ("second", 2)):
            window = {"start": f"2024-01-0{day}", "stop": f"2024-01-0{day + 1}", "limit": 10}
            collector: Any = TalkwalkerCreateCollectorOperator(task_id=f"box_{name}", **window)
            order = TalkwalkerCreateExportOperator(
                task_id=name, collector_id=collector.output, max_credits_per_day=15, **window
            )
            if before:
                before >> order
            before = order
    return dag


def test_a_budget_error_fails_at_once(run_dag: DagRunner) -> None:
    """Whatever Airflow it is: the next try would be refused as well."""
    run = run_dag(two_orders())
    assert (run.states["first"], run.states["second"], run.tries["second"]) == ("success", "failed", 1)
    assert "BudgetExceededError" in run.log
    assert "max_credits_per_day=15" in run.log


@needs_policies
def test_try_tomorrow(run_dag: DagRunner, simulator: Simulator) -> None:
    """A policy that knows the error retries; on the next day, the order is possible."""

    class Tomorrow(airflow.sdk.RetryPolicy):
        """Lets a day pass, in place of a delay of one."""

        def evaluate(self, exception: BaseException, *_: Any, **__: Any) -> Any:
            if not isinstance(exception, BudgetExceededError):
                return airflow.sdk.RetryDecision.default()
            simulator.control("time", {"offset_seconds": 86_400})
            return airflow.sdk.RetryDecision.retry(timedelta(0), "the day's budget is used up: try tomorrow")

    run = run_dag(two_orders(retry_policy=Tomorrow()))
    assert (run.state, run.tries["second"]) == ("success", 2), run.log
    assert len(simulator.ledger()["exports"]) == 2


@needs_policies
def test_a_policy_that_does_not_know_the_error_leaves_it_to_ours(run_dag: DagRunner, tmp_path: Path) -> None:
    """A policy for other errors, as of a whole company, does not make budget errors retry; a search is alike."""
    rule = airflow.sdk.RetryRule(TransientError, airflow.sdk.RetryAction.RETRY, timedelta(0))
    policy = airflow.sdk.ExceptionRetryPolicy([rule])
    run = run_dag(two_orders(retry_policy=policy))
    assert (run.states["second"], run.tries["second"]) == ("failed", 1)
    with DAG("searching", schedule=None, default_args=RETRIES | {"retry_policy": policy}) as dag:
        XSearchToObjectStorageOperator(
            task_id="search",
            query="coffee",
            start="2024-01-01",
            stop="2024-02-01",
            max_requests=1,
            object_storage_path=f"file://{tmp_path}",
        )
    run = run_dag(dag)
    assert (run.states["search"], run.tries["search"]) == ("failed", 1)
    assert "RequestBudgetExceededError" in run.log


@needs_policies
def test_mapped_orders_have_the_policy_too(run_dag: DagRunner) -> None:
    """Airflow makes the operators of a mapped task anew."""
    with DAG("mapped", schedule=None, default_args=RETRIES) as dag:
        TalkwalkerCreateExportOperator.partial(
            task_id="order", collector_id="box", max_credits=5, max_credits_per_run=1, limit=10
        ).expand_kwargs([{"start": "2024-01-01", "stop": "2024-01-02"}])
    run = run_dag(dag)
    assert (run.states["order"], run.tries["order"]) == ("failed", 1)
