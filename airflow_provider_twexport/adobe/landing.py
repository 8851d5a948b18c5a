"""Lands an export job: its batches and their files, each byte for byte."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from itertools import tee
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.adobe.models import JobStatus
from airflow_provider_twexport.adobe.ranged_download import RANGE_BYTES, RangedDownload
from airflow_provider_twexport.core.dataset import Dataset
from airflow_provider_twexport.core.progress import Progress
from airflow_provider_twexport.exceptions import ExportFailedError, NotFoundError, NotReadyError
from airflow_provider_twexport.storage.file_landing import FileLanding, SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.adobe.models import CatalogBatch, DataFile, ExportJob, JobBatch
    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.manifest import Manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _LandedBatch:
    """A batch whose listed files have landed.

    :param rows: in these files; ``None`` if that is unknown.
    """

    batch: JobBatch
    catalog: CatalogBatch
    files: list[SourceFile]
    rows: int | None

    def check(self, job_id: str) -> None:
        """Check that the files are all that the catalog counts.

        :raises NotReadyError: if there are fewer.
        """
        counted = {
            "files": (len(self.files), self.catalog.files),
            "records": (self.rows if self.files else 0, self.catalog.records),
        }
        for what, (landed, written) in counted.items():
            if landed is not None and written is not None and landed < written:
                raise NotReadyError(
                    f"Batch {self.batch.id} of export job {job_id} has {written:,} {what}, but only {landed:,} are "
                    "listed yet. Retry later."
                )


def _check_profiles(job: ExportJob, landed: list[_LandedBatch]) -> None:
    """Check that the batches hold as many profiles as the job counts, or that the job counts none.

    :raises NotReadyError: if there are fewer.
    """
    rows = [each.rows if each.files else 0 for each in landed]
    known = sum(count for count in rows if count is not None)
    is_counted = any(each.catalog.records is not None for each in landed) or job.profiles is not None
    if not is_counted and not any(each.files for each in landed):
        raise NotReadyError(
            f"Export job {job.id} has no files, and nothing says that it is empty. Retry later."
        )
    if None not in rows and known < (job.profiles or 0):
        raise NotReadyError(
            f"Export job {job.id} exported {job.profiles:,} profiles, but only {known:,} are listed yet. Retry later."
        )


@dataclass(frozen=True, slots=True)
class JobLanding:
    """Lands the files of one job in one directory.

    :param client: of the service.
    :param job_id: the export job.
    :param range_bytes: bytes per request.
    """

    client: AdobeClient
    job_id: str
    range_bytes: int = RANGE_BYTES
    # what is behind an id, so that another look at a batch requests only what has not landed
    _known: dict[str, list[DataFile]] = field(default_factory=dict, init=False, repr=False)

    def open(self, directory: StoragePath) -> FileLanding:
        """Start the landing, resume it, or find that it is complete.

        :param directory: of this landing and no other.
        """
        return FileLanding.open(directory, source=self._identity)

    @property
    def _identity(self) -> dict[str, Any]:
        return {
            "system": "adobe",
            "owner": self.job_id,
            "job_id": self.job_id,
            "export_id": self.job_id,
            "sandbox": self.client.sandbox,
        }

    def land(self, landing: FileLanding) -> Manifest:
        """Copy the missing files and return the manifest; resumes where an earlier attempt ended.

        Files are copied while more are listed. Whether all are here is known only after that: by the number of batches
        that the job must have, and by what the catalog counts in each.

        :param landing: an open landing.
        :raises NotReadyError: if the job, a batch of it, or a file of a batch, is not there yet.
        :raises ExportFailedError: if the job, or a batch of it, ended without the export.
        """
        self._succeeded_job()
        for seconds in self.client.timing.batch_ready:
            try:
                return self._land_once(landing)
            except NotReadyError as error:
                log.info("%s Looking again in %.0f s.", error.message, seconds)
                time.sleep(seconds)
        return self._land_once(landing)

    def _land_once(self, landing: FileLanding) -> Manifest:
        """Copy what is listed and not here, and commit if that is everything."""
        job = self._job_with_batches()
        landed = [self._land_batch(landing, batch) for batch in job.batches]
        _check_profiles(job, landed)
        files = [file for each in landed for file in each.files]
        return landing.commit(files, self._source(job, landed))

    def _succeeded_job(self) -> ExportJob:
        job = self.client.get_export_job(self.job_id)
        job.check_status()
        if job.is_unfinished:
            raise NotReadyError(
                f"Export job {job.id} is {job.raw_status}: wait for it with AdobeExportJobSensor before you land it."
            )
        if job.status is not JobStatus.SUCCEEDED:
            errors = "; ".join(job.errors) or "no message"
            raise ExportFailedError(
                f"Export job {job.id} is {job.raw_status} ({errors}), so there is nothing to land. "
                "To order it again, clear the task that created it.",
                facts=job.facts,
            )
        return job

    def _job_with_batches(self) -> ExportJob:
        job = self._succeeded_job()
        if job.profiles != 0 and (job.missing_batches or not job.batches):
            raise NotReadyError(
                f"Export job {job.id} succeeded, but names {len(job.batches)} of "
                f"{len(job.batches) + max(1, job.missing_batches)} batches. Retry later."
            )
        return job

    def _land_batch(self, landing: FileLanding, batch: JobBatch) -> _LandedBatch:
        """Copy the files of a batch that are not here, while the others are listed."""
        catalog = self._readable_batch(batch)
        listed: list[SourceFile] = []

        def missing() -> Iterator[tuple[SourceFile, DataFile]]:
            for file in self._list_files(landing, batch):
                listed.append(_source_file(file))
                if not landing.has(listed[-1]):
                    yield listed[-1], file

        progress = Progress(catalog.files, landing.landed_files, "files")
        ahead, in_order = tee(missing())
        wanted = (file for _, file in ahead)
        with RangedDownload(self.client.read, wanted, self.client.timing.retry, self.range_bytes) as download:
            for source, file in in_order:
                landing.copy(source, download.bytes_of(file))
                progress.report(landing.landed_files, landing.landed_bytes)
        landed = _LandedBatch(batch, catalog, listed, landing.rows(listed))
        landed.check(self.job_id)
        return landed

    def _list_files(self, landing: FileLanding, batch: JobBatch) -> Iterator[DataFile]:
        for file_id, files in list(self._known.items()):
            if not all(landing.has(_source_file(file)) for file in files):
                del self._known[file_id]
        try:
            yield from self.client.list_files(batch.id, self._known)
        except NotFoundError as error:
            raise NotReadyError(
                f"Not all files of batch {batch.id} of export job {self.job_id} are there. Retry later.",
                error.evidence,
            ) from None

    def _readable_batch(self, batch: JobBatch) -> CatalogBatch:
        catalog = self.client.get_batch(batch.id)
        name = f"Batch {batch.id} of export job {self.job_id}"
        if catalog is None:
            raise NotReadyError(f"{name} is not in Adobe's catalog yet. Retry later.")
        errors = "; ".join(catalog.errors) or "no message"
        if catalog.is_lost:
            raise ExportFailedError(
                f"{name} is {catalog.status} ({errors}): it cannot be read. Look at it in Adobe."
            )
        if not catalog.is_readable:
            raise NotReadyError(f"{name} is still {catalog.status or 'without a status'}. Retry later.")
        return catalog

    def _source(self, job: ExportJob, landed: list[_LandedBatch]) -> dict[str, Any]:
        """Return the manifest's ``source``; parts are in the order of the batches, so the counts assign them."""
        return self._identity | {
            "scope": job.dataset_id,
            "dataset_id": job.dataset_id,
            "status": str(job.status),
            "profiles": job.profiles,
            "filter": job.document.get("filter"),
            "fields": job.document.get("fields"),
            "batches": [
                {
                    "batch_id": each.batch.id,
                    "segment_id": each.batch.segment_id,
                    "segment_namespace": each.batch.segment_namespace,
                    "files": len(each.files),
                    "records": each.catalog.records,
                }
                for each in landed
            ],
        }


def _source_file(file: DataFile) -> SourceFile:
    return SourceFile(f"{file.id}/{file.name}", _suffix(file.name), file.size)


def _suffix(name: str) -> str:
    """Return the suffix of a file's name: at most its last two alphanumeric parts after a dot."""
    suffixes = [part for part in name.split(".")[1:] if part.isalnum()]
    return ".".join(suffixes[-2:]) or "bin"


def dataset(source: Mapping[str, Any]) -> Dataset:
    """Return where the files of a landing come from.

    :param source: of the manifest.
    """
    return Dataset("adobe://platform.adobe.io", f"{source.get('sandbox')}/{source.get('dataset_id')}")
