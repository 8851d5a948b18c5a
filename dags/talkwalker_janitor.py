"""Find every day the Talkwalker exports that were paid for and have not landed, and collectors that nobody needs.

Talkwalker keeps results for 7 days. What a pipeline did not land until then is paid for and lost, and nothing else
reports it: the run that ordered it may have failed days ago.

1. **land** reads what can be read, in the order of the deadlines; that is free.
2. **delete** deletes collectors that hold nothing unlanded that could be read.
3. **report** shows what is left, what it cost and until when it can be read. It fails if something is about to be lost.

By default nothing is changed: the first two only log what they would do. Set `TWEXPORT_JANITOR_ACTS` to
`true` for the scheduled runs, or fill in the form for one run. Exports of the last day are left alone, and collectors
that this package did not name are never touched.
"""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Param

from airflow_provider_twexport.operators.talkwalker_orphans import (
    TalkwalkerDeleteOrphansOperator,
    TalkwalkerFindOrphansOperator,
)
from airflow_provider_twexport.transfers.talkwalker_orphans import TalkwalkerLandOrphansOperator

DESTINATION = os.environ.get("TWEXPORT_DESTINATION", "file:///tmp/twexport")
ACTS = os.environ.get("TWEXPORT_JANITOR_ACTS", "false").lower() == "true"

with DAG(
    dag_id="talkwalker_janitor",
    description="Paid results that have not landed: reported, landed before their deadline, and cleaned up.",
    schedule="0 6 * * *",
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    tags=["talkwalker", "export"],
    doc_md=__doc__,
    params={
        "landed_paths": Param(
            [DESTINATION],
            type="array",
            items={"type": "string"},
            minItems=1,
            title="Landings",
            description="Directories below which your pipelines land, one a line. Name all of them: what landed "
            "elsewhere counts as unlanded.",
        ),
        "destination": Param(
            f"{DESTINATION}/talkwalker_backfill",
            type="string",
            minLength=1,
            title="Land in",
            description="The destination of a backfill is a good choice: its next estimate finds what landed there.",
        ),
        "storage_conn_id": Param(
            None,
            type=["null", "string"],
            title="Connection of these directories",
            description="Airflow connection id. Empty: none is needed.",
        ),
        "dry_run": Param(
            not ACTS,
            type="boolean",
            title="Dry run",
            description="Log what would be done, and change nothing.",
        ),
        "land": Param(
            True, type="boolean", title="Land", description="Land what was paid for and can be read; free."
        ),
        "delete": Param(
            True, type="boolean", title="Delete", description="Delete collectors that nobody needs any more."
        ),
        "warn_hours": Param(
            48,
            type="integer",
            minimum=0,
            maximum=168,
            title="Warn before the deadline, hours",
            description="The report fails if results can be read for less than this.",
        ),
    },
) as dag:
    landings = {
        "landed_paths": dag.param("landed_paths"),
        "object_storage_conn_id": dag.param("storage_conn_id"),
    }
    ledger_path = "{{ params.destination.rstrip('/') }}/_ledger"

    land = TalkwalkerLandOrphansOperator(
        task_id="land",
        object_storage_path=dag.param("destination"),
        log_only="{{ params.dry_run or not params.land }}",
        ledger_path=ledger_path,
        **landings,
    )
    delete = TalkwalkerDeleteOrphansOperator(
        task_id="delete",
        log_only="{{ params.dry_run or not params.delete }}",
        ledger_path=ledger_path,
        # what could not be landed is not disposable, so the others may be deleted
        trigger_rule="all_done",
        **landings,
    )
    report = TalkwalkerFindOrphansOperator(
        task_id="report", warn_hours=dag.param("warn_hours"), trigger_rule="all_done", **landings
    )
    land >> delete >> report
