"""Runs of a dataset export: a dataflow of Adobe's Flow Service that writes a dataset's files to the user's own store.

Vendor pages "Export datasets by using the Flow Service API", "Monitor dataflows using the Flow Service API" and "Flow
Service API". They show no run of a dataset export as a whole, and document the start of a run for sources only.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.adobe.models import UNDOCUMENTED_STATUS_GRACE
from airflow_provider_twexport.adobe.wire_values import read_count, read_errors, read_mapping, read_time
from airflow_provider_twexport.exceptions import (
    ExportFailedError,
    NotReadyError,
    OrderUnconfirmedError,
    RetriableError,
    ThrottledError,
    UnexpectedResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_twexport.adobe.client import AdobeClient

log = logging.getLogger(__name__)

SUCCEEDED = frozenset({"success", "succeeded", "completed"})
LOST = frozenset({"failed", "failure", "error", "aborted", "cancelled", "canceled", "partialsuccess"})
RUNNING = frozenset(
    {"", "new", "queued", "pending", "active", "started", "running", "inprogress", "processing"}
)


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A run of a dataflow as the service reports it.

    :param raw_status: the service's own text; empty before it has one.
    :param files: how many it wrote; ``None`` if it does not say.
    :param records: how many it wrote; ``None`` if it does not say.
    :param bytes: how many it wrote; ``None`` if it does not say.
    :param errors: one text each; a run that succeeded may have some.
    :param document: the run as received.
    """

    id: str
    flow_id: str | None
    raw_status: str
    created: pendulum.DateTime | None
    updated: pendulum.DateTime | None
    files: int | None
    records: int | None
    bytes: int | None
    errors: tuple[str, ...]
    document: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_json(cls, body: Any) -> FlowRun:
        """Read the service's form, or a list of one.

        :raises UnexpectedResponseError: if it has no id.
        """
        items = read_mapping(body).get("items")
        run = read_mapping(items[0] if isinstance(items, list) and items else body)
        if not run.get("id"):
            raise UnexpectedResponseError(
                "Adobe's response contains no run of a dataflow. Check the flow's id and the connection's host."
            )
        metrics = read_mapping(run.get("metrics"))
        status = read_mapping(metrics.get("statusSummary"))
        return cls(
            id=str(run["id"]),
            flow_id=run.get("flowId"),
            raw_status=str(status.get("status") or ""),
            created=read_time(run.get("createdAt")),
            updated=read_time(run.get("updatedAt")),
            files=read_count(read_mapping(metrics.get("fileSummary")).get("outputFileCount")),
            records=_records(read_mapping(metrics.get("recordSummary"))),
            bytes=read_count(read_mapping(metrics.get("sizeSummary")).get("outputBytes")),
            errors=read_errors(status.get("errors")),
            document=run,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the service's form, as received."""
        return dict(self.document)

    @property
    def status(self) -> str:
        """Return the status without the differences in spelling."""
        return "".join(letter for letter in self.raw_status.lower() if letter.isalpha())

    @property
    def is_unfinished(self) -> bool:
        """Return whether the run may still write something."""
        return self.status not in SUCCEEDED | LOST

    @property
    def facts(self) -> dict[str, Any]:
        """Return its names, for the facts of an error."""
        return {"run_id": self.id, "flow_id": self.flow_id, "status": self.raw_status}

    def check_status(self) -> None:
        """Refuse to wait any longer than ten minutes for a run whose status nobody knows.

        :raises UnexpectedResponseError: if it is such a run.
        """
        since = self.updated or self.created
        is_recent = since is not None and pendulum.now("UTC") - since <= UNDOCUMENTED_STATUS_GRACE
        if not (self.status in RUNNING | SUCCEEDED | LOST or is_recent):
            raise UnexpectedResponseError(
                f"Run {self.id} has the undocumented status {self.raw_status!r}. Look at it in Adobe before you "
                "continue."
            )

    def check_success(self) -> None:
        """Check that a run that has ended wrote everything.

        :raises ExportFailedError: if it did not.
        """
        if self.status not in SUCCEEDED:
            errors = "; ".join(self.errors) or "no message"
            raise ExportFailedError(
                f"Run {self.id} of dataflow {self.flow_id} is {self.raw_status} ({errors}). Look at it in Adobe. To "
                "start another run, clear the task that started it.",
                facts=self.facts,
            )


@dataclass(frozen=True, slots=True)
class RunOrder:
    """The run of a dataflow, and whether it existed before."""

    run: FlowRun
    adopted: bool


def run_once(client: AdobeClient, flow_id: str, since: pendulum.DateTime, *, start: bool = True) -> RunOrder:
    """Return the oldest run of a dataflow since a moment; if there is none, start one.

    The service has no idempotency key, so a start is sent once. Runs that start the same at the same moment all return
    the oldest; a younger one cannot be cancelled, and goes on unused.

    :param since: runs that were created earlier belong to others.
    :param start: whether to start a run; otherwise Adobe's schedule does.
    :raises NotReadyError: if there is no run yet, and none may be started.
    :raises OrderUnconfirmedError: if it is not known whether the start arrived.
    """
    if found := _runs_since(client, flow_id, since):
        return RunOrder(found[0], adopted=True)
    if not start:
        raise NotReadyError(
            f"Dataflow {flow_id} has no run since {since.isoformat()}. Adobe's schedule starts it; a retry looks again."
        )
    try:
        run_id = client.start_flow_run(flow_id)
    except ThrottledError:
        raise
    except RetriableError as error:
        log.warning("%s Looking whether the start arrived.", error)
        return RunOrder(_unconfirmed(client, flow_id, since, error), adopted=False)
    for seconds in client.timing.order_listed:
        time.sleep(seconds)
        found = _runs_since(client, flow_id, since)
        if any(run.id == run_id for run in found):
            return RunOrder(found[0], adopted=found[0].id != run_id)
    return RunOrder(client.get_flow_run(run_id), adopted=False)


def _unconfirmed(
    client: AdobeClient, flow_id: str, since: pendulum.DateTime, error: RetriableError
) -> FlowRun:
    for seconds in client.timing.order_listed:
        time.sleep(seconds)
        if found := _runs_since(client, flow_id, since):
            return found[0]
    raise OrderUnconfirmedError(
        f"{error.message} No run shows that the start arrived. A retry looks again before it starts one.",
        error.evidence,
    ) from None


def _runs_since(client: AdobeClient, flow_id: str, since: pendulum.DateTime) -> list[FlowRun]:
    """Return the runs that were not lost, oldest first."""
    runs = [(run.created or pendulum.DateTime.max, run) for run in client.list_flow_runs(flow_id)]
    recent = [(created, run) for created, run in runs if created >= since and run.status not in LOST]
    return [run for _, run in sorted(recent, key=lambda each: (each[0], each[1].id))]


def _records(summary: Mapping[str, Any]) -> int | None:
    written = read_count(summary.get("outputRecordCount"))
    if written is not None:
        return written
    read = read_count(summary.get("inputRecordCount"))
    # the vendor's example of a dataset export counts only what was read and skipped
    lost = sum(read_count(summary.get(name)) or 0 for name in ("skippedRecordCount", "failedRecordCount"))
    return None if read is None else max(0, read - lost)
