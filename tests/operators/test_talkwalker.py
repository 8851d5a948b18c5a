"""The Talkwalker operators in a real Airflow, against the simulator."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG

from airflow_provider_twexport.operators.talkwalker import (
    TalkwalkerAbortExportOperator,
    TalkwalkerCreateCollectorOperator,
    TalkwalkerCreateExportOperator,
    TalkwalkerDeleteCollectorOperator,
)
from airflow_provider_twexport.talkwalker.purchasing.collector_names import is_helper
from tests.waiting import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

JANUARY = {"start": "2024-01-01", "stop": "2024-02-01"}
BUYING = ("if_exists", "max_credits", "min_credits_left", "max_credits_per_run", "max_credits_per_day")
RETRYING = {"retries": 2, "retry_delay": timedelta(0)}

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "quick_timing")


def ordering(dag_id: str = "ordering", collector_id: str | None = None, **order: Any) -> DAG:
    """Return a DAG that creates a collector and an export."""
    with DAG(dag_id, schedule=None, default_args=RETRYING) as dag:
        what = JANUARY | {"limit": 500} | order
        scope = {key: value for key, value in what.items() if key not in BUYING}
        collector = TalkwalkerCreateCollectorOperator(task_id="collector", collector_id=collector_id, **scope)
        TalkwalkerCreateExportOperator(task_id="export", collector_id=collector.output, **what)
    return dag


def calls(simulator: Simulator, method: str) -> list[str]:
    """Return the paths that were called with a method, without those of orders' notes to each other."""
    paths = [call["path"] for call in simulator.ledger()["requests"] if call["method"] == method]
    return [path for path in paths if not is_helper(path.rpartition("/")[2])]


def test_orders_and_tells_what_was_ordered(run_dag: DagRunner, simulator: Simulator) -> None:
    """The results are small dicts of ids; the collector is named by its content."""
    run = run_dag(ordering())
    assert run.state == "success"
    (export,) = simulator.ledger()["exports"]
    collector_id = run.results["collector"]
    assert collector_id.startswith("twx-11111111-2222-4333-8-20240101-20240201-")
    assert run.results["export"] == {
        "export_id": export["id"],
        "collector_id": collector_id,
        "start": "2024-01-01T00:00:00Z",
        "stop": "2024-02-01T00:00:00Z",
        "limit": 500,
        "adopted": False,
        "manifest": None,
    }


def test_the_same_order_from_another_dag_is_adopted(run_dag: DagRunner, simulator: Simulator) -> None:
    """A second run and a copied DAG find the collector and the export of the first, and pay nothing."""
    first = run_dag(ordering())
    for dag in (ordering(), ordering("copied")):
        again = run_dag(dag)
        assert again.results["export"] == first.results["export"] | {"adopted": True}
    assert simulator.ledger()["credits"]["charged_total"] == 500
    assert len(calls(simulator, "PUT")) == 1


def test_an_existing_collector_stays_as_it_is(run_dag: DagRunner, simulator: Simulator) -> None:
    """It is looked up before it is created."""
    run_dag(ordering(collector_id="mine"))
    run_dag(ordering(collector_id="mine"))
    assert calls(simulator, "PUT") == ["/api/v3/stream/c/mine"]


def test_adopting_for_a_collector_of_ones_own_name_warns(run_dag: DagRunner) -> None:
    """It is not known what an export into such a collector covers, so the log warns."""
    run_dag(ordering(collector_id="mine"))
    assert "it is not known whether export" in run_dag(ordering(collector_id="mine")).log


def test_a_lost_answer_and_a_retry_cost_once(run_dag: DagRunner, simulator: Simulator) -> None:
    """The order's answer is lost, then the service is out of order: the retry adopts."""
    listing = {"method": "GET", "path": "/tasks/export$"}
    simulator.faults({"match": {"method": "POST", "path": "/export$"}, "fault": "lost_answer"})
    simulator.faults({"match": listing, "skip": 2, "fault": "drop", "times": QUICK.retry.attempts})
    run = run_dag(ordering())
    assert (run.state, run.tries["export"], run.results["export"]["adopted"]) == ("success", 2, True)
    assert simulator.ledger()["credits"]["charged_total"] == 500
    assert len(simulator.ledger()["exports"]) == 1
    assert simulator.token not in run.log


