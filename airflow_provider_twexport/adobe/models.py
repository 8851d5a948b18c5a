"""The export jobs, batches and files of Adobe Experience Platform.

Vendor pages "Export jobs endpoint" and "Data Access". The pages disagree about names and forms, and the service with
both. So a record accepts any of them, and keeps the document as received.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.adobe.wire_values import (
    read_count,
    read_errors,
    read_flag,
    read_list,
    read_mapping,
    read_time,
)
from airflow_provider_twexport.exceptions import UnexpectedResponseError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    :param missing_batches: how many more batches it must have: it mentions them without an id, or, where each segment
        has its own batch, not at all.
    :param profiles: how many were exported; ``None`` if the service does not say.
    :param document: the job as received.
    """

    id: str
    raw_status: str
    dataset_id: str | None
    batches: tuple[JobBatch, ...]
    missing_batches: int
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
        if not isinstance(body, dict) or body.get("id") is None:
            raise UnexpectedResponseError(
                "Adobe's response contains no export job: check the connection's host."
            )
        batches, missing = _batches(body)
        return cls(
            id=str(body["id"]),
            raw_status=str(body.get("status") or ""),
            dataset_id=dataset_id(body),
            batches=batches,
            missing_batches=missing,
            errors=read_errors(body.get("errors")),
            profiles=read_count(read_mapping(body.get("metrics")).get("totalExportedProfileCounter")),
            created=read_time(body.get("creationTime")),
            updated=read_time(body.get("updateTime")),
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
class DataFile:
    """A file of a batch.

    :param id: of the dataset file.
    :param name: of the file in it.
    :param size: bytes.
    """

    id: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class CatalogBatch:
    """A batch as the catalog reports it.

    :param status: in lower case; empty where the catalog does not say.
    :param records: how many were written; ``None`` if it does not say.
    :param files: how many hold them; ``None`` if it does not say.
    :param errors: why it failed, one text each.
    """

    status: str
    records: int | None
    files: int | None
    errors: tuple[str, ...]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> CatalogBatch:
        """Read the service's form."""
        counts = {**body, **read_mapping(body.get("metrics"))}
        return cls(
            status=str(body.get("status") or "").lower(),
            records=_first_count(counts, ("recordsWritten", "outputRecordCount")),
            files=_first_count(counts, ("outputFileCount", "fileCount")),
            errors=read_errors(body.get("errors")),
        )

    @property
    def is_readable(self) -> bool:
        """Return whether its files can be read."""
        return self.status in ("success", "active")

    @property
    def is_lost(self) -> bool:
        """Return whether it will never be readable."""
        return self.status in ("failure", "failed", "aborted", "abandoned", "inactive", "deleted")


def _first_count(counts: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((count for name in names if (count := read_count(counts.get(name))) is not None), None)


def _batches(document: Mapping[str, Any]) -> tuple[tuple[JobBatch, ...], int]:
    """Return the batches that a job names, and how many it must have besides: one for all segments, or one for each."""
    destination = read_mapping(document.get("destination"))
    found: dict[str, JobBatch] = {}
    entries = _batch_entries(destination.get("batches"))
    for entry in ({"batchId": destination.get("batchId")}, *entries):
        if batch_id := entry.get("batchId"):
            found[str(batch_id)] = JobBatch(
                str(batch_id), entry.get("segmentId") or None, entry.get("segmentNs")
            )
    unnamed = sum(not entry.get("batchId") for entry in entries)
    is_per_segment = read_flag(destination.get("segmentPerBatch"))
    segments = {segment.get("segmentId") for segment in segments_of(document)} if is_per_segment else set()
    return tuple(found.values()), max(unnamed, len(segments) - len(found))


def _batch_entries(batches: Any) -> list[Mapping[str, Any]]:
    """Return the entries of ``batches``: one, a list of them or of their ids, or an object by id."""
    if isinstance(batches, dict) and batches and all(isinstance(each, dict) for each in batches.values()):
        return [{"batchId": batch_id, **entry} for batch_id, entry in batches.items()]
    return [entry if isinstance(entry, dict) else {"batchId": entry} for entry in read_list(batches)]


def segments_of(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the segments of an order or a job."""
    listed = read_list(read_mapping(document.get("filter")).get("segments"))
    return tuple(read_mapping(segment) for segment in listed)


def schema_name(document: Mapping[str, Any]) -> str | None:
    """Return the name of the schema of an order or a job, if it has one."""
    schema = document.get("schema")
    return schema if isinstance(schema, str) else read_mapping(schema).get("name")


def dataset_id(document: Mapping[str, Any]) -> str | None:
    """Return the dataset of an order or a job, if it has one."""
    destination = read_mapping(document.get("destination"))
    return destination.get("datasetId") or destination.get("dataSetId")
