"""What Adobe Experience Platform says of export jobs, batches and files, and what it is told to export.

Vendor pages "Export jobs endpoint" and "Data Access". The pages disagree about names and forms, and the service with
both, so a record takes any of them, and keeps the document as it came.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.exceptions import InvalidRequestError, UnexpectedResponseError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROFILE_SCHEMA = "_xdm.context.profile"
# how long a status that nobody documented may be a passing one
UNKNOWN_STATUS_GRACE = pendulum.duration(minutes=10)


class JobStatus(StrEnum):
    """Where an export job stands; half of these are documented for its sibling, the segment job, only."""

    NEW = "NEW"
    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    CANCELLING = "CANCELLING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_lost(self) -> bool:
        """Tell whether the job ended without giving what was ordered."""
        return self in (JobStatus.FAILED, JobStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class JobBatch:
    """A batch that a job filled.

    :param id: of the batch.
    :param segment_id: the segment whose profiles are in it; ``None`` where those of all are.
    :param segment_namespace: the segment's namespace.
    """

    id: str
    segment_id: str | None = None
    segment_namespace: str | None = None


@dataclass(frozen=True, slots=True)
class ExportJob:
    """An export job as the service tells it; only ``status`` says how it ended, a good one may have ``errors``."""

    id: str
    raw_status: str
    dataset_id: str | None
    batches: tuple[JobBatch, ...]
    errors: tuple[str, ...]
    profiles: int | None
    created: pendulum.DateTime | None
    updated: pendulum.DateTime | None
    document: Mapping[str, Any] = field(repr=False)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ExportJob:
        """Read the service's form.

        :raises UnexpectedResponseError: if it has no id.
        """
        if body.get("id") is None:
            raise UnexpectedResponseError("Adobe's answer names no export job.")
        destination = body.get("destination") or {}
        counted = (body.get("metrics") or {}).get("totalExportedProfileCounter")
        return cls(
            id=str(body["id"]),
            raw_status=str(body.get("status") or ""),
            dataset_id=destination.get("datasetId") or destination.get("dataSetId"),
            batches=_batches(destination),
            errors=tuple(f"{error.get('code')}: {error.get('msg')}" for error in body.get("errors") or ()),
            profiles=None if counted is None else int(counted),
            created=_moment(body.get("creationTime")),
            updated=_moment(body.get("updateTime")),
            document=body,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the service's form, as it came."""
        return dict(self.document)

    @property
    def cursor(self) -> str:
        """Return its place in the list, from which :meth:`AdobeClient.list_export_jobs` goes on."""
        return f"{self.document.get('creationTime')}_{self.id}"

    @property
    def status(self) -> JobStatus | None:
        """Return the status; ``None`` for one that nobody documented."""
        try:
            return JobStatus(self.raw_status.upper())
        except ValueError:
            return None

    @property
    def is_unfinished(self) -> bool:
        """Tell whether the job may still go on; an unknown status may for ten minutes.

        :raises UnexpectedResponseError: if it has an undocumented status for longer.
        """
        if self.status is not None:
            return self.status is not JobStatus.SUCCEEDED and not self.status.is_lost
        since = self.updated or self.created
        if since is None or pendulum.now("UTC") - since > UNKNOWN_STATUS_GRACE:
            raise UnexpectedResponseError(
                f"Export job {self.id} has the undocumented status {self.raw_status!r}: look at it before going on."
            )
        return True

    @property
    def is_adoptable(self) -> bool:
        """Tell whether ordering the same again would export twice; an undocumented status counts as under way."""
        return self.status not in (JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.CANCELLING)


