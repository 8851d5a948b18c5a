"""Export jobs: new, in work, then succeeded, failed, cancelled, or stuck; and the batches that they fill."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.adobe.documents import File, Noise, Profiles, Segment
from airflow_provider_twexport.simulator.adobe.errors import refused_by_service
from airflow_provider_twexport.simulator.prng import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.simulator.adobe.settings import Settings

FIRST_ID = 100
ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
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

    def profiles(self, settings: Settings) -> range:
        """Tell which of the job's profiles are in it."""
        place, batches, total = self.job.batches.index(self), len(self.job.batches), settings.adobe_profiles
        return range(total * place // batches, total * (place + 1) // batches)

    def files(self, seed: int, settings: Settings) -> list[File]:
        """List the files of the dataset in it."""
        size, count = settings.adobe_file_bytes, settings.adobe_files
        if size is not None:
            # files of one batch are of several sizes
            return [Noise(seed, f"{self.id}-{n}", size - size * (n % 4) // 10) for n in range(count)]
        inside, segments = self.profiles(settings), tuple(map(_segment, self.segments))
        edges = [inside.start + len(inside) * n // count for n in range(count + 1)] if count else []
        return [
            Profiles(seed, f"{self.id}-{n}", first, stop, segments)
            for n, (first, stop) in enumerate(pairwise(edges))
        ]

    @property
    def segments(self) -> list[dict[str, Any]]:
        """The segments whose profiles are in it."""
        return [self.segment] if self.job.is_per_segment else self.job.segments


@dataclass(eq=False)
class Job:
    """One export job and how far it is."""

    id: int
    order: dict[str, Any]
    sandbox: str
    created: float
    status: str = "NEW"
    updated: float = 0.0
    batches: list[Batch] = field(default_factory=list)

    @property
    def created_ms(self) -> int:
        """When it was ordered, in milliseconds."""
        return int(self.created * 1000)

    @property
    def cursor(self) -> str:
        """Its place in the list, as the service writes it."""
        return f"{self.created_ms}_{self.id}"

    @property
    def place(self) -> tuple[int, int]:
        """Its place in the list."""
        return self.created_ms, self.id

    @property
    def segments(self) -> list[dict[str, Any]]:
        """What it was asked to export; nothing for all profiles."""
        return list((self.order.get("filter") or {}).get("segments") or [])

    @property
    def is_per_segment(self) -> bool:
        """Whether each segment gets a batch of its own."""
        return bool(self.order["destination"].get("segmentPerBatch")) and bool(self.segments)

    def move(self, now: float, seed: int, settings: Settings) -> None:
        """Catch up with the clock."""
        begins = self.created + settings.adobe_queue_seconds
        if self.status == "NEW" and now >= begins:
            self.status, self.updated = "PROCESSING", begins
        if self.status != "PROCESSING" or settings.adobe_job_seconds is None:
            return
        ends = begins + settings.adobe_job_seconds
        if now >= ends:
            self.status, self.updated = settings.adobe_outcome, ends
            self._fill(seed)

    def cancel(self, now: float, settings: Settings) -> None:
        """Stop, unless it has ended."""
        if self.status not in ENDED:
            self.status, self.updated = settings.adobe_cancelled_status, now

    def _fill(self, seed: int) -> None:
        segments = self.segments if self.is_per_segment else [(self.segments or [{}])[0]]
        if self.status == "SUCCEEDED":
            self.batches = [
                Batch(uuid.UUID(int=number(seed, self.id, place) << 64).hex, self, segment)
                for place, segment in enumerate(segments)
            ]

    def to_json(self, settings: Settings, org_id: str, status: str | None = None) -> dict[str, Any]:
        """Write the job as the service does."""
        status = status or self.status
        failed = status == "FAILED" or (status == "SUCCEEDED" and settings.adobe_errors_on_success)
        return {
            "id": self.id,
            "jobType": "BATCH",
            **self.order,
            "destination": self._destination(settings),
            "imsOrgId": org_id,
            "status": status,
            "profileInstanceId": "ups",
            "errors": ERRORS if failed else [],
            "metrics": self._metrics(settings),
            "computeGatewayJobId": {
                "exportJob": str(uuid.UUID(int=number(self.id, "export"))),
                "pushJob": str(uuid.UUID(int=number(self.id, "push"))),
            },
            "creationTime": self.created_ms,
            "updateTime": int((self.updated or self.created) * 1000),
            "requestId": str(uuid.UUID(int=number(self.id, "request"))),
        }

    def _destination(self, settings: Settings) -> dict[str, Any]:
        asked = self.order["destination"]
        told: dict[str, Any] = {
            settings.adobe_dataset_key: asked["datasetId"],
            "segmentPerBatch": self.is_per_segment,
        }
        entries = [self._entry(batch, settings) for batch in self.batches]
        is_object = settings.adobe_batches_form == "object" and len(entries) == 1
        if not self.is_per_segment:
            told["batchId"] = self.batches[0].id if self.batches else ""
        if entries:
            told["batches"] = entries[0] if is_object else entries
        return told

    def _entry(self, batch: Batch, settings: Settings) -> dict[str, Any]:
        status = batch.segment.get("status") or ["realized"]
        is_object = settings.adobe_batches_form == "object"
        return {
            "segmentId": batch.segment.get("segmentId", ""),
            "segmentNs": batch.segment.get("segmentNs", "ups"),
            "status": status if is_object else status[0],
            "batchId": batch.id,
        }

    def _metrics(self, settings: Settings) -> dict[str, Any]:
        began, ended = self.created_ms, int((self.updated or self.created) * 1000)
        span = {"startTimeInMs": began, "endTimeInMs": ended, "totalTimeInMs": ended - began}
        times = dict.fromkeys(("totalTime", "profileExportTime", "aCPDatasetWriteTime"), span)
        if self.status != "SUCCEEDED":
            return times
        count = settings.adobe_profiles
        return {
            **times,
            "totalExportedProfileCounter": count,
            "exportedProfileByNamespaceCounter": {"namespace1": count},
        }


class Jobs:
    """All jobs, in the order in which they were created."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._jobs: dict[int, Job] = {}

    def __iter__(self) -> Iterator[Job]:
        """Go through them, the oldest first."""
        return iter(self._jobs.values())

    def create(self, order: dict[str, Any], sandbox: str, now: float) -> Job:
        """Begin a job; the same order twice makes two, because the service knows no idempotency key."""
        job = Job(FIRST_ID + len(self._jobs), order, sandbox, now)
        self._jobs[job.id] = job
        return job

    def get(self, job_id: str, sandbox: str) -> Job:
        """Find a job of a sandbox."""
        job = self._jobs.get(int(job_id)) if job_id.isdigit() else None
        if job is None or job.sandbox != sandbox:
            raise refused_by_service(404, f"Export job {job_id} not found")
        return job

    def newest(self, sandbox: str) -> list[Job]:
        """List the jobs of a sandbox, the newest first."""
        return [job for job in reversed(self._jobs.values()) if job.sandbox == sandbox]

    def batch(self, batch_id: str) -> Batch:
        """Find a batch."""
        found = [batch for job in self for batch in job.batches if batch.id == batch_id]
        if not found:
            raise refused_by_service(404, f"Batch {batch_id} not found")
        return found[0]

    def move(self, now: float, settings: Settings) -> None:
        """Catch up with the clock."""
        for job in self:
            job.move(now, self._seed, settings)

    def repeated(self) -> int:
        """Count the jobs that order what one before them had ordered already."""
        orders = [(job.sandbox, repr(sorted(job.order.items()))) for job in self]
        return len(orders) - len(set(orders))


def _segment(told: dict[str, Any]) -> Segment:
    status = (told.get("status") or ["realized"])[0]
    return Segment(told["segmentId"], told.get("segmentNs", "ups"), status)
