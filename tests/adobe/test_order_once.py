"""Ordering an Adobe job once, however many runs order it, and whatever happens between two calls."""

from __future__ import annotations

import json
import logging
import random
import threading
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.adobe.order_once import JobOrder, order_once
from airflow_provider_twexport.adobe.orders import ExportJobOrder
from airflow_provider_twexport.exceptions import TransientError
from tests.adobe_account import ORDER, client_of
from tests.at_once import run_at_once
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.adobe.models import ExportJob
    from tests.simulator_process import Simulator

POST = {"path": "export/jobs$", "method": "POST"}
LIST = {"path": "export/jobs$", "method": "GET"}
CANCEL = {"path": "export/jobs/", "method": "DELETE"}
SINCE = pendulum.now("UTC").subtract(minutes=5)
CROWD = 12


@pytest.fixture(autouse=True)
def slow_jobs(simulator: Simulator) -> None:
    """Jobs that go on for long."""
    simulator.settings(adobe_job_seconds=None)


def jobs(simulator: Simulator) -> dict[str, str]:
    """Return the jobs that the service has, by id, and how they stand."""
    return {str(job["id"]): job["status"] for job in simulator.ledger()["adobe"]["jobs"]}


def kept(simulator: Simulator) -> list[str]:
    """Return the jobs that nobody has cancelled."""
    return [job_id for job_id, status in jobs(simulator).items() if status != "CANCELLED"]


def order_at_once(simulator: Simulator, crowd: int = CROWD) -> list[tuple[str, bool]]:
    """Order the same from many processes at the same moment; return what each made of it."""
    outputs = run_at_once("tests.adobe.ordering", [[simulator.url, SINCE.isoformat()]] * crowd)
    assert all(outputs), outputs
    return [tuple(json.loads(output)) for output in outputs]


@pytest.mark.slow
@pytest.mark.parametrize("times", ["milliseconds", "seconds"])
@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_a_crowd_at_the_same_moment_keeps_one_job(lag: float, times: str, simulator: Simulator) -> None:
    """All runs return its id, and each cancels its own other job, also if the list lags and jobs look otherwise."""
    echo = "as_ordered" if times == "milliseconds" else "rewritten"
    simulator.settings(adobe_list_lag_seconds=lag, adobe_times=times, adobe_echo=echo)
    made = order_at_once(simulator)
    (job_id,) = kept(simulator)
    assert {one for one, _ in made} == {job_id} == {"100"}
    assert [adopted for _, adopted in made].count(False) == 1
    if lag:
        # not all saw a job before they ordered
        assert len(jobs(simulator)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_agrees_whatever_goes_wrong(seed: int, simulator: Simulator) -> None:
    """All runs return the same job; only an order whose response was lost can leave another."""
    chance = random.Random(seed)
    simulator.settings(adobe_list_lag_seconds=chance.choice([0.0, 0.5]))
    kinds: list[dict[str, Any]] = [
        {"match": POST, "fault": "lost_answer"},
        {"match": POST, "fault": "drop"},
        {"match": POST, "fault": "error", "http": 503},
        {"match": POST, "fault": "delay", "seconds": 0.5},
        {"match": LIST, "fault": "missing_from_list"},
        {"match": LIST, "fault": "html"},
        {"match": LIST, "fault": "delay", "seconds": 0.5},
        {"match": CANCEL, "fault": "drop"},
        {"match": CANCEL, "fault": "lost_answer"},
    ]
    ordered = [chance.choice(kinds) | {"skip": chance.randrange(12)} for _ in range(12)]
    simulator.faults(*ordered)
    made = order_at_once(simulator)
    (job_id,) = {one for one, _ in made}
    lost = [entry for entry in simulator.ledger()["requests"] if entry.get("fault") == "lost_answer"]
    lost_orders = [entry for entry in lost if entry["method"] == "POST"]
    assert job_id == kept(simulator)[0]
    assert len(kept(simulator)) <= 1 + len(lost_orders)


def test_two_runs_at_the_same_moment_keep_the_older_job(simulator: Simulator) -> None:
    """Both have looked before either orders; the run that ordered the younger job cancels it."""
    both_have_looked = threading.Barrier(2)
    made: list[JobOrder] = []

    def order() -> None:
        client = client_of(simulator)
        create = client.create_export_job

        def create_when_both_have_looked(order: ExportJobOrder) -> ExportJob:
            both_have_looked.wait(PATIENCE)
            return create(order)

        client.create_export_job = create_when_both_have_looked  # type: ignore[method-assign]
        made.append(order_once(client, ORDER, SINCE))

    threads = [threading.Thread(target=order) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [one.job.id for one in made] == ["100", "100"]
    assert sorted(one.adopted for one in made) == [False, True]
    assert kept(simulator) == ["100"]


def test_different_and_older_jobs_are_not_adopted(simulator: Simulator) -> None:
    """Another order, the same order of an earlier run, and a cancelled job are not adopted."""
    client = client_of(simulator)
    simulator.control("time", {"offset_seconds": -7200})
    client.create_export_job(ORDER)
    simulator.control("time", {"offset_seconds": 0})
    client.create_export_job(ExportJobOrder({**ORDER.body(), "destination": {"datasetId": "another"}}))
    client.cancel_export_job(client.create_export_job(ORDER).id)
    made = order_once(client, ORDER, SINCE)
    assert (made.job.id, made.adopted) == ("103", False)
    assert kept(simulator) == ["100", "101", "103"]


def test_the_oldest_of_several_jobs_is_adopted(simulator: Simulator) -> None:
    """The younger job is about to be cancelled, so a third run must not adopt it."""
    client = client_of(simulator)
    older, _ = client.create_export_job(ORDER), client.create_export_job(ORDER)
    assert order_once(client, ORDER, SINCE) == JobOrder(client.get_export_job(older.id), adopted=True)
    assert len(jobs(simulator)) == 2


def test_a_worker_that_dies_before_its_second_look_orders_once(simulator: Simulator) -> None:
    """If the look after the order fails, as if the process had died, the retry adopts."""
    client = client_of(simulator)
    noted: list[str] = []
    simulator.faults({"match": LIST, "skip": 1, "times": 4, "fault": "html"})
    with pytest.raises(TransientError):
        order_once(client, ORDER, SINCE, lambda job: noted.append(job.id))
    assert noted == ["100"]
    assert order_once(client, ORDER, SINCE).adopted
    assert kept(simulator) == ["100"]


def test_a_job_that_is_never_listed_is_kept_with_a_warning(
    simulator: Simulator, adobe_client: AdobeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """If the list lags longer than the looks last, the job is used, with a warning."""
    simulator.settings(adobe_list_lag_seconds=3600)
    with caplog.at_level(logging.WARNING):
        assert order_once(adobe_client, ORDER, SINCE).job.id == "100"
    assert "does not list export job 100" in caplog.text


def test_a_job_that_fails_at_once_is_not_waited_for(
    simulator: Simulator, adobe_client: AdobeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The job is in the list, so there is nothing to wait for."""
    simulator.settings(adobe_job_seconds=0, adobe_outcome="FAILED")
    made = order_once(adobe_client, ORDER, SINCE)
    assert (made.job.raw_status, made.adopted) == ("FAILED", False)
    assert caplog.text == ""
    assert simulator.ledger()["counts"]["GET /data/core/ups/export/jobs"] == 2
