"""Follow a dataset export that Adobe Experience Platform runs each day, and check what it wrote to your own store.

The dataflow exists in Adobe, with a daily schedule; nothing here starts it. Each run finds the run of its day, waits
for it without a worker slot, compares the files with what Adobe counts, and writes ``_manifest.json`` beside them.
Nothing is copied. While Adobe has not started its run, the first task is tried again every ten minutes.
"""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_twexport.operators.adobe import AdobeRunDatasetExportOperator
from airflow_provider_twexport.sensors.adobe import AdobeDatasetExportSensor
from airflow_provider_twexport.transfers.adobe_dataset_export import AdobeRegisterDatasetExportOperator

# where the dataflow writes; Adobe adds DATASET_ID/exportTime=YYYYMMDDHHMM
DESTINATION = os.environ.get("TWEXPORT_ADOBE_DESTINATION", "s3://bucket/folder")
DATASET = os.environ.get("TWEXPORT_ADOBE_DATASET", "5b7c86968f7b6501e21ba9df")
DATAFLOW = os.environ.get("TWEXPORT_ADOBE_DATAFLOW", "eb54b3b3-3949-4f12-89c8-64eafaba858f")

with DAG(
    dag_id="adobe_dataset_export",
    description="Adobe's own daily export of a dataset, checked and with a manifest.",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=3,
    default_args={"retries": 12, "retry_delay": timedelta(minutes=10)},
    tags=["adobe", "export"],
    doc_md=__doc__,
) as dag:
    find = AdobeRunDatasetExportOperator(
        task_id="find_run", flow_id=DATAFLOW, start=False, since="{{ data_interval_end }}"
    )
    wait = AdobeDatasetExportSensor(
        task_id="wait_for_run",
        run_id=find.output["run_id"],
        deferrable=True,
        poke_interval=float(os.environ.get("TWEXPORT_POKE_SECONDS", "60")),
        timeout=timedelta(hours=12).total_seconds(),
    )
    register = AdobeRegisterDatasetExportOperator(
        task_id="register_files",
        run_id=find.output["run_id"],
        object_storage_path=(
            f"{DESTINATION}/{DATASET}/exportTime={{{{ data_interval_end.strftime('%Y%m%d%H%M') }}}}"
        ),
        outlets=[Asset("adobe_dataset_export")],
    )
    find >> wait >> register
