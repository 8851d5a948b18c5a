"""Land a range of the past from X full-archive search, month by month, several at a time.

The vendor recommends parallel searches for speed. The tasks of one machine share the limits of the connection; with
several workers, put ``land`` into a pool.

1. **months** splits the range at the calendar's months.
2. **count** counts the posts of the range (one request for each 31 days).
3. **affordable** fails if landing them could need more requests than the budget.
4. **land** lands each month. To land only what is missing, trigger the DAG again with the same range.
"""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG, Param, task

from airflow_provider_twexport.exceptions import RequestBudgetExceededError
from airflow_provider_twexport.operators.x_enterprise import XSearchCountsOperator
from airflow_provider_twexport.transfers.x_search_to_object_storage import XSearchToObjectStorageOperator

DESTINATION = os.environ.get("TWEXPORT_DESTINATION", "file:///tmp/twexport")
AT_ONCE = int(os.environ.get("TWEXPORT_WINDOWS_AT_ONCE", "4"))

with DAG(
    dag_id="x_search_backfill",
    description="A range of the past of X, counted, then landed by month.",
    schedule=None,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True},
    tags=["x", "search", "backfill"],
    doc_md=__doc__,
    params={
        "start": Param(type="string", format="date", title="From", description="First day, in UTC."),
        "stop": Param(
            type="string", format="date", title="Until", description="The day after the last, in UTC."
        ),
        "query": Param("(coffee OR café) lang:es -is:retweet", type="string", minLength=1, title="Query"),
        "destination": Param(
            f"{DESTINATION}/x_search_backfill",
            type="string",
            minLength=1,
            title="Destination",
            description="Directory on any storage; each month lands in a subdirectory. Each query needs its own one.",
        ),
        "max_requests": Param(
            1_000,
            type="integer",
            minimum=1,
            title="Maximum requests",
            description="If landing could need more, by the count, nothing more is spent.",
        ),
    },
) as dag:

    @task
    def months(params=None) -> list[dict[str, str]]:
        """Return start and stop of each month, the newest first."""
        from airflow_provider_twexport.core.arguments import parse_moment
        from airflow_provider_twexport.core.window import Window

        whole = Window(parse_moment(params["start"]), parse_moment(params["stop"]))
        return [
            {"start": str(month.start), "stop": str(month.stop)} for month in reversed(whole.cut("month"))
        ]

    count = XSearchCountsOperator(
        task_id="count",
        query="{{ params.query }}",
        start="{{ params.start }}",
        stop="{{ params.stop }}",
        bucket="day",
        object_storage_path="{{ params.destination }}/counts/{{ params.start }}_{{ params.stop }}",
    )

    @task(retries=0)
    def affordable(requests: int, params=None) -> None:
        """Fail if the range could need more requests than the budget."""
        if requests > params["max_requests"]:
            raise RequestBudgetExceededError(
                f"The range needs up to {requests:,} requests; the budget is {params['max_requests']:,}."
            )

    land = XSearchToObjectStorageOperator.partial(
        task_id="land",
        query="{{ params.query }}",
        object_storage_path="{{ params.destination }}",
        partition_by="month",
        max_requests="{{ params.max_requests }}",
        max_active_tis_per_dagrun=AT_ONCE,
        map_index_template="{{ task.start[:7] }}",
    ).expand_kwargs(months())
    affordable(count.output["search_requests"]) >> land
