"""Export jobs: new, processing, then succeeded, failed, cancelled, or stuck; and the batches that they write."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.adobe.account import ORG_ID
from airflow_provider_twexport.simulator.adobe.documents import File, ProfilesFile, RandomFile, Segment
from airflow_provider_twexport.simulator.adobe.errors import refused_by_service
from airflow_provider_twexport.simulator.prng import hash64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.simulator.adobe.settings import AdobeSettings

FIRST_ID = 100
FINAL_STATUSES = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
ERRORS = [
    {
        "code": "0100000003",
        "msg": "Error in Export Job",
        "callStack": "com.adobe.aep.unifiedprofile.common.logging.Logger",
    }
]


@dataclass(eq=False)
class Batch:
    """What a job writes for all its segments, or for one of them."""

    id: str
    job: Job
    segment: dict[str, Any]

    def profiles(self, settings: AdobeSettings) -> range:
        """Return which of the job's profiles are in it."""
        number, batches, total = self.job.batches.index(self), len(self.job.batches), settings.adobe_profiles
        return range(total * number // batches, total * (number + 1) // batches)

    def files(self, seed: int, settings: AdobeSettings) -> list[File]:
        """List its files."""
        size, count = settings.adobe_file_bytes, settings.adobe_files
        if size is not None:
            # files of one batch have several sizes
            return [RandomFile(seed, f"{self.id}-{n}", size - size * (n % 4) // 10) for n in range(count)]
        profiles, segments = self.profiles(settings), tuple(map(_segment, self.segments))
        edges = [profiles.start + len(profiles) * n // count for n in range(count + 1)] if count else []
        return [
            ProfilesFile(seed, f"{self.id}-{n}", first, stop, segments)
            for n, (first, stop) in enumerate(pairwise(edges))
        ]

    @property
    def segments(self) -> list[dict[str, Any]]:
        """The segments whose profiles are in it."""
        return [self.segment] if self.job.is_per_segment else self.job.segments


@dataclass(eq=False)
class Job:
    """One export job and its progress.

    :param order: what it was ordered to export, as the client wrote it.
    """

    id: int
    order: dict[str, Any]
    sandbox: str
    created: float
    status: str = "NEW"
    updated: float = 0.0
    batches: list[Batch] = field(default_factory=list)

    @property
    def created_ms(self) -> int:
        """When it was created, in epoch milliseconds."""
        return int(self.created * 1000)

    @property
    def list_key(self) -> tuple[int, int]:
        """Its position in the list."""
        return self.created_ms, self.id

    @property
    def cursor(self) -> str:
        """Its position in the list, as the service writes it."""
        return f"{self.created_ms}_{self.id}"

    @property
    def segments(self) -> list[dict[str, Any]]:
        """The segments that it exports; none for all profiles."""
        return list((self.order.get("filter") or {}).get("segments") or [])

    @property
    def is_per_segment(self) -> bool:
        """Whether each segment gets a batch of its own."""
        return bool(self.order["destination"].get("segmentPerBatch")) and bool(self.segments)

    def advance(self, now: float, seed: int, settings: AdobeSettings) -> None:
        """Bring the status up to date with the clock."""
        starts = self.created + settings.adobe_queue_seconds
        if self.status == "NEW" and now >= starts:
            self.status, self.updated = "PROCESSING", starts
        if self.status != "PROCESSING" or settings.adobe_job_seconds is None:
            return
        ends = starts + settings.adobe_job_seconds
        if now >= ends:
            self.status, self.updated = settings.adobe_outcome, ends
            self._write_batches(seed)

    def cancel(self, now: float, settings: AdobeSettings) -> None:
        """Stop, unless it has ended."""
        if self.status not in FINAL_STATUSES:
            self.status, self.updated = settings.adobe_cancelled_status, now

    def to_json(self, settings: AdobeSettings, now: float, status: str | None = None) -> dict[str, Any]:
        """Return the job as the service shows it.

        :param status: shown instead of its own.
        """
        status = status or self.status
        has_errors = status == "FAILED" or (status == "SUCCEEDED" and settings.adobe_errors_on_success)
        return {
            "id": self.id,
            "jobType": "BATCH",
            **(rewritten(self.order) if settings.adobe_echo == "rewritten" else self.order),
            "destination": self._destination(settings, now),
            "imsOrgId": ORG_ID,
            "status": status,
            "profileInstanceId": "ups",
            "errors": _errors(settings) if has_errors else [],
            "metrics": self._metrics(settings, status),
            "computeGatewayJobId": {
                "exportJob": str(uuid.UUID(int=hash64(self.id, "export"))),
                "pushJob": str(uuid.UUID(int=hash64(self.id, "push"))),
            },
            "creationTime": settings.time(self.created_ms),
            "updateTime": settings.time(int((self.updated or self.created) * 1000)),
            "requestId": str(uuid.UUID(int=hash64(self.id, "request"))),
        }

    def _write_batches(self, seed: int) -> None:
        segments = self.segments if self.is_per_segment else [(self.segments or [{}])[0]]
        if self.status == "SUCCEEDED":
            self.batches = [
                Batch(uuid.UUID(int=hash64(seed, self.id, number) << 64).hex, self, segment)
                for number, segment in enumerate(segments)
            ]

    def _destination(self, settings: AdobeSettings, now: float) -> dict[str, Any]:
        destination: dict[str, Any] = {
            settings.adobe_dataset_key: self.order["destination"]["datasetId"],
            "segmentPerBatch": self.is_per_segment,
        }
        batches = [self._batch_json(batch, settings) for batch in self.batches]
        lags = now < self.updated + settings.adobe_batch_ids_lag_seconds
        if lags and batches:
            last = batches.pop()
            if settings.adobe_batch_ids_lack == "id":
                batches.append({**last, "batchId": ""})
        if not self.is_per_segment:
            destination["batchId"] = self.batches[0].id if self.batches and not lags else ""
        if batches:
            destination["batches"] = _in_form(settings.adobe_batches_form, batches)
        return destination

    def _batch_json(self, batch: Batch, settings: AdobeSettings) -> dict[str, Any]:
        status = batch.segment.get("status") or ["realized"]
        is_object = settings.adobe_batches_form == "object"
        return {
            "segmentId": batch.segment.get("segmentId", ""),
            "segmentNs": batch.segment.get("segmentNs", "ups"),
            "status": status if is_object else status[0],
            "batchId": batch.id,
        }

    def _metrics(self, settings: AdobeSettings, status: str) -> dict[str, Any]:
        start, end = self.created_ms, int((self.updated or self.created) * 1000)
        span = {"startTimeInMs": start, "endTimeInMs": end, "totalTimeInMs": end - start}
        times = dict.fromkeys(("totalTime", "profileExportTime", "aCPDatasetWriteTime"), span)
        if status != "SUCCEEDED":
            return times
        if not settings.adobe_profile_counter:
            return times
        count = settings.count(settings.adobe_profiles)
        return {
            **times,
            "totalExportedProfileCounter": count,
            "exportedProfileByNamespaceCounter": {"namespace1": count},
        }


class Jobs:
    """All jobs, in order of creation."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._jobs: dict[int, Job] = {}

    def __iter__(self) -> Iterator[Job]:
        """Iterate over them, the oldest first."""
        return iter(self._jobs.values())

    def create(self, order: dict[str, Any], sandbox: str, now: float) -> Job:
        """Create a job; the same order twice creates two, because the service has no idempotency key."""
        job = Job(FIRST_ID + len(self._jobs), order, sandbox, now)
        self._jobs[job.id] = job
        return job

    def get(self, job_id: str, sandbox: str) -> Job:
        """Return a job of a sandbox."""
        job = self._jobs.get(int(job_id)) if job_id.isdigit() else None
        if job is None or job.sandbox != sandbox:
            raise refused_by_service(404, f"Export job {job_id} not found")
        return job

    def newest_first(self, sandbox: str) -> list[Job]:
        """List the jobs of a sandbox, the newest first."""
        return [job for job in reversed(self._jobs.values()) if job.sandbox == sandbox]

    def batch(self, batch_id: str) -> Batch:
        """Return a batch."""
        for job in self:
            for batch in job.batches:
                if batch.id == batch_id:
                    return batch
        raise refused_by_service(404, f"Batch {batch_id} not found")

    def advance(self, now: float, settings: AdobeSettings) -> None:
        """Bring all jobs up to date with the clock."""
        for job in self:
            job.advance(now, self._seed, settings)

    def repeated_orders(self) -> int:
        """Count the jobs that repeat the order of an earlier one."""
        orders = [(job.sandbox, repr(sorted(job.order.items()))) for job in self]
        return len(orders) - len(set(orders))


def rewritten(order: dict[str, Any]) -> dict[str, Any]:
    """Return an order in another form that means the same."""
    echo: dict[str, Any] = dict(reversed(order.items()))
    if isinstance(fields := echo.get("fields"), str):
        echo["fields"] = fields.split(",")
    if policy := echo.get("mergePolicy"):
        version = policy.get("version", "latest")
        echo["mergePolicy"] = {**policy, "version": float(version) if isinstance(version, int) else version}
    filters = {"emptyProfiles": False, **(echo.get("filter") or {})}
    if segments := filters.get("segments"):
        filters["segments"] = [{"segmentNs": "ups", "status": ["realized"], **one} for one in segments]
    filters["segmentQualificationTime"] = filters.get("segmentQualificationTime")
    return {**echo, "filter": filters, "additionalFields": echo.get("additionalFields")}


def _errors(settings: AdobeSettings) -> Any:
    text = f"{ERRORS[0]['code']}: {ERRORS[0]['msg']}"
    return {"array": ERRORS, "object": ERRORS[0], "text": text}[settings.adobe_errors_form]


def _in_form(form: str, batches: list[dict[str, Any]]) -> Any:
    if form == "map":
        return {batch["batchId"]: batch for batch in batches}
    if form == "ids":
        return [batch["batchId"] for batch in batches]
    return batches[0] if form == "object" and len(batches) == 1 else batches


def _segment(content: dict[str, Any]) -> Segment:
    status = (content.get("status") or ["realized"])[0]
    return Segment(content["segmentId"], content.get("segmentNs", "ups"), status)
