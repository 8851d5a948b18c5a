"""An order is recognised however the service repeats it, and takes every field of the reference."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.adobe.models import ExportJob, JobBatch
from airflow_provider_twexport.adobe.order_once import order_once
from airflow_provider_twexport.adobe.orders import ExportJobOrder
from tests.adobe import adobe_examples
from tests.adobe_account import client_of

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

SINCE = pendulum.now("UTC").subtract(minutes=5)
EVERYTHING = {
    **adobe_examples.ORDER,
    "filter": {**adobe_examples.ORDER["filter"], "toIngestTimestamp": "2019-01-01T00:00:00Z"},
    "additionalFields": {
        "eventList": {
            "fields": "string",
            "filter": {
                "fromIngestTimestamp": "2018-01-01T00:00:00Z",
                "toIngestTimestamp": "2018-01-02T00:00:00Z",
            },
        }
    },
    "properties": {"checkBatchStatusForSuccess": True},
    "evaluationInfo": {"segmentation": True},
    "someday": {"new": [1, None]},
}


@pytest.mark.parametrize("times", ["milliseconds", "seconds", "iso"])
@pytest.mark.parametrize("echo", ["as_ordered", "rewritten"])
@pytest.mark.parametrize("order", [adobe_examples.ORDER, EVERYTHING])
def test_a_second_run_adopts_whatever_the_echo_looks_like(
    order: dict[str, Any], echo: str, times: str, simulator: Simulator
) -> None:
    """Numbers with a fraction, lists for texts, added defaults, other key order and other times are the same order."""
    simulator.settings(adobe_job_seconds=None, adobe_echo=echo, adobe_times=times)
    client = client_of(simulator)
    first = order_once(client, ExportJobOrder(order), SINCE)
    again = order_once(client, ExportJobOrder(order), SINCE)
    assert (first.job.id, first.adopted, again.job.id, again.adopted) == ("100", False, "100", True)
    assert len(simulator.ledger()["adobe"]["jobs"]) == 1


def test_every_field_round_trips(simulator: Simulator) -> None:
    """What is ordered is what is sent, fields that nobody knows yet too."""
    client_of(simulator).create_export_job(ExportJobOrder(EVERYTHING))
    assert simulator.ledger()["adobe"]["jobs"][0]["order"] == EVERYTHING


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (1, 1.0, True),
        (1, "1", True),
        (1, "latest", True),
        ("latest", 3, True),
        (None, 3, True),
        (1, 2, False),
        (1, "2.0", False),
    ],
)
def test_a_version_is_a_number_in_any_form(ours: Any, theirs: Any, same: bool) -> None:
    """Text, whole number and fraction are equal; the latest version is whichever it is."""
    order = {**adobe_examples.ORDER, "mergePolicy": {"id": "p", "version": ours}}
    job = {**adobe_examples.JOB, "mergePolicy": {"id": "p", "version": theirs}}
    assert ExportJobOrder(order).matches(ExportJob.from_json(job)) is same


@pytest.mark.parametrize("name", ["toIngestTimestamp", "someday"])
def test_another_filter_is_another_order(name: str) -> None:
    """A filter that only one of both has excludes other profiles, even if nobody knows it yet."""
    with_filter = {**adobe_examples.ORDER["filter"], name: "2019-01-01T00:00:00Z"}
    order, job = adobe_examples.ORDER, adobe_examples.JOB
    assert not ExportJobOrder({**order, "filter": with_filter}).matches(ExportJob.from_json(job))
    assert not ExportJobOrder(order).matches(ExportJob.from_json({**job, "filter": with_filter}))


def test_invisible_characters_in_ids_are_removed_with_a_warning(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """They come along when somebody copies an id, or a sandbox, from a page."""
    with caplog.at_level(logging.WARNING):
        client = client_of(simulator, sandbox="PROD")
        order = json.loads(json.dumps(adobe_examples.ORDER).replace("5b7c", "\u200b5b7c"))
        job = client.create_export_job(ExportJobOrder(order))
        assert client.get_export_job(f"\ufeff{job.id}\r\n").dataset_id == "5b7c86968f7b6501e21ba9df"
    assert client.sandbox == "prod"
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3


@pytest.mark.parametrize(
    ("errors", "texts"),
    [
        (None, ()),
        ("out of memory", ("out of memory",)),
        ({"code": 1, "message": "m"}, ("1: m",)),
        ([{"code": "1", "msg": "m"}, "x", None, {}], ("1: m", "x", "None", "{}")),
        (7, ("7",)),
    ],
)
def test_errors_come_in_odd_forms(errors: Any, texts: tuple[str, ...]) -> None:
    """A text, an object, a list of both, or nothing: the message has them all."""
    assert ExportJob.from_json({"id": 1, "errors": errors}).errors == texts


@pytest.mark.parametrize(
    ("batches", "found", "missing"),
    [
        (None, [], 0),
        ("a", [JobBatch("a")], 0),
        (["a", "b"], [JobBatch("a"), JobBatch("b")], 0),
        ([{"batchId": "a"}, {"segmentId": "s", "batchId": ""}], [JobBatch("a")], 1),
        ({"a": {"segmentId": "s"}, "b": {}}, [JobBatch("a", "s"), JobBatch("b")], 0),
        ([{"batchId": None}], [], 1),
    ],
)
def test_batches_come_in_odd_forms(batches: Any, found: list[JobBatch], missing: int) -> None:
    """Ids, objects, and objects by id; one without an id is missing."""
    job = ExportJob.from_json({"id": 1, "destination": {"batches": batches}})
    assert (list(job.batches), job.missing_batches) == (found, missing)


@pytest.mark.parametrize(
    "odd",
    [
        {"destination": "x"},
        {"destination": []},
        {"metrics": "none", "creationTime": "yesterday", "updateTime": []},
        {"metrics": {"totalExportedProfileCounter": "n/a"}, "filter": "all", "status": None},
        {"filter": {"segments": {"segmentId": "s"}}, "schema": "x", "fields": {"a": 1}},
        {"filter": {"segments": [None, 1]}, "mergePolicy": [], "creationTime": float("inf")},
    ],
)
def test_an_odd_job_is_read_and_is_not_ours(odd: dict[str, Any]) -> None:
    """Whatever form its values have, no job of anybody stops an order."""
    job = ExportJob.from_json({**adobe_examples.JOB, **odd})
    assert not ExportJobOrder({**adobe_examples.ORDER, "destination": {"datasetId": "mine"}}).matches(job)
    assert job.profiles is None
