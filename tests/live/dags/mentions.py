"""A pipeline that lands into an asset, and a DAG that runs when it has."""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, task

from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export

PATH = os.environ.get("TWEXPORT_DESTINATION", "file:///tmp/twexport") + "/{{ dag.dag_id }}/{{ run_id }}"
MENTIONS = Asset("live_mentions")
EPOCH = pendulum.datetime(2020, 1, 1)

with DAG(
    "live_mentions", schedule=None, start_date=EPOCH, default_args={"retry_delay": timedelta(seconds=1)}
):
    talkwalker_export(
        "export",
        query="{{ dag_run.conf['query'] }}",
        project_id="",
        object_storage_path=PATH,
        poke_interval=1,
        outlets=[MENTIONS],
    )

with DAG("live_reader", schedule=[MENTIONS], start_date=EPOCH):

    @task
    def read(triggering_asset_events=None):
        """Return what the events tell, and how many results their manifests name."""
        from airflow_provider_twexport.storage import manifest

        landings = [event.extra for event in triggering_asset_events[MENTIONS]]
        return [landing | {"read": manifest.read(landing["manifest"]).results} for landing in landings]

    read()