def test_fail_fails_without_a_retry(run_dag: DagRunner, simulator: Simulator) -> None:
    """if_exists='fail' refuses what exists, once."""
    run_dag(ordering())
    run = run_dag(ordering(if_exists="fail"))
    assert (run.states["export"], run.tries["export"]) == ("failed", 1)
    assert "exists already" in run.log
    assert simulator.ledger()["credits"]["charged_total"] == 500


def test_recreate_pays_again_but_not_on_retries(run_dag: DagRunner, simulator: Simulator) -> None:
    """The first try of a recreation buys; when it breaks off right after, its retry adopts what it bought."""
    run_dag(ordering())
    listing = {"method": "GET", "path": "/tasks/export$"}
    simulator.faults({"match": listing, "skip": 3, "fault": "drop", "times": QUICK.retry.attempts})
    run = run_dag(ordering(if_exists="recreate"))
    assert run.tries["export"] == 2
    assert run.results["export"]["adopted"]
    assert simulator.ledger()["credits"]["charged_total"] == 1_000


def test_forgotten_results_say_how_to_buy_again(run_dag: DagRunner, simulator: Simulator) -> None:
    """After 7 days nothing is bought silently; the error says what is known of the landing."""
    simulator.control("time", {"offset_seconds": -8 * 86_400})
    run_dag(ordering())
    simulator.control("time", {"offset_seconds": 0})
    run = run_dag(ordering())
    assert (run.states["export"], run.tries["export"]) == ("failed", 1)
    assert "ResultsExpiredError" in run.log
    assert "_manifest.json" in run.log
    assert simulator.ledger()["credits"]["charged_total"] == 500


def test_max_credits_limits_the_price(run_dag: DagRunner, simulator: Simulator) -> None:
    """The order itself has this limit."""
    run = run_dag(ordering(max_credits=120))
    assert run.results["export"]["limit"] == 120
    assert simulator.ledger()["credits"]["charged_total"] == 120


def test_min_credits_left_is_kept(run_dag: DagRunner, simulator: Simulator) -> None:
    """Even if the export costs its limit, so much must be left; the error has the numbers."""
    simulator.settings(credits=1_000)
    run = run_dag(ordering(min_credits_left=501))
    assert (run.states["export"], run.tries["export"]) == ("failed", 1)
    assert (
        "may cost 500 credits, 1,000 are left, and min_credits_left=501 must stay: 1 are missing" in run.log
    )
    assert simulator.ledger()["exports"] == []
    assert run_dag(ordering(min_credits_left=500)).state == "success"


def ordering_months(**how: Any) -> DAG:
    """Return a DAG that orders each month of a year, in mapped tasks."""
    starts = [datetime(2023, month, 1, tzinfo=UTC) for month in range(1, 13)]
    months = [
        {"start": f"{start:%Y-%m-%d}", "stop": f"{stop:%Y-%m-%d}", "collector_id": f"twx-{start:%B}".lower()}
        for start, stop in itertools.pairwise([*starts, datetime(2024, 1, 1, tzinfo=UTC)])
    ]
    with DAG("ordering_months", schedule=None, default_args=RETRYING) as dag:
        collectors = TalkwalkerCreateCollectorOperator.partial(task_id="collector").expand_kwargs(months)
        exports = TalkwalkerCreateExportOperator.partial(task_id="export", limit=2_000, **how)
        collectors >> exports.expand_kwargs(months)
    return dag


def test_mapped_exports_are_bought_down_to_the_minimum(run_dag: DagRunner, simulator: Simulator) -> None:
    """The others fail with the numbers, at their first try; after a top-up a re-run buys only those."""
    simulator.settings(credits=10_000, queue_seconds=3600)
    run = run_dag(ordering_months(min_credits_left=0))
    assert run.state == "failed"
    assert (len(simulator.ledger()["exports"]), run.tries["export"]) == (5, 1)
    words = (
        "10,000 are left, of which 5 running exports may still use 10,000, and min_credits_left=0 must stay"
    )
    assert words in run.log
    simulator.settings(credits=24_000, queue_seconds=0)
    assert run_dag(ordering_months(min_credits_left=0)).state == "success"
    assert simulator.ledger()["credits"]["charged_total"] == 12 * 2_000


@pytest.mark.parametrize("budget", ["max_credits_per_run", "max_credits_per_day"])
def test_mapped_exports_keep_to_a_run_or_day(budget: str, run_dag: DagRunner, simulator: Simulator) -> None:
    """An ended export counts with its cost; the number may be a template."""
    run = run_dag(ordering_months(**{budget: "{{ 3 * 2_000 + 1 }}"}))
    assert (run.state, run.tries["export"]) == ("failed", 1)
    assert f"3 exports have cost 6,000 and may still cost 0, and {budget}=6,001: 1,999 are missing" in run.log
    assert simulator.ledger()["credits"]["charged_total"] == 6_000


