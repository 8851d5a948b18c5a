"""Look every day for Talkwalker exports that were paid for and have not landed, and for collectors left behind.

Talkwalker keeps results for 7 days. What a pipeline did not land until then is paid for and lost, and nothing else
tells of it: the run that ordered it may have failed days ago.

1. **land** reads what can be read, in the order of the deadlines; that is free.
2. **delete** removes collectors that hold nothing unlanded that could be read.
3. **report** tells what is left, what it cost and until when it can be read. It fails if something is about to be lost.

By default nothing is changed: the first two only say in their logs what they would do. Set `TWEXPORT_JANITOR_ACTS` to
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
    description="Paid results that nobody has landed: told, landed before their deadline, and cleared away.",
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
            "elsewhere is taken for unlanded.",
        ),
        "destination": Param(
            f"{DESTINATION}/talkwalker_backfill",
            type="string",
            minLength=1,
            title="Land in",
            description="Below the destination of a backfill, its next estimate finds what has landed.",
        ),
        "storage_conn_id": Param(
            None,
            type=["null", "string"],
            title="Connection of these places",
            description="Airflow connection id. Empty: none is needed.",
        ),
        "dry_run": Param(
            not ACTS,
            type="boolean",
            title="Dry run",
            description="Say what would be done, and change nothing.",
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
    places = {
        "landed_paths": dag.param("landed_paths"),
        "object_storage_conn_id": dag.param("storage_conn_id"),
    }
    ledger_path = "{{ params.destination.rstrip('/') }}/_ledger"

    land = TalkwalkerLandOrphansOperator(
        task_id="land",
        object_storage_path=dag.param("destination"),
        only_tell="{{ params.dry_run or not params.land }}",
        ledger_path=ledger_path,
        **places,
    )
    delete = TalkwalkerDeleteOrphansOperator(
        task_id="delete",
        only_tell="{{ params.dry_run or not params.delete }}",
        ledger_path=ledger_path,
        # what could not be landed is not disposable, so the rest may go
        trigger_rule="all_done",
        **places,
    )
    report = TalkwalkerFindOrphansOperator(
        task_id="report", warn_hours=dag.param("warn_hours"), trigger_rule="all_done", **places
    )
    land >> delete >> report
