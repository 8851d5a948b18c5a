"""The Adobe trigger: one list for all who wait, and one token for many looks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.serde import deserialize, serialize

from airflow_provider_twexport.triggers.adobe import AdobeExportJobTrigger
from tests.adobe_account import ORDER, SECRET, client_of
from tests.triggers.conftest import event

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("adobe_connection", "quick_timing")

LIST, ONE = "GET /data/core/ups/export/jobs", "GET /data/core/ups/export/jobs/{job_id}"


def trigger(job_id: str, **changes: Any) -> AdobeExportJobTrigger:
    """Return a trigger that looks twice a second."""
    arguments = {
        "adobe_conn_id": "adobe_experience_platform_default",
        "poke_interval": 0.5,
        "deadline": time.time() + 60,
    }
    return AdobeExportJobTrigger(job_id=job_id, **(arguments | changes))


def ordered(simulator: Simulator, count: int) -> list[str]:
    """Order many jobs and return their ids."""
    client = client_of(simulator)
    return [client.create_export_job(ORDER).id for _ in range(count)]


def test_survives_serialization() -> None:
    """Another triggerer goes on with the same trigger."""
    classpath, kwargs = trigger("1", deadline=5.5, cancel_on_kill=False).serialize()
    assert classpath == "airflow_provider_twexport.triggers.adobe.AdobeExportJobTrigger"
    again = AdobeExportJobTrigger(**deserialize(serialize(kwargs)))
    assert again.serialize() == (classpath, kwargs)


def test_one_list_serves_all(simulator: Simulator) -> None:
    """Two hundred waiting jobs cost a few pages to a look, over which the cursor leads, and one token."""
    simulator.settings(adobe_queue_seconds=3, adobe_job_seconds=0)
    ids = ordered(simulator, 200)
    tokens = simulator.ledger()["adobe"]["tokens"]

    async def wait_for_all() -> list[dict[str, Any]]:
        return await asyncio.gather(*(event(trigger(job_id)) for job_id in ids))

    told = asyncio.run(wait_for_all())
    assert {one["outcome"] for one in told} == {"ended"}
    assert [str(one["export"]["id"]) for one in told] == ids
    ledger = simulator.ledger()
    assert ledger["counts"][LIST] < 40
    assert ONE not in ledger["counts"]
    assert ledger["adobe"]["tokens"] == tokens + 1


def test_a_job_that_the_list_leaves_out_is_asked_for(simulator: Simulator) -> None:
    """By itself; one that does not exist fails alone."""
    simulator.settings(adobe_queue_seconds=0, adobe_job_seconds=0)
    (job_id,) = ordered(simulator, 1)
    simulator.faults({"match": {"path": "export/jobs$"}, "fault": "missing_from_list", "times": 9})

    async def wait_for_both() -> list[dict[str, Any]]:
        return await asyncio.gather(event(trigger("4711")), event(trigger(job_id)))

    failed, ended = asyncio.run(wait_for_both())
    assert (failed["outcome"], ended["outcome"]) == ("failed", "ended")
    assert failed["error"]["kind"] == "not_found"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"fault": "error", "code": "403003"}, "connection_config"),
        ({"fault": "error", "http": 403}, "permission_denied"),
        ({"fault": "html", "status": 502}, "transient"),
    ],
)
def test_the_event_holds_the_error(fault: dict[str, Any], kind: str, simulator: Simulator) -> None:
    """The event holds the kind and the evidence of an error that does not pass, and no credential."""
    (job_id,) = ordered(simulator, 1)
    simulator.faults(fault | {"match": {"path": "export/jobs"}, "times": 99})
    failed = asyncio.run(event(trigger(job_id)))
    assert (failed["outcome"], failed["error"]["kind"]) == ("failed", kind)
    assert failed["error"]["evidence"]["path"] == "/data/core/ups/export/jobs"
    assert SECRET not in str(failed)


@pytest.mark.parametrize(("cancel_on_kill", "status"), [(True, "CANCELLED"), (False, "NEW")])
def test_a_kill_cancels(cancel_on_kill: bool, status: str, simulator: Simulator) -> None:
    """A user who acts on the deferred task ends the job, unless told otherwise; a restart does not."""
    simulator.settings(adobe_queue_seconds=3600)
    (job_id,) = ordered(simulator, 1)
    waiting = trigger(job_id, cancel_on_kill=cancel_on_kill)

    async def kill() -> None:
        running = asyncio.create_task(event(waiting))
        await asyncio.sleep(1)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await waiting.cleanup()
        assert simulator.ledger()["adobe"]["jobs"][0]["status"] == "NEW"
        await waiting.on_kill()

    asyncio.run(kill())
    assert simulator.ledger()["adobe"]["jobs"][0]["status"] == status