BAD_INPUT: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("empty window", {"start": "2024-01-01", "stop": "2024-01-01"}, {}, "is empty"),
    ("no window", {"start": None, "stop": None}, {}, "CronDataIntervalTimetable"),
    ("no date", {"start": "January"}, {}, "'January' is not a date"),
    ("half a window", {"stop": None}, {}, "give both"),
    ("project and stream", {"project_id": "p", "stream_id": "s"}, {}, "choose one"),
    ("no query", {"project_id": ""}, {}, "Give a query, a project_id or a stream_id"),
    ("topics without project", {"stream_id": "s", "topics": ["t"]}, {}, "topics belong to a project"),
    ("collector id", {"collector_id": "My Collector"}, {}, "is not a collector id"),
    ("limit 0", {"limit": 0}, {}, "limit=0 is not between"),
    ("limit too high", {"limit": 1_000_001}, {}, "limit=1000001 is not between"),
    ("limit no number", {"limit": "many"}, {}, "limit='many' is not a whole number"),
    ("unknown project", {"project_id": "unknown"}, {}, "no access to this project"),
    ("unknown stream", {"stream_id": "unknown"}, {}, "no such stream"),
    *(
        (f"empty {name}", {name: "{{ '' }}"}, {}, f"{name}='' is empty, and an empty budget is no budget")
        for name in BUYING[1:]
    ),
    ("a budget of None", {"max_credits": "{{ none }}"}, {}, "max_credits='None' is empty"),
    ("bad query", {"query": '"unbalanced'}, {}, "cannot parse the query"),
    ("plain http", {}, {"host": "http://talkwalker.example.com"}, "clear text"),
    ("no token", {}, {"password": ""}, "no access token"),
    ("bad token", {}, {"password": "not-a-real-token"}, "access token is missing, wrong or inactive"),
    ("read-only token", {}, {"password": "demo-token-read-only"}, "lacks rights"),
]


@pytest.mark.parametrize(
    ("order", "connection", "words"), [pytest.param(*case, id=name) for name, *case in BAD_INPUT]
)
def test_bad_input_is_an_error_before_anything_is_bought(
    order: dict[str, Any],
    connection: dict[str, Any],
    words: str,
    run_dag: DagRunner,
    simulator: Simulator,
    talkwalker_connection: Callable[..., None],
) -> None:
    """Each mistake has its own sentence, is not retried, and costs nothing."""
    talkwalker_connection(**connection)
    run = run_dag(ordering(**order))
    assert run.state == "failed"
    assert max(run.tries.values()) == 1
    assert words in run.log
    assert simulator.ledger()["exports"] == []
    assert simulator.ledger()["credits"]["charged_total"] == 0


def test_no_credits_is_an_error_before_anything_is_bought(run_dag: DagRunner, simulator: Simulator) -> None:
    """The error of an empty account is not retried."""
    simulator.settings(credits=0)
    run = run_dag(ordering())
    assert (run.states["export"], run.tries["export"]) == ("failed", 1)
    assert "no credits left" in run.log


def test_abort_ends_an_export_and_leaves_an_ended_one_alone(run_dag: DagRunner, simulator: Simulator) -> None:
    """Aborting is for what runs; what has ended stays as it ended."""
    simulator.settings(queue_seconds=3600)
    with DAG("aborting", schedule=None) as dag:
        collector = TalkwalkerCreateCollectorOperator(task_id="collector", limit=500, **JANUARY)
        export: Any = TalkwalkerCreateExportOperator(
            task_id="export", collector_id=collector.output, limit=500, **JANUARY
        ).output
        abort = TalkwalkerAbortExportOperator(task_id="abort", export_id=export["export_id"])
        again = TalkwalkerAbortExportOperator(task_id="again", export_id=abort.output)
        delete = TalkwalkerDeleteCollectorOperator(task_id="delete", collector_id=collector.output)
        gone = TalkwalkerDeleteCollectorOperator(task_id="gone", collector_id=delete.output)
        again >> delete >> gone
    run = run_dag(dag)
    assert run.state == "success"
    assert [export["status"] for export in simulator.ledger()["exports"]] == ["aborted"]
    assert len([path for path in calls(simulator, "DELETE") if "/tasks/export/" in path]) == 1
