"""Buy a range of the past from Talkwalker, after counting what it costs.

1. **estimate** counts what the range would bring (10 credits a request), and stops if that is over the budget.
2. **approve** waits for a person, if the price is above the threshold: *Required Actions* in the task and on the home
   page. Rejecting buys nothing and ends the run.
3. **window** exports and lands each part of the range, a few at a time.
4. **estimate_remainder**, if *More matches than the limit* is `split`, counts what exports that met their limit left
   out; **approve_remainder** waits for a person, if the price of the whole run is above the threshold; **remainder**
   exports and lands it, without the results that have landed.
5. **report** shows what has landed, and fails if anything is missing. Trigger the DAG again with the same range to get
   only that.

Whatever was bought or landed before, by this DAG or another, is not paid again.

``TWEXPORT_NOTIFY`` names e-mail addresses that get each question, and a mail if a run has not ended six days after it
was queued: Talkwalker forgets results after seven. ``TWEXPORT_APPROVERS`` names who may answer.
"""

from __future__ import annotations

import os
from datetime import timedelta

from airflow import __version__
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Param, task, task_group
from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference

from airflow_provider_twexport.operators.talkwalker import TalkwalkerEstimateExportOperator
from airflow_provider_twexport.operators.talkwalker_coverage import TalkwalkerCheckCoverageOperator
from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export
from airflow_provider_twexport.telemetry.deadlines import report_late_run

DESTINATION = os.environ.get("TWEXPORT_DESTINATION", "file:///tmp/twexport")
AT_ONCE = int(os.environ.get("TWEXPORT_WINDOWS_AT_ONCE", "4"))
# Airflow's scheduler checks every task of a run in each of its loops, and more would take it too long: docs/scale.md
MAX_WINDOWS = 400
# a pool that includes deferred tasks limits the windows that are bought and have not landed yet
POOL = os.environ.get("TWEXPORT_POOL", "default_pool")

# a question that nobody answers fails then, and nothing is bought
ANSWER_WITHIN = timedelta(hours=float(os.environ.get("TWEXPORT_ANSWER_HOURS", "72")))
# ids of the Airflow users who may answer, with commas; empty: whoever may edit the run's tasks
APPROVERS = [it.strip() for it in os.environ.get("TWEXPORT_APPROVERS", "").split(",") if it.strip()]
# e-mail addresses, with commas, that hear of questions and late runs through the connection smtp_default
NOTIFY = [it.strip() for it in os.environ.get("TWEXPORT_NOTIFY", "").split(",") if it.strip()]

AIRFLOW_3_1 = __version__.startswith("3.1.")
ASKING = {
    # the operators that come with Airflow 3.1 know no other limit
    "execution_timeout" if AIRFLOW_3_1 else "response_timeout": ANSWER_WITHIN,
    # they check the run's form while the DAG is parsed, when nobody has filled it in; the run's own dates replace these
    "params": {"start": "2024-01-01", "stop": "2024-01-02"} if AIRFLOW_3_1 else None,
    "assigned_users": [{"id": it, "name": it} for it in APPROVERS] or None,
    "notifiers": [
        SmtpNotifier(
            to=NOTIFY,
            subject="{{ task.subject }}",
            html_content="Run {{ run_id }} of {{ ti.dag_id }} asks in Airflow, under Required Actions. "
            f"Without an answer within {ANSWER_WITHIN}, it fails and buys nothing.",
        )
    ]
    if NOTIFY
    else [],
}
LATE = "What it has bought and not landed is lost seven days after it was ordered."
# without an address there is none: Airflow's `dags test` and DAG.test cannot run a DAG that has a deadline (3.3.2)
DEADLINE = (
    DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(days=6),
        callback=AsyncCallback(report_late_run, {"text": LATE, "to": NOTIFY}),
    )
    if NOTIFY
    else None
)

