"""Export the profiles that entered a segment of Adobe Experience Platform on each day, and land their files.

Each run orders a job for the profiles that qualified within its day, waits without a worker slot, and copies the files
of its batches byte for byte. A retry adopts the job that the run has ordered. To export another range, trigger the DAG
with ``{"start": "2024-01-01T00:00:00Z", "stop": "2024-01-15T00:00:00Z"}`` as configuration.
"""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_twexport.operators.adobe import AdobeCreateExportJobOperator
from airflow_provider_twexport.sensors.adobe import AdobeExportJobSensor
from airflow_provider_twexport.transfers.adobe_to_object_storage import AdobeToObjectStorageOperator

DESTINATION = os.environ.get("TWEXPORT_DESTINATION", "file:///tmp/twexport")
DATASET = os.environ.get("TWEXPORT_ADOBE_DATASET", "5b7c86968f7b6501e21ba9df")
SEGMENT = os.environ.get("TWEXPORT_ADOBE_SEGMENT", "52c26d0d-45f2-47a2-ab30-ed06abc981ff")
START, STOP = (
    f"((dag_run.conf or {{}}).get('{name}') or data_interval_{edge}) | string | replace(' ', 'T')"
    for edge, name in (("start", "start"), ("end", "stop"))
)

with DAG(
    dag_id="adobe_segment_export",
    description="Adobe profiles that entered a segment, landed day by day.",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=3,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    tags=["adobe", "export"],
    doc_md=__doc__,
) as dag:
    create = AdobeCreateExportJobOperator(
        task_id="create_export_job",
        destination={"datasetId": DATASET},
        filter={
            "segments": [{"segmentId": SEGMENT, "segmentNs": "ups", "status": ["realized"]}],
            "segmentQualificationTime": {
                "startTime": "{{ " + START + " }}",
                "endTime": "{{ " + STOP + " }}",
            },
        },
    )
    wait = AdobeExportJobSensor(
        task_id="wait_for_export_job",
        job_id=create.output["job_id"],
        deferrable=True,
        poke_interval=float(os.environ.get("TWEXPORT_POKE_SECONDS", "60")),
        timeout=timedelta(hours=12).total_seconds(),
    )
    land = AdobeToObjectStorageOperator(
        task_id="land_files",
        job_id=create.output["job_id"],
        object_storage_path=DESTINATION + "/adobe_segment_export/{{ " + "(" + START + ")[:10] }}",
        outlets=[Asset("adobe_segment_export")],
    )
    create >> wait >> land
