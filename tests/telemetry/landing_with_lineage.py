"""Lands an export in an Airflow of its own process, where OpenLineage was set up before Airflow was."""

from __future__ import annotations

import sys

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.sdk import DAG

from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export


def main(path: str) -> None:
    """Run a pipeline that lands in a directory."""
    with DAG("lineage", schedule=None) as dag:
        talkwalker_export(
            "export",
            start="2024-01-01",
            stop="2024-02-01",
            limit=100,
            poke_interval=0.2,
            object_storage_path=path,
            file_format="parquet",
        )
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag("/dev/null")
    bag.dags[dag.dag_id] = dag
    sync_bag_to_db(bag, "dags-folder", None)
    dag.test()


if __name__ == "__main__":
    main(sys.argv[1])