WHAT, HOW, MONEY = "What", "How", "Money"
OPTIONAL_TEXT, OPTIONAL_NUMBER = ["null", "string"], ["null", "integer"]
QUESTION = "Buy exports for {{ '{:,}'.format(ti.xcom_pull(task_ids='%s', key='plan').credits) }} credits?"
# Airflow's page joins the lines of a code block, so it gets a table of its own
PRICE = """\
{%% set plan = ti.xcom_pull(task_ids='%s', key='plan') -%%}
**{{ '{:,}'.format(plan.credits) }} credits** for {{ plan.todo }} windows.
Credits on the account: {{ plan.balance_text }}, after buying: {{ plan.balance_after_text }}. {{ plan.uncertainty }}

{%% if plan.windows -%%}
| window, in UTC | state | expected | credits | balance after |
|---|---|---:|---:|---:|
{%% for it in plan.windows -%%}
{%% set expected = '?' if it.expected is none else '{:,}'.format(it.expected) -%%}
| {{ it.start }} to {{ it.stop }} | {{ it.state }} | {{ expected }} | {{ '{:,}'.format(it.credits) -}}
{{ ' |' }} {{ plan.balance_text if it.balance_after is none else '{:,}'.format(it.balance_after) }} |
{%% endfor %%}
{%%- else -%%}
The table of all windows is in the log.
{%%- endif %%}
"""


def left_of_budget(context, jinja_env=None) -> int | None:
    """Return the budget of the remainder: what this run has spent, by the count, is no longer left; None: no limit."""
    budget = context["params"]["max_credits"]
    if budget is None:
        return None
    spent = context["ti"].xcom_pull(task_ids="estimate", key="plan")["credits"]
    return max(0, budget - spent)


