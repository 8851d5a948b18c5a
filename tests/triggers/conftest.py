"""The triggers of all services, and how a test makes them wait."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.execution_time import task_runner

from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.triggers.adobe import AdobeExportJobTrigger
from airflow_provider_twexport.triggers.talkwalker import TalkwalkerExportTrigger
from tests.adobe_account import ORDER, SECRET, client_of
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.triggers.base import TriggerEvent

    from airflow_provider_twexport.triggers.base import ExportTrigger
    from tests.simulator_process import Simulator


@pytest.fixture(autouse=True)
def _triggerer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.1 imports the triggerer's connection to its supervisor, whether it needs it or not."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", None, raising=False)


async def event(waiting: ExportTrigger[Any, Any]) -> dict[str, Any]:
    """Return the payload of the one event."""
    fired: list[TriggerEvent] = [event async for event in waiting.run()]
    assert len(fired) == 1
    payload: dict[str, Any] = fired[0].payload
    return payload


@dataclass(frozen=True)
class Service:
    """A service whose exports a trigger waits for.

    :param new_trigger: the trigger's class.
    :param ids: the names of its own arguments: of the export and of the connection.
    :param conn_id: the connection.
    :param order: orders so many exports and returns their ids.
    :param list_path: of the list of exports.
    :param never_ends: the simulator's settings with which exports stay queued.
    :param ends_at_once: the simulator's settings with which exports end at once.
    :param statuses: of all exports, in their order.
    :param queued: the status of an export that has not begun.
    :param cancelled: the status of one that was cancelled.
    :param errors: faults of the simulator, and the kind of error that each means.
    """

    new_trigger: Callable[..., ExportTrigger[Any, Any]]
    ids: tuple[str, str]
    conn_id: str
    order: Callable[[Simulator, int], list[str]]
    list_path: str
    never_ends: dict[str, float]
    ends_at_once: dict[str, float]
    statuses: Callable[[Simulator], list[str]]
    queued: str
    cancelled: str
    errors: tuple[tuple[dict[str, Any], str], ...]

    def trigger(self, export_id: str, **changes: Any) -> ExportTrigger[Any, Any]:
        """Return a trigger that polls twice a second."""
        own = dict(zip(self.ids, (export_id, self.conn_id), strict=True))
        return self.new_trigger(**own | {"poke_interval": 0.5, "deadline": time.time() + PATIENCE} | changes)


def _order_talkwalker(simulator: Simulator, count: int) -> list[str]:
    TalkwalkerClient(simulator.token, simulator.url).put_collector("box")
    order = {"count": count, "target": "box", "start": 1704067200000, "stop": 1706745600000, "limit": 10}
    ids: list[str] = simulator.control("exports", order)["ids"]
    return ids


def _order_adobe(simulator: Simulator, count: int) -> list[str]:
    client = client_of(simulator)
    return [client.create_export_job(ORDER).id for _ in range(count)]


TALKWALKER = Service(
    new_trigger=TalkwalkerExportTrigger,
    ids=("export_id", "talkwalker_conn_id"),
    conn_id="talkwalker_default",
    order=_order_talkwalker,
    list_path="/api/v3/tasks/export",
    never_ends={"queue_seconds": 3600},
    ends_at_once={},
    statuses=lambda simulator: [export["status"] for export in simulator.ledger()["exports"]],
    queued="queued",
    cancelled="aborted",
    errors=(
        ({"fault": "error", "code": 7}, "connection_config"),
        ({"fault": "error", "code": 9}, "insufficient_credits"),
        ({"fault": "html", "status": 502}, "transient"),
    ),
)
ADOBE = Service(
    new_trigger=AdobeExportJobTrigger,
    ids=("job_id", "adobe_conn_id"),
    conn_id="adobe_experience_platform_default",
    order=_order_adobe,
    list_path="/data/core/ups/export/jobs",
    never_ends={"adobe_queue_seconds": 3600},
    ends_at_once={"adobe_queue_seconds": 0, "adobe_job_seconds": 0},
    statuses=lambda simulator: [job["status"] for job in simulator.ledger()["adobe"]["jobs"]],
    queued="NEW",
    cancelled="CANCELLED",
    errors=(
        ({"fault": "error", "code": "403003"}, "connection_config"),
        ({"fault": "error", "http": 403}, "permission_denied"),
        ({"fault": "html", "status": 502}, "transient"),
    ),
)
SERVICES = {"talkwalker": TALKWALKER, "adobe": ADOBE}


def secrets(simulator: Simulator) -> tuple[str, str]:
    """Return what no event may contain."""
    return simulator.token, SECRET
