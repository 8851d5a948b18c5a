"""Who is asked, who hears of it, and that a run tells before what it bought is lost."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.mail_server import mail_server
from tests.running_dags import dags_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

    from airflow.sdk import DAG

    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]
BOUGHT = ("talkwalker_backfill", "talkwalker_export")
LATE = {"dag_run": {"dag_id": "talkwalker_backfill", "dag_run_id": "first"}}

pytestmark = pytest.mark.slow


def example(dag_id: str) -> DAG:
    """Return an example, parsed in the environment as it is now."""
    bag = dags_in(ROOT / "dags")
    assert bag.import_errors == {}
    return bag.dags[dag_id]


def serialized(dag: DAG) -> dict[str, Any]:
    """Return what Airflow stores of a DAG."""
    from airflow.serialization import serialized_objects

    kind = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    return kind.to_dict(dag)


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EmailMessage]]:
    """What arrives at the addresses that the examples are given."""
    with mail_server(tls=True) as (port, mails):
        extra = {"disable_ssl": True, "ssl_context": "none", "from_email": "airflow@example.com"}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        monkeypatch.setenv("TWEXPORT_NOTIFY", "team@example.com, boss@example.com")
        yield mails


def miss(dag: DAG) -> None:
    """Do what the triggerer does when a run of the DAG misses its deadline."""
    from airflow.triggers.callback import CallbackTrigger

    (alert,) = dag.deadline
    # it goes to the triggerer through the database
    stored = json.loads(json.dumps({"path": alert.callback.path, "kwargs": alert.callback.kwargs}))

    async def run() -> list[Any]:
        trigger = CallbackTrigger(stored["path"], stored["kwargs"] | {"context": LATE})
        return [event.payload["state"] async for event in trigger.run()]

    assert [str(state) for state in asyncio.run(run())] == ["running", "success"]


@pytest.mark.parametrize("dag_id", BOUGHT)
def test_a_run_has_six_days(dag_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Talkwalker keeps results for seven; the alert is part of what Airflow stores of the DAG."""
    monkeypatch.setenv("TWEXPORT_NOTIFY", "team@example.com")
    (alert,) = example(dag_id).deadline
    assert alert.interval == timedelta(days=6)
    assert "DagRunQueuedAt" in type(alert.reference).__name__
    assert "report_late_run" in json.dumps(serialized(example(dag_id)))


@pytest.mark.parametrize("dag_id", BOUGHT)
def test_without_an_address_there_is_no_deadline(dag_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would hear of it, and Airflow's ``dags test`` cannot run a DAG that has one."""
    monkeypatch.delenv("TWEXPORT_NOTIFY", raising=False)
    assert not example(dag_id).deadline


@pytest.mark.usefixtures("mails")
def test_a_late_run_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """By its id, and with what is at stake."""
    miss(example("talkwalker_backfill"))
    assert "Run first of talkwalker_backfill has not ended yet. What it has bought" in caplog.text


def test_a_late_run_is_mailed(mails: list[EmailMessage]) -> None:
    """To those whom the environment names."""
    miss(example("talkwalker_backfill"))
    (mail,) = mails
    assert mail["To"] == "team@example.com, boss@example.com"
    assert mail["Subject"] == "Run first of talkwalker_backfill has not ended yet."


def test_only_the_approvers_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both questions of the backfill go to them; by default everybody may answer."""
    monkeypatch.delenv("TWEXPORT_APPROVERS", raising=False)
    questions = ("approve", "approve_remainder")
    assert [example("talkwalker_backfill").get_task(it).assigned_users for it in questions] == [None, None]
    monkeypatch.setenv("TWEXPORT_APPROVERS", "ana, luis")
    for name in questions:
        users = example("talkwalker_backfill").get_task(name).assigned_users
        assert [user["id"] for user in users] == ["ana", "luis"]


@pytest.mark.usefixtures("talkwalker_connection", "quick_timing")
def test_a_question_is_mailed_and_nothing_bought_before_the_answer(
    run_dag: DagRunner, mails: list[EmailMessage], simulator: Simulator, tmp_path: Path
) -> None:
    """With the price in its subject."""
    dag = example("talkwalker_backfill")
    # dag.test cannot look up the deadline that it has stored (Airflow 3.3.2)
    dag.deadline = None
    for task in dag.tasks:
        task.retries = 0
    month = {
        "start": "2024-01-01",
        "stop": "2024-02-01",
        "approve_above": 0,
        "destination": f"file://{tmp_path}",
    }
    with marked_failed("approve"):
        run = run_dag(dag, run_conf=month)
    assert (run.states["approve"], run.states["buy"]) == ("failed", "upstream_failed"), run.log
    (mail,) = mails
    assert mail["Subject"] == "Buy exports for 3,129 credits?"
    assert mail["To"] == "team@example.com, boss@example.com"
    assert simulator.ledger()["exports"] == []


@contextmanager
def marked_failed(task_id: str) -> Iterator[None]:
    """Mark a task failed whenever it waits for a person, as one may in the UI."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    ended = Event()

    def mark() -> None:
        # dag.test may write over the first mark what it knew of the task before
        while not ended.wait(0.2):
            with create_session() as session:
                session.query(TaskInstance).filter(
                    TaskInstance.task_id == task_id, TaskInstance.state.in_(["awaiting_input", "deferred"])
                ).update({"state": "failed"}, synchronize_session=False)

    marking = Thread(target=mark)
    marking.start()
    try:
        yield
    finally:
        ended.set()
        marking.join()