@dataclass(frozen=True, slots=True)
class ExportJobOrder:
    """What to export, in the words of the service.

    :param document: the body of the request that creates the job.
    :raises InvalidRequestError: if the service could not mean it.
    """

    document: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not _dataset_id(self.document):
            raise InvalidRequestError(
                "destination needs a datasetId: the dataset that the profiles are exported to."
            )
        if not (self.document.get("schema") or {}).get("name"):
            raise InvalidRequestError(f"schema needs a name, such as {PROFILE_SCHEMA}.")
        for segment in self.segments:
            if not segment.get("segmentId"):
                raise InvalidRequestError(f"The segment {dict(segment)} has no segmentId.")
        try:
            _meaning(self)
        except ValueError as error:
            raise InvalidRequestError(f"A time in the filter is none of RFC 3339: {error}.") from None

    @classmethod
    def from_job(cls, job: ExportJob) -> ExportJobOrder:
        """Return what a job was told to export, as far as the service tells."""
        names = ("fields", "mergePolicy", "filter", "additionalFields", "schema", "evaluationInfo")
        told = job.document.get("destination") or {}
        destination = {"datasetId": job.dataset_id, "segmentPerBatch": bool(told.get("segmentPerBatch"))}
        return cls(
            {
                **{name: job.document[name] for name in names if name in job.document},
                "destination": destination,
            }
        )

    @property
    def segments(self) -> tuple[Mapping[str, Any], ...]:
        """Return the segments; none for all profiles."""
        return tuple((self.document.get("filter") or {}).get("segments") or ())

    @property
    def is_filtered(self) -> bool:
        """Tell whether there is anything that keeps a profile out."""
        told = self.document.get("filter") or {}
        return any(told.get(name) for name in ("segments", "segmentQualificationTime", "fromIngestTimestamp"))

    def body(self) -> dict[str, Any]:
        """Return the request."""
        return dict(self.document)

    def is_answered_by(self, job: ExportJob) -> bool:
        """Tell whether a job exports just this; what was left to the service may be anything."""
        try:
            theirs = ExportJobOrder.from_job(job)
            return _meaning(self) == _meaning(theirs) and _is_within(_chosen(self), _chosen(theirs))
        except (InvalidRequestError, ValueError):
            # somebody else's, in a form that we would not order
            return False


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a batch.

    :param id: of the dataset file.
    :param name: of the file in it.
    :param size: bytes.
    """

    id: str
    name: str
    size: int


def _batches(destination: Mapping[str, Any]) -> tuple[JobBatch, ...]:
    """Read both forms: one batch for all segments, or one for each; an empty id is none."""
    told = destination.get("batches") or []
    entries = [told] if isinstance(told, dict) else list(told)
    found: dict[str, JobBatch] = {}
    for entry in ({"batchId": destination.get("batchId")}, *entries):
        if batch_id := entry.get("batchId"):
            found[batch_id] = JobBatch(batch_id, entry.get("segmentId") or None, entry.get("segmentNs"))
    return tuple(found.values())


def _meaning(order: ExportJobOrder) -> dict[str, Any]:
    """Return an order with the defaults in place, and with what means the same written the same."""
    document, destination = order.document, order.document["destination"]
    told = document.get("filter") or {}
    qualified = told.get("segmentQualificationTime") or {}
    events = (document.get("additionalFields") or {}).get("eventList") or {}
    return {
        "dataset": _dataset_id(document),
        "per batch": bool(destination.get("segmentPerBatch")) and bool(order.segments),
        "schema": document["schema"]["name"],
        "fields": _names(document.get("fields")),
        "segments": sorted(
            (segment["segmentId"], segment.get("segmentNs") or "ups") for segment in order.segments
        ),
        "qualified": [_instant(qualified.get(name)) for name in ("startTime", "endTime")],
        "ingested": _instant(told.get("fromIngestTimestamp")),
        "empty": bool(told.get("emptyProfiles")),
        "event fields": _names(events.get("fields")),
        "events": {name: _instant(value) for name, value in (events.get("filter") or {}).items()},
    }


def _chosen(order: ExportJobOrder) -> dict[str, Any]:
    """Return what the service fills in, as it likes, where an order leaves it out."""
    policy = order.document.get("mergePolicy") or {}
    evaluation = order.document.get("evaluationInfo") or {}
    return {
        **{f"policy {name}": str(value) for name, value in policy.items() if value is not None},
        **{f"evaluation {name}": value for name, value in evaluation.items()},
        **{
            f"status {one['segmentId']}": sorted(one["status"]) for one in order.segments if one.get("status")
        },
    }


def _is_within(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    # the service does not tell evaluationInfo again
    return all(theirs.get(name, value) == value for name, value in ours.items())


def _dataset_id(document: Mapping[str, Any]) -> str | None:
    destination = document.get("destination") or {}
    return destination.get("datasetId") or destination.get("dataSetId")


def _names(text: str | None) -> list[str]:
    return sorted(name.strip() for name in (text or "").split(",") if name.strip())


def _instant(text: str | None) -> Any:
    return pendulum.parse(text) if text else None


def _moment(milliseconds: Any) -> pendulum.DateTime | None:
    return pendulum.from_timestamp(int(milliseconds) / 1000) if milliseconds else None
