"""Count, then land each day's posts of a query from X enterprise search.

1. **count** counts the posts of the day (one request).
2. **affordable** fails if landing them could need more requests than the day's budget; then nothing more is spent.
3. **land** lands them, in pages of 500.

A retry resumes after the last page received. To land another day, trigger the DAG with
``{"start": "2024-01-01", "stop": "2024-01-02"}`` as configuration.
"""

from __future__ import annotations

import os
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, Asset, task
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_twexport.exceptions import RequestBudgetExceededError
from airflow_provider_twexport.operators.x_enterprise import XSearchCountsOperator
from airflow_provider_twexport.transfers.x_search_to_object_storage import XSearchToObjectStorageOperator

DESTINATION = os.environ.get("TWEXPORT_DESTINATION", "file:///tmp/twexport")
QUERY = "(coffee OR café) lang:es -is:retweet"
REQUESTS_PER_DAY = 200

with DAG(
    dag_id="x_search_daily",
    description="X posts of each day, counted, then landed once.",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=pendulum.datetime(2024, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=3,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    tags=["x", "search"],
    doc_md=__doc__,
) as dag:
    count = XSearchCountsOperator(task_id="count", query=QUERY)

    @task(retries=0)
    def affordable(requests: int) -> None:
        """Fail if the day could need more requests than its budget."""
        if requests > REQUESTS_PER_DAY:
            raise RequestBudgetExceededError(
                f"The day needs up to {requests:,} requests; the budget is {REQUESTS_PER_DAY:,}."
            )

    land = XSearchToObjectStorageOperator(
        task_id="land",
        query=QUERY,
        start=count.output["start"],
        stop=count.output["stop"],
        object_storage_path=DESTINATION + "/x_search_daily",
        partition_by="day",
        max_requests=REQUESTS_PER_DAY,
        outlets=[Asset("x_search_daily")],
    )
    affordable(count.output["search_requests"]) >> land
