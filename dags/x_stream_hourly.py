"""Land the Decahose, hour by hour, and then the gaps of each hour.

1. **capture** reads both partitions from one full hour to the next. It starts some seconds late, and requests those by
   Backfill, as it does whenever a connection ends or the task is retried.
2. **recover** requests from Recovery what Backfill could not bring, and lands it next to the capture, each post once.

Both manifests together hold the hour. A post near a full hour may be in two hours: keep one for each ``id``. Recovery
allows two requests at a time, so it has a pool: ``airflow pools set x_recovery 1 "X Recovery"``.
"""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_twexport.transfers.x_stream_recovery import XStreamRecoveryOperator
from airflow_provider_twexport.transfers.x_stream_to_object_storage import XStreamToObjectStorageOperator

DESTINATION = os.environ.get("TWEXPORT_DESTINATION", "file:///tmp/twexport")
HOUR = "{{ data_interval_end.strftime('year=%Y/month=%m/day=%d/hour=%H') }}"
CAPTURE = f"{DESTINATION}/x_stream_hourly/capture/{HOUR}"

with DAG(
    dag_id="x_stream_hourly",
    description="The Decahose of each hour, then its gaps.",
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=3,  # one hour is captured while the previous one is recovered
    default_args={"retries": 5, "retry_delay": timedelta(seconds=5)},  # backfill reaches back 5 minutes
    tags=["x", "stream"],
    doc_md=__doc__,
) as dag:
    capture = XStreamToObjectStorageOperator(
        task_id="capture",
        stream="decahose",
        start="{{ data_interval_end }}",
        duration=timedelta(seconds=float(os.environ.get("TWEXPORT_STREAM_SECONDS", "3600"))),
        object_storage_path=CAPTURE,
        outlets=[Asset("x_stream_hourly")],
    )
    recover = XStreamRecoveryOperator(
        task_id="recover",
        capture_path=CAPTURE,
        object_storage_path=f"{DESTINATION}/x_stream_hourly/recovered/{HOUR}",
        retry_delay=timedelta(minutes=5),
        pool="x_recovery",
    )
    capture >> recover
