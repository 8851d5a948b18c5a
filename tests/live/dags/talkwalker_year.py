"""The twelve months of a year, all at once, through the task group `talkwalker_export`."""

from __future__ import annotations

import os
from datetime import timedelta
from itertools import pairwise

import pendulum
from airflow.sdk import DAG, task, task_group

from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export

PATH = os.environ.get("TWEXPORT_DESTINATION", "file:///tmp/twexport") + "/{{ dag.dag_id }}/{{ run_id }}"


def floor(context, jinja_env=None) -> int | None:
    """Return what must be left on the account: an empty text would be refused as a budget, and None is none."""
    return context["dag_run"].conf.get("min_credits_left")


with DAG(
    "live_year",
    schedule=None,
    start_date=pendulum.datetime(2020, 1, 1),
    default_args={"retries": 9, "retry_delay": timedelta(seconds=1)},
):

    @task
    def months(dag_run=None) -> list[dict[str, str]]:
        """Return the windows of the year that the run was told."""
        first = pendulum.datetime(dag_run.conf["year"], 1, 1)
        edges = [first.add(months=number).to_iso8601_string() for number in range(13)]
        return [{"start": start, "stop": stop} for start, stop in pairwise(edges)]

    @task_group
    def month(start, stop) -> None:
        """Export and land one month."""
        talkwalker_export(
            "export",
            start=start,
            stop=stop,
            limit="{{ dag_run.conf['limit'] }}",
            min_credits_left=floor,
            object_storage_path=PATH,
            partition_by="month",
            poke_interval=1,
            max_part_bytes=100_000,
            talkwalker_conn_id="{{ dag_run.conf['talkwalker_conn_id'] }}",
        )

    month.expand_kwargs(months())
