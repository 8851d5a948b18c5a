"""The export jobs, batches and files of Adobe Experience Platform, and the orders for export jobs.

Vendor pages "Export jobs endpoint" and "Data Access". The pages disagree about names and forms, and the service with
both. So a record accepts any of them, and keeps the document as received.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.core.arguments import parse_list
from airflow_provider_twexport.exceptions import InvalidRequestError, UnexpectedResponseError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROFILE_SCHEMA = "_xdm.context.profile"
# how long a job may have an undocumented status before nobody should wait for it any longer
UNDOCUMENTED_STATUS_GRACE = pendulum.duration(minutes=10)


class JobStatus(StrEnum):
    """The status of an export job; half of these are documented only for a segment job, which is similar.

    ``UNDOCUMENTED`` stands for any other text of the service. Such a job counts as unfinished and paid for. Code that
    must not go on with it calls :meth:`ExportJob.check_status`.
    """

    NEW = "NEW"
    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    CANCELLING = "CANCELLING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNDOCUMENTED = "UNDOCUMENTED"

    @classmethod
    def from_wire(cls, text: str) -> JobStatus:
        """Return the status that a text of the service means."""
        return _DOCUMENTED.get(text.upper(), cls.UNDOCUMENTED)

    @property
    def is_documented(self) -> bool:
        """Return whether the vendor says what the status means."""
        return self is not JobStatus.UNDOCUMENTED

    @property
    def is_lost(self) -> bool:
        """Return whether the job ended without an export."""
        return self in (JobStatus.FAILED, JobStatus.CANCELLED)

    @property
    def is_unfinished(self) -> bool:
        """Return whether the job may still export something."""
        return self is not JobStatus.SUCCEEDED and not self.is_lost

    @property
    def is_adoptable(self) -> bool:
        """Return whether to order the same again would export it twice."""
        return self is not JobStatus.CANCELLING and not self.is_lost


_DOCUMENTED = {str(status): status for status in JobStatus if status.is_documented}


@dataclass(frozen=True, slots=True)
class JobBatch:
    """A batch that a job filled.

    :param id: of the batch.
    :param segment_id: the segment whose profiles are in it; ``None`` for those of all segments.
    :param segment_namespace: the segment's namespace.
    """

    id: str
    segment_id: str | None = None
    segment_namespace: str | None = None


@dataclass(frozen=True, slots=True)
class ExportJob:
    """An export job as the service reports it; a job that succeeded may have ``errors``, only its status counts.

    :param raw_status: the service's own text, for messages; :attr:`status` is what it means.
    :param profiles: how many were exported; ``None`` if the service does not say.
    :param document: the job as received.
    """

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
            raise UnexpectedResponseError(
                "Adobe's response contains no export job: check the connection's host."
            )
        destination = body.get("destination") or {}
        profiles = (body.get("metrics") or {}).get("totalExportedProfileCounter")
        return cls(
            id=str(body["id"]),
            raw_status=str(body.get("status") or ""),
            dataset_id=destination.get("datasetId") or destination.get("dataSetId"),
            batches=_batches(destination),
            errors=tuple(f"{error.get('code')}: {error.get('msg')}" for error in body.get("errors") or ()),
            profiles=None if profiles is None else int(profiles),
            created=_from_milliseconds(body.get("creationTime")),
            updated=_from_milliseconds(body.get("updateTime")),
            document=body,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the service's form, as received."""
        return dict(self.document)

    @property
    def cursor(self) -> str:
        """Return its position in the list, after which :meth:`AdobeClient.list_export_jobs` can continue."""
        return f"{self.document.get('creationTime')}_{self.id}"

    @property
    def status(self) -> JobStatus:
        """Return the status."""
        return JobStatus.from_wire(self.raw_status)

    @property
    def is_unfinished(self) -> bool:
        """Return whether the job may still export something."""
        return self.status.is_unfinished

    @property
    def facts(self) -> dict[str, Any]:
        """Return its names, for the facts of an error."""
        return {"job_id": self.id, "status": self.raw_status}

    @property
    def is_stuck(self) -> bool:
        """Return whether the job has had an undocumented status for more than ten minutes."""
        since = self.updated or self.created
        is_recent = since is not None and pendulum.now("UTC") - since <= UNDOCUMENTED_STATUS_GRACE
        return not (self.status.is_documented or is_recent)

    def check_status(self) -> None:
        """Refuse to wait any longer for a job whose status has no documented meaning.

        :raises UnexpectedResponseError: if the job is stuck.
        """
        if self.is_stuck:
            raise UnexpectedResponseError(
                f"Export job {self.id} has the undocumented status {self.raw_status!r}. Look at it in Adobe before you "
                "continue."
            )


