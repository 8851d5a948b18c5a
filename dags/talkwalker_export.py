"""Export each month from Talkwalker and land it in object storage, one directory a month.

Scheduled monthly and backfillable: a backfill of past months makes the same runs, and months that were bought before
are adopted, not paid for again. To export another range, trigger the DAG with ``{"start": "2024-01-01", "stop":
"2024-01-15"}`` as configuration. Each landing is an event of the asset ``talkwalker_export``.

With ``TWEXPORT_NOTIFY``, a run that has not ended six days after it was queued misses its deadline, and a mail says so:
Talkwalker forgets results after seven.
"""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset
from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export
from airflow_provider_twexport.telemetry.deadlines import report_late_run

DESTINATION = os.environ.get("TWEXPORT_DESTINATION", "file:///tmp/twexport")
# e-mail addresses, with commas, that hear of late runs through the connection smtp_default
NOTIFY = [it.strip() for it in os.environ.get("TWEXPORT_NOTIFY", "").split(",") if it.strip()]
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
START = "((dag_run.conf or {}).get('start') or data_interval_start) | string"

with DAG(
    dag_id="talkwalker_export",
    description="Talkwalker results of each month, landed once.",
    schedule=CronDataIntervalTimetable("0 0 1 * *", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    deadline=DEADLINE,
    max_active_runs=3,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    tags=["talkwalker", "export"],
    doc_md=__doc__,
) as dag:
    talkwalker_export(
        "export",
        query='"coffee" AND lang:en',
        limit=100_000,
        object_storage_path=DESTINATION + "/talkwalker_export/{{ (" + START + ")[:10] }}",
        ledger_path=DESTINATION + "/talkwalker_export/_ledger",
        outlets=[Asset("talkwalker_export")],
        poke_interval=float(os.environ.get("TWEXPORT_POKE_SECONDS", "30")),
    )
