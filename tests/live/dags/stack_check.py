"""The least that shows that every component does its part."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator, task


class Defer(BaseOperator):
    """Waits in the triggerer for a moment."""

    def execute(self, context):
        """Go to the triggerer."""
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=1)), method_name="resume")

    def resume(self, context, event=None):
        """Come back from there."""
        return "resumed"


@task
def process_id():
    """Tell who runs this."""
    return os.getpid()


@task(retries=1, retry_delay=timedelta(seconds=1))
def sleep_on_first_try(**context):
    """Give a test the time to kill this."""
    if context["ti"].try_number == 1:
        time.sleep(600)


with DAG(
    "stack_check", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), default_args={"retries": 2}
):
    process_id() >> Defer(task_id="defer")

with DAG("stack_kill", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
    sleep_on_first_try()
