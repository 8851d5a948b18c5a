"""What every trigger promises, whatever service it waits for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.triggers.conftest import SERVICES, Service, event, secrets

try:
    from airflow.sdk.serde import deserialize, serialize
except ModuleNotFoundError:  # Airflow 3.1
    from airflow.serialization.serde import deserialize, serialize  # type: ignore[no-redef]

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

pytestmark = [
    pytest.mark.usefixtures("talkwalker_connection", "adobe_connection", "quick_timing"),
    pytest.mark.parametrize("service", [pytest.param(one, id=name) for name, one in SERVICES.items()]),
]


def test_a_trigger_survives_serialization(service: Service) -> None:
    """Another triggerer continues with an equal trigger."""
    classpath, kwargs = service.trigger("1", deadline=5.5, cancel_on_kill=False).serialize()
    again = service.new_trigger(**deserialize(serialize(kwargs)))
    assert again.serialize() == (classpath, kwargs)
    assert classpath == f"{type(again).__module__}.{type(again).__name__}"


def test_what_the_list_lacks_is_requested_alone(service: Service, simulator: Simulator) -> None:
    """Each export that the list lacks costs one request more, and one that does not exist fails alone."""
    simulator.settings(**service.ends_at_once)
    ids = service.order(simulator, 2)
    simulator.faults({"match": {"path": f"{service.list_path}$"}, "fault": "missing_from_list", "times": 99})

    async def wait_for_all() -> list[dict[str, Any]]:
        return await asyncio.gather(*(event(service.trigger(one)) for one in [*ids, "4711"]))

    *ended, failed = asyncio.run(wait_for_all())
    assert [str(one["export"]["id"]) for one in ended] == ids
    assert (failed["outcome"], failed["error"]["kind"]) == ("failed", "not_found")
    counts = simulator.ledger()["counts"]
    assert sum(times for call, times in counts.items() if call.startswith(f"GET {service.list_path}/")) == 3


@pytest.mark.parametrize("number", range(3))
def test_the_event_holds_the_error(number: int, service: Service, simulator: Simulator) -> None:
    """The event holds the kind and the evidence of an error that does not pass, and no credential."""
    fault, kind = service.errors[number]
    (export_id,) = service.order(simulator, 1)
    simulator.faults(fault | {"match": {"path": service.list_path}, "times": 99})
    failed = asyncio.run(event(service.trigger(export_id)))
    assert (failed["outcome"], failed["error"]["kind"]) == ("failed", kind)
    assert failed["error"]["evidence"]["path"] == service.list_path
    assert not any(secret in str(failed) for secret in secrets(simulator))


@pytest.mark.slow
@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_a_kill_cancels(cancel_on_kill: bool, service: Service, simulator: Simulator) -> None:
    """A user who acts on the deferred task cancels the export, if cancel_on_kill; a restart never does."""
    simulator.settings(**service.never_ends)
    (export_id,) = service.order(simulator, 1)
    waiting = service.trigger(export_id, cancel_on_kill=cancel_on_kill)

    async def kill() -> None:
        running = asyncio.create_task(event(waiting))
        await asyncio.sleep(1)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await waiting.cleanup()
        assert service.statuses(simulator) == [service.queued]
        await waiting.on_kill()

    asyncio.run(kill())
    assert service.statuses(simulator) == [service.cancelled if cancel_on_kill else service.queued]


def test_a_kill_before_the_first_poll_cancels_too(service: Service, simulator: Simulator) -> None:
    """The export is cancelled however early the kill comes."""
    simulator.settings(**service.never_ends)
    (export_id,) = service.order(simulator, 1)
    asyncio.run(service.trigger(export_id).on_kill())
    assert service.statuses(simulator) == [service.cancelled]
