"""The ten lines of the README survive what people do with them, on whichever Airflow is installed.

A backfill, default_args, native mode, a form without a single entry, mapping, nesting, odd directories, partitions, and
a run that is late: few runs show it all, because each costs half a minute.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import airflow.sdk
import pytest

from airflow_provider_twexport.storage import manifest
from tests.live.pipeline import Run
from tests.mail_server import mail_server
from tests.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from tests.live.pipeline import Live

pytestmark = pytest.mark.live

HAS_PARTITIONS = hasattr(airflow.sdk, "CronPartitionTimetable")
HAS_KEYS = hasattr(airflow.sdk, "PartitionedAtRuntime")
FIELDS = ("start", "stop", "query", "project_id", "stream_id", "topics")
KEYS = [f"2021-05-0{day}T00:00:00" for day in (1, 2)]
DAGS = ["coffee", "every_way", "reads_directories", "reads_days"]
PARTITIONED = ["partitioned", "reads_partitions_of_days", "reads_partitions_of_months"]


@pytest.fixture(scope="module")
def mails(live: Live) -> Iterator[list[EmailMessage]]:
    """What arrives at a mail server that Airflow is connected to."""
    with mail_server(tls=True) as (port, mails):
        extra = {"disable_ssl": True, "from_email": "airflow@example.com", "ssl_context": "none"}
        live.stack.api.create_connection(
            connection_id="smtp_default",
            conn_type="smtp",
            host="127.0.0.1",
            port=port,
            extra=json.dumps(extra),
        )
        yield mails


@pytest.fixture(scope="module")
def started(live: Live, mails: list[EmailMessage]) -> Live:
    """Start all runs."""
    live.talkwalker.settings(queue_seconds=0)
    api = live.stack.api
    for dag_id in DAGS + PARTITIONED * HAS_PARTITIONS:
        api.wait_for_dag(dag_id)
    api.backfill("coffee", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    if HAS_PARTITIONS:
        api.backfill("partitioned", datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    for dag_id in DAGS + PARTITIONED * HAS_PARTITIONS:
        api.unpause(dag_id)
    # the form fills in a logical date by itself
    moment = datetime(2024, 2, 15, tzinfo=UTC)
    api.trigger("every_way", run_id="form", logical_date=moment, conf=dict.fromkeys(FIELDS))
    return live


def run_of(live: Live, dag_id: str, **having: str) -> Run:
    """Return a run of a DAG that has these fields, as soon as there is one."""

    def found() -> list[Run]:
        runs = live.stack.api.runs(dag_id)
        return [
            Run(live, dag_id, it["dag_run_id"])
            for it in runs
            if all(str(it[name]).startswith(value) for name, value in having.items())
        ]

    run, *_ = wait_until(found)
    return run


@pytest.mark.parametrize("month", ["2024-01", "2024-02"])
def test_the_ten_lines_backfill(started: Live, month: str) -> None:
    """Exactly as the README has them, but for the bucket."""
    run = run_of(started, "coffee", data_interval_start=month)
    assert run.wait_for_end() == "success"
    run.check_landed_once()
    assert run.directory.name == f"{month}-01"


def test_a_form_without_an_entry_exports_the_interval_of_the_run(started: Live) -> None:
    """In native mode, where each field renders to None; limit and retries come from default_args."""
    run = Run(started, "every_way", "form")
    assert run.wait_for_end() == "success"
    run.check_landed_once()
    assert run.directory.name == "2024-01-01"
    assert run.xcom("create_export")["limit"] == 500
    assert run.task("create_export")["max_tries"] == 3


def test_mapped_in_nested_groups_each_day_lands(started: Live, landing: Path) -> None:
    """In a directory whose name is neither ASCII nor free of number signs; the query keeps its quotes."""
    assert Run(started, "every_way", "form").wait_for_end() == "success"
    months = landing / "ten_lines/café #1/year=2021/month=05"
    found = [manifest.read(months / f"day=0{day}") for day in (1, 2)]
    assert [it.source["window"]["start"][:19] for it in found] == KEYS
    assert [it.source["query"] for it in found] == ['"cold brew"'] * 2
    assert all(it.complete and it.results for it in found)
    tasks = started.stack.api.tasks("every_way", "form")
    mapped = [it for it in tasks if it["task_id"] == "outer.window.export.to_object_storage"]
    assert [(it["state"], it["try_number"]) for it in mapped] == [("success", 1)] * 2


def test_an_odd_directory_is_an_asset_that_starts_others(started: Live, landing: Path) -> None:
    """Airflow would fail a task that has succeeded for an address that is no URI, and cut it at a number sign."""
    wait_until(lambda: len(read_addresses(started)) == 2)
    place = f"file://{landing}/ten_lines/caf%C3%A9%20%231/year=2021/month=05"
    assert read_addresses(started) == {f"{place}/day=0{day}" for day in (1, 2)}


def read_addresses(live: Live) -> set[str]:
    """Return the addresses that all runs of the reader were started with."""
    api, found = live.stack.api, set()
    for run in api.runs("reads_directories"):
        api.wait_for_run("reads_directories", run["dag_run_id"], PATIENCE)
        found |= set(api.xcom("reads_directories", run["dag_run_id"], "addresses"))
    return found


@pytest.mark.skipif(not HAS_KEYS, reason="Before Airflow 3.3, events have no key of their own.")
def test_each_mapped_day_starts_its_partition_and_no_plain_consumer(started: Live) -> None:
    """A DAG that is scheduled on the asset alone waits for ever."""
    for key in KEYS:
        assert run_of(started, "reads_partitions_of_days", partition_key=key).wait_for_end() == "success"
    assert started.stack.api.runs("reads_days") == []


@pytest.mark.skipif(not HAS_PARTITIONS, reason="Airflow has partitioned schedules from 3.2 on.")
def test_a_partitioned_run_exports_its_month(started: Live) -> None:
    """To the end of February, and its event starts the same partition of who waits for it."""
    key = "2024-02-01T00:00:00"
    run = run_of(started, "partitioned", partition_key=key)
    assert run.wait_for_end() == "success"
    run.check_landed_once()
    window: Any = manifest.read(run.directory).source["window"]
    assert window == {"start": "2024-02-01T00:00:00Z", "stop": "2024-03-01T00:00:00Z"}
    assert run_of(started, "reads_partitions_of_months", partition_key=key).wait_for_end() == "success"


def test_a_late_run_is_told(started: Live, mails: list[EmailMessage]) -> None:
    """By the deadline alert, in the triggerer, through a connection that the database has."""
    (mail,) = wait_until(lambda: [it for it in mails if "Run form of every_way" in str(it["Subject"])])
    body = mail.get_body(("html",))
    assert body is not None
    assert body.get_content().strip() == "It was to be late."
