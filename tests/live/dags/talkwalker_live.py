"""The task group `talkwalker_export` for any window and scope, told by the run's configuration, with quick retries."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.sdk import DAG

from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export

PATH = os.environ.get("TWEXPORT_DESTINATION", "file:///tmp/twexport") + "/{{ dag.dag_id }}/{{ run_id }}"


def pipeline(
    dag_id: str, *, deferrable: bool = True, delete_collector: bool = True, **sensor_limits: object
) -> DAG:
    """Return a DAG that exports `conf["start"]` to `conf["stop"]` from a project, a stream or by a query."""
    default_args = {"retries": 2, "retry_delay": timedelta(seconds=1)}
    with DAG(
        dag_id, schedule=None, start_date=pendulum.datetime(2020, 1, 1), default_args=default_args
    ) as dag:
        talkwalker_export(
            "export",
            project_id="{{ dag_run.conf.get('project_id', '') }}",
            stream_id="{{ dag_run.conf.get('stream_id', '') }}",
            query="{{ dag_run.conf.get('query', '') }}",
            talkwalker_conn_id="{{ dag_run.conf.get('talkwalker_conn_id', 'talkwalker_default') }}",
            object_storage_path=PATH,
            poke_interval=1,
            deferrable=deferrable,
            max_part_bytes=10_000,
            delete_collector=delete_collector,
        )
    for name, limit in sensor_limits.items():
        setattr(dag.get_task("export.wait_for_export"), name, limit)
    return dag


live_export = pipeline("live_export")
live_twin = pipeline("live_twin", delete_collector=False)
live_copy = pipeline("live_copy", delete_collector=False)
live_poke = pipeline("live_poke", deferrable=False)
live_timeout = pipeline("live_timeout", timeout=10)
live_execution_timeout = pipeline("live_execution_timeout", execution_timeout=timedelta(seconds=10))