with DAG(
    dag_id="talkwalker_backfill",
    description="A range of the past: estimated, approved, exported and landed once.",
    schedule=None,
    deadline=DEADLINE,
    max_active_runs=4,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    tags=["talkwalker", "export", "backfill"],
    doc_md=__doc__,
    params={
        "start": Param(
            type="string",
            format="date",
            title="From",
            description="First day, in UTC.",
            section=WHAT,
        ),
        "stop": Param(
            type="string",
            format="date",
            title="Until",
            description="The day after the last, in UTC.",
            section=WHAT,
        ),
        "query": Param(
            '"coffee" AND lang:en',
            type=OPTIONAL_TEXT,
            title="Query",
            description="In Talkwalker's query language. May be empty for a project or stream.",
            section=WHAT,
        ),
        "project_id": Param(
            None,
            type=OPTIONAL_TEXT,
            title="Project",
            description="Id of the project. Empty: the connection's, unless there is a stream.",
            section=WHAT,
        ),
        "stream_id": Param(
            None,
            type=OPTIONAL_TEXT,
            title="Stream",
            description="Id of a stream, in place of a project. Uncountable: each window is priced at its limit.",
            section=WHAT,
        ),
        "topics": Param(
            [],
            type=["null", "array"],
            title="Topics",
            description="Topic ids of the project, one a line. Empty: all.",
            section=WHAT,
        ),
        "split": Param(
            "auto",
            type="string",
            enum=["auto", "month", "week", "day", "hour"],
            title="Split by",
            description_md="One export for each. `auto` makes as few as stay below the limit.",
            section=HOW,
        ),
        "on_truncated": Param(
            "warn",
            type="string",
            enum=["warn", "split"],
            title="More matches than the limit",
            description_md="`warn` leaves them out and says so; `split` buys each day that lacks some once more, "
            "completely, and lands what is new.",
            section=HOW,
        ),
        "limit": Param(
            100_000,
            type="integer",
            minimum=1,
            maximum=1_000_000,
            title="Results in an export, at most",
            description="More matches than that are not exported. The limit is part of an export's identity: with "
            "another limit, what was bought is not found again.",
            section=HOW,
        ),
        "destination": Param(
            f"{DESTINATION}/talkwalker_backfill",
            type="string",
            minLength=1,
            title="Destination",
            description_md="Directory on any storage, like `s3://bucket/talkwalker`. Each window lands in one below.",
            section=HOW,
        ),
        "destination_conn_id": Param(
            None,
            type=OPTIONAL_TEXT,
            title="Connection of the destination",
            description="Airflow connection id. Empty: none is needed.",
            section=HOW,
        ),
        "buy_expired": Param(
            False,
            type="boolean",
            title="Buy lost results again",
            description="What was bought, but has not landed and can no longer be read, is left out unless this is on.",
            section=MONEY,
        ),
        "approve_above": Param(
            5_000,
            type="integer",
            minimum=0,
            title="Ask a person above, credits",
            description="If the exports cost more than this by the count, somebody must approve them.",
            section=MONEY,
        ),
        "max_credits": Param(
            None,
            type=OPTIONAL_NUMBER,
            minimum=0,
            title="Budget of this run, credits",
            description="If the exports cost more than this by the count, nothing is bought. Empty: no limit.",
            section=MONEY,
        ),
        "min_credits_left": Param(
            None,
            type=OPTIONAL_NUMBER,
            minimum=0,
            title="Credits to leave on the account",
            description="Checked before each export, too, as if it met its limit. Empty: no limit.",
            section=MONEY,
        ),
    },
) as dag:
    scope = {name: dag.param(name) for name in ("query", "project_id", "stream_id", "topics")}
    place = {
        "object_storage_path": dag.param("destination"),
        "object_storage_conn_id": dag.param("destination_conn_id"),
    }
    whole = {
        "start": dag.param("start"),
        "stop": dag.param("stop"),
        "limit": dag.param("limit"),
        **scope,
        **place,
    }
    planning = {
        "max_windows": MAX_WINDOWS,
        "split": dag.param("split"),
        "on_truncated": dag.param("on_truncated"),
        "buy_expired": dag.param("buy_expired"),
        "min_credits_left": dag.param("min_credits_left"),
        **whole,
    }

    estimate = TalkwalkerEstimateExportOperator(
        task_id="estimate", max_credits=dag.param("max_credits"), **planning
    )

    @task.branch
    def needs_approval(ti=None, params=None) -> str:
        """Ask a person if the price is above the threshold."""
        price = ti.xcom_pull(task_ids="estimate", key="plan")["credits"]
        return "approve" if price > params["approve_above"] else "buy"

    approve = ApprovalOperator(
        task_id="approve",
        subject=QUESTION % "estimate",
        body=PRICE % "estimate",
        ignore_downstream_trigger_rules=True,
        # Airflow 3.3.2 may fail a task that is answered the moment it asks; it then asks again
        retry_delay=timedelta(seconds=5),
        **ASKING,
    )
    buy = EmptyOperator(task_id="buy", trigger_rule="none_failed_min_one_success")

    @task_group
    def window(start, stop, limit, if_exists, object_storage_path) -> None:
        """Export and land one window."""
        talkwalker_export(
            "export",
            start=start,
            stop=stop,
            limit=limit,
            if_exists=if_exists,
            object_storage_path=object_storage_path,
            object_storage_conn_id=dag.param("destination_conn_id"),
            min_credits_left=dag.param("min_credits_left"),
            ledger_path="{{ params.destination.rstrip('/') }}/_ledger",
            poke_interval=float(os.environ.get("TWEXPORT_POKE_SECONDS", "30")),
            default_args={
                "pool": POOL,
                "max_active_tis_per_dagrun": AT_ONCE,
                # what is bought lands before more is bought
                "weight_rule": "upstream",
            },
            **scope,
        )

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def is_remainder_wanted(params=None) -> bool:
        """Continue only if what is beyond the limit is to be bought."""
        return bool(params["on_truncated"] == "split")

    estimate_remainder = TalkwalkerEstimateExportOperator(
        task_id="estimate_remainder", max_credits=left_of_budget, **planning
    )

    @task.branch
    def remainder_needs_approval(ti=None, params=None) -> str:
        """Ask a person if the remainder makes the run cost more than the threshold."""
        first, remainder = (
            ti.xcom_pull(task_ids=it, key="plan")["credits"] for it in ("estimate", "estimate_remainder")
        )
        return (
            "approve_remainder"
            if remainder and first + remainder > params["approve_above"]
            else "buy_remainder"
        )

    approve_remainder = ApprovalOperator(
        task_id="approve_remainder",
        subject=QUESTION % "estimate_remainder",
        body=PRICE % "estimate_remainder",
        # what has landed is reported in any case
        ignore_downstream_trigger_rules=False,
        retry_delay=timedelta(seconds=5),
        **ASKING,
    )
    buy_remainder = EmptyOperator(task_id="buy_remainder", trigger_rule="none_failed_min_one_success")

    report = TalkwalkerCheckCoverageOperator(
        task_id="report",
        on_truncated=dag.param("on_truncated"),
        trigger_rule="all_done",
        retries=0,
        **whole,
    )

    windows = window.expand_kwargs(estimate.output)
    remainder = window.override(group_id="remainder").expand_kwargs(estimate_remainder.output)
    estimate >> needs_approval() >> [approve, buy]
    (
        approve
        >> buy
        >> windows
        >> is_remainder_wanted()
        >> estimate_remainder
        >> remainder_needs_approval()
        >> [approve_remainder, buy_remainder]
    )
    approve_remainder >> buy_remainder >> remainder >> report
    windows >> report