@dataclass(frozen=True, slots=True)
class ExportJobOrder:
    """What to export, in the service's own form.

    :param document: the body of the request that creates the job.
    :raises InvalidRequestError: if the service would refuse it.
    """

    document: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not _dataset_id(self.document):
            raise InvalidRequestError(
                "destination has no datasetId. Give the dataset to export the profiles to."
            )
        if not (self.document.get("schema") or {}).get("name"):
            raise InvalidRequestError(f"schema has no name. Give one, such as {PROFILE_SCHEMA}.")
        for segment in self.segments:
            if not segment.get("segmentId"):
                raise InvalidRequestError(f"The segment {dict(segment)} has no segmentId. Give it.")
        try:
            _normalized(self)
        except ValueError as error:
            raise InvalidRequestError(
                f"A time in the filter is not RFC 3339 ({error}). Correct it."
            ) from None

    @classmethod
    def from_job(cls, job: ExportJob) -> ExportJobOrder:
        """Return what a job exports, as far as the service reports it."""
        names = ("fields", "mergePolicy", "filter", "additionalFields", "schema", "evaluationInfo")
        reported = job.document.get("destination") or {}
        destination = {"datasetId": job.dataset_id, "segmentPerBatch": bool(reported.get("segmentPerBatch"))}
        return cls(
            {
                **{name: job.document[name] for name in names if name in job.document},
                "destination": destination,
            }
        )

    @property
    def segments(self) -> tuple[Mapping[str, Any], ...]:
        """Return the segments; empty for all profiles."""
        return tuple((self.document.get("filter") or {}).get("segments") or ())

    @property
    def is_filtered(self) -> bool:
        """Return whether the filter excludes any profile."""
        filters = self.document.get("filter") or {}
        return any(
            filters.get(name) for name in ("segments", "segmentQualificationTime", "fromIngestTimestamp")
        )

    def body(self) -> dict[str, Any]:
        """Return the body of the request."""
        return dict(self.document)

    def matches(self, job: ExportJob) -> bool:
        """Return whether a job exports exactly this; where the order leaves the choice to the service, any choice."""
        try:
            theirs = ExportJobOrder.from_job(job)
            return _normalized(self) == _normalized(theirs) and _agree(_optional(self), _optional(theirs))
        except (InvalidRequestError, ValueError):
            # another user's job, in a form that we would not order
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
    """Return the batches of both forms: one batch for all segments, or one for each; an empty id counts as none."""
    batches = destination.get("batches") or []
    entries = [batches] if isinstance(batches, dict) else list(batches)
    found: dict[str, JobBatch] = {}
    for entry in ({"batchId": destination.get("batchId")}, *entries):
        if batch_id := entry.get("batchId"):
            found[batch_id] = JobBatch(batch_id, entry.get("segmentId") or None, entry.get("segmentNs"))
    return tuple(found.values())


def _normalized(order: ExportJobOrder) -> dict[str, Any]:
    """Return an order with its defaults, and with the same text for the same meaning."""
    document, destination = order.document, order.document["destination"]
    filters = document.get("filter") or {}
    qualified = filters.get("segmentQualificationTime") or {}
    events = (document.get("additionalFields") or {}).get("eventList") or {}
    return {
        "dataset": _dataset_id(document),
        "per batch": bool(destination.get("segmentPerBatch")) and bool(order.segments),
        "schema": document["schema"]["name"],
        "fields": sorted(parse_list(document.get("fields"))),
        "segments": sorted(
            (segment["segmentId"], segment.get("segmentNs") or "ups") for segment in order.segments
        ),
        "qualified": [_parse_time(qualified.get(name)) for name in ("startTime", "endTime")],
        "ingested": _parse_time(filters.get("fromIngestTimestamp")),
        "empty": bool(filters.get("emptyProfiles")),
        "event fields": sorted(parse_list(events.get("fields"))),
        "events": {name: _parse_time(value) for name, value in (events.get("filter") or {}).items()},
    }


def _optional(order: ExportJobOrder) -> dict[str, Any]:
    """Return the settings that the service chooses where an order leaves them out."""
    policy = order.document.get("mergePolicy") or {}
    evaluation = order.document.get("evaluationInfo") or {}
    return {
        **{f"policy {name}": str(value) for name, value in policy.items() if value is not None},
        **{f"evaluation {name}": value for name, value in evaluation.items()},
        **{
            f"status {segment['segmentId']}": sorted(segment["status"])
            for segment in order.segments
            if segment.get("status")
        },
    }


def _agree(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    # the service does not report evaluationInfo
    return all(theirs.get(name, value) == value for name, value in ours.items())


def _dataset_id(document: Mapping[str, Any]) -> str | None:
    destination = document.get("destination") or {}
    return destination.get("datasetId") or destination.get("dataSetId")


def _parse_time(text: str | None) -> Any:
    return pendulum.parse(text) if text else None


def _from_milliseconds(milliseconds: Any) -> pendulum.DateTime | None:
    return pendulum.from_timestamp(int(milliseconds) / 1000) if milliseconds else None
