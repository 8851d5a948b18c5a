"""The ten lines of the README as they are, and once more in all ways in which people use them."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import airflow.sdk
import pendulum
from airflow.sdk import DAG, Asset, AssetAlias, Param, TaskGroup, task, task_group
from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export
from airflow_provider_twexport.telemetry.deadlines import report_late_run

README = Path(__file__).resolve().parents[3] / "README.md"
LAKE = os.environ.get("TWEXPORT_DESTINATION", "file:///tmp/twexport") + "/ten_lines"
HAS_PARTITIONS = hasattr(airflow.sdk, "CronPartitionTimetable")
HAS_KEYS = hasattr(airflow.sdk, "PartitionedAtRuntime")

(TEN_LINES,) = re.findall(
    r"```python\n(import pendulum.*?talkwalker_export\(.*?)```", README.read_text(), re.S
)
exec(TEN_LINES.replace("s3://lake", LAKE))  # noqa: S102 - it is our own README

# the scheduler starts no run of its own after that
EPOCH, END = pendulum.datetime(2020, 1, 1), pendulum.datetime(2024, 3, 1)
DEFAULT_ARGS = {"retries": 3, "retry_delay": timedelta(seconds=1), "poke_interval": 1, "limit": 500}
FIELDS = ("start", "stop", "query", "project_id", "stream_id", "topics")
WINDOWS = [{"start": f"2021-05-0{day}", "stop": f"2021-05-0{day + 1}"} for day in (1, 2)]
BY_DAY, BY_MONTH, DIRECTORIES = (Asset("ten_lines_days"), Asset("ten_lines_months"), AssetAlias("ten_lines"))

with DAG(
    "every_way",
    schedule=CronDataIntervalTimetable("0 0 1 * *", timezone="UTC"),
    start_date=EPOCH,
    end_date=END,
    default_args=DEFAULT_ARGS,
    render_template_as_native_obj=True,
    params={name: Param(None, type=["null", "string"]) for name in FIELDS},
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=2),
        callback=AsyncCallback(report_late_run, {"text": "It was to be late.", "to": ["team@example.com"]}),
    ),
):
    talkwalker_export(
        "export",
        object_storage_path=LAKE + "/form/{{ data_interval_start | ds }}",
        **{name: f"{{{{ params.{name} }}}}" for name in FIELDS},
    )
    with TaskGroup("outer"):

        @task_group
        def window(start, stop) -> None:
            """Export one day into an odd directory."""
            talkwalker_export(
                "export",
                start=start,
                stop=stop,
                query='"cold brew"',
                object_storage_path=LAKE + "/café #1",
                partition_by="day",
                outlets=[BY_DAY, DIRECTORIES],
                **({"asset_partitions": True} if HAS_KEYS else {}),
            )

        window.expand_kwargs(WINDOWS)

with DAG("reads_directories", schedule=[DIRECTORIES], start_date=EPOCH):

    @task
    def addresses(triggering_asset_events=None):
        """Return the addresses of what has landed."""
        return sorted(event.asset.uri for events in triggering_asset_events.values() for event in events)

    addresses()

with DAG("reads_days", schedule=[BY_DAY], start_date=EPOCH):
    task(task_id="read")(lambda: None)()

if HAS_PARTITIONS:
    from airflow.sdk import CronPartitionTimetable, PartitionedAssetTimetable

    with DAG(
        "partitioned",
        schedule=CronPartitionTimetable("0 0 1 * *", timezone="UTC", run_offset=-1),
        start_date=EPOCH,
        end_date=END,
        default_args=DEFAULT_ARGS,
    ):
        talkwalker_export(
            "export",
            query="months",
            partition_length=pendulum.duration(months=1),
            object_storage_path=LAKE + "/months",
            partition_by="month",
            outlets=BY_MONTH,
        )

    for name, asset in (("days", BY_DAY), ("months", BY_MONTH)):
        with DAG(
            f"reads_partitions_of_{name}", schedule=PartitionedAssetTimetable(assets=asset), start_date=EPOCH
        ):

            @task
            def key(dag_run=None):
                """Return the key of the run."""
                return dag_run.partition_key

            key()
