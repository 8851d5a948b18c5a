"""The trigger: one poll for all, and an event loop that never stands still."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.serde import deserialize, serialize

from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.triggers.talkwalker import TalkwalkerExportTrigger
from tests.triggers.conftest import event

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "quick_timing")

LIST, ONE = "GET /api/v3/tasks/export", "GET /api/v3/tasks/export/{task_id}"


def trigger(export_id: str, **changes: Any) -> TalkwalkerExportTrigger:
    """Return a trigger that looks twice a second."""
    arguments = {
        "talkwalker_conn_id": "talkwalker_default",
        "poke_interval": 0.5,
        "deadline": time.time() + 60,
    }
    return TalkwalkerExportTrigger(export_id=export_id, **(arguments | changes))


def planted(simulator: Simulator, count: int) -> list[str]:
    """Order many exports at once and return their ids."""
    TalkwalkerClient(simulator.token, simulator.url).put_collector("box")
    order = {"count": count, "target": "box", "start": 1704067200000, "stop": 1706745600000, "limit": 10}
    ids: list[str] = simulator.control("exports", order)["ids"]
    return ids


def counts(simulator: Simulator) -> dict[str, int]:
    """Return how often each address was called."""
    counted: dict[str, int] = simulator.ledger()["counts"]
    return counted


def test_survives_serialization() -> None:
    """Another triggerer goes on with the same trigger."""
    classpath, kwargs = trigger("1", deadline=5.5, cancel_on_kill=False).serialize()
    assert classpath == "airflow_provider_twexport.triggers.talkwalker.TalkwalkerExportTrigger"
    again = TalkwalkerExportTrigger(**deserialize(serialize(kwargs)))
    assert again.serialize() == (classpath, kwargs)


def test_a_thousand_waits_cost_one_request_per_interval(simulator: Simulator) -> None:
    """They share one poll, and all of them hear of the end."""
    simulator.settings(queue_seconds=3600)
    ids = planted(simulator, 1_000)

    async def let_go() -> None:
        while counts(simulator).get(LIST, 0) < 3:
            await asyncio.sleep(0.1)
        simulator.settings(queue_seconds=0)

    async def wait_for_all() -> list[dict[str, Any]]:
        *events, _ = await asyncio.gather(*[event(trigger(export_id)) for export_id in ids], let_go())
        return events

    began = time.monotonic()
    events = asyncio.run(wait_for_all())
    intervals = (time.monotonic() - began) / 0.5
    assert [event["export"]["id"] for event in events] == ids
    assert {event["outcome"] for event in events} == {"ended"}
    assert 3 <= counts(simulator)[LIST] <= intervals + 1
    assert ONE not in counts(simulator)


def test_an_export_missing_from_the_list_is_asked_for_by_itself(simulator: Simulator) -> None:
    """The list is of recent exports only."""
    first, second = planted(simulator, 2)
    simulator.faults({"fault": "missing_from_list", "export_id": first, "times": 99})

    async def wait_for_both() -> list[dict[str, Any]]:
        return await asyncio.gather(event(trigger(first)), event(trigger(second)))

    assert [event["outcome"] for event in asyncio.run(wait_for_both())] == ["ended", "ended"]
    assert counts(simulator)[ONE] == 1


def test_an_export_that_does_not_exist_fails_alone(simulator: Simulator) -> None:
    """One wrong id does not end the waits of the others."""
    (known,) = planted(simulator, 1)

    async def wait_for_both() -> list[dict[str, Any]]:
        return await asyncio.gather(event(trigger("unknown")), event(trigger(known)))

    failed, ended = asyncio.run(wait_for_both())
    assert (failed["outcome"], ended["outcome"]) == ("failed", "ended")
    assert failed["error"]["kind"] == "not_found"


def test_the_event_loop_does_not_stand_still(simulator: Simulator) -> None:
    """A service that takes a second to answer holds up nobody else in the triggerer."""
    (export_id,) = planted(simulator, 1)
    simulator.faults({"match": {"path": "/tasks/export"}, "fault": "delay", "seconds": 1.5})
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    async def wait_and_beat() -> None:
        heart = asyncio.create_task(beat())
        await event(trigger(export_id))
        heart.cancel()

    asyncio.run(wait_and_beat())
    assert longest < 1.0


def test_the_deadline_is_kept(simulator: Simulator) -> None:
    """Also where the service never answers."""
    (export_id,) = planted(simulator, 1)
    simulator.faults({"match": {"path": "/tasks/export"}, "fault": "delay", "seconds": 3, "times": 9})
    assert asyncio.run(event(trigger(export_id, deadline=time.time() + 1))) == {"outcome": "timeout"}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"fault": "error", "code": 7}, "connection_config"),
        ({"fault": "error", "code": 9}, "insufficient_credits"),
        ({"fault": "html", "status": 502}, "transient"),
    ],
)
def test_the_event_holds_the_error(fault: dict[str, Any], kind: str, simulator: Simulator) -> None:
    """The event holds the kind and the evidence of an error that does not pass, and no credential."""
    (export_id,) = planted(simulator, 1)
    simulator.faults(fault | {"match": {"path": "/tasks/export"}, "times": 99})
    failed = asyncio.run(event(trigger(export_id)))
    assert (failed["outcome"], failed["error"]["kind"]) == ("failed", kind)
    assert failed["error"]["evidence"]["path"] == "/api/v3/tasks/export"
    assert simulator.token not in str(failed)


@pytest.mark.parametrize(("cancel_on_kill", "status"), [(True, "aborted"), (False, "queued")])
def test_a_kill_aborts(cancel_on_kill: bool, status: str, simulator: Simulator) -> None:
    """A user who acts on the deferred task ends the export, unless told otherwise; a restart does not."""
    simulator.settings(queue_seconds=3600)
    (export_id,) = planted(simulator, 1)
    waiting = trigger(export_id, cancel_on_kill=cancel_on_kill)

    async def kill() -> None:
        running = asyncio.create_task(event(waiting))
        await asyncio.sleep(1)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await waiting.cleanup()
        assert simulator.ledger()["exports"][0]["status"] == "queued"
        await waiting.on_kill()

    asyncio.run(kill())
    assert simulator.ledger()["exports"][0]["status"] == status


def test_a_kill_before_the_first_look_aborts_too(simulator: Simulator) -> None:
    """However early it comes."""
    simulator.settings(queue_seconds=3600)
    (export_id,) = planted(simulator, 1)
    asyncio.run(trigger(export_id).on_kill())
    assert simulator.ledger()["exports"][0]["status"] == "aborted"
