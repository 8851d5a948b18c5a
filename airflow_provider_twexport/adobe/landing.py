"""Lands an export job: its batches and their files, each byte for byte."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.adobe.models import DataFile, JobStatus
from airflow_provider_twexport.adobe.ranged_download import RANGE_BYTES, RangedDownload
from airflow_provider_twexport.core.dataset import Dataset
from airflow_provider_twexport.core.progress import Progress
from airflow_provider_twexport.exceptions import (
    ExportFailedError,
    NotReadyError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.storage.file_landing import FileLanding, SourceFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.adobe.models import ExportJob, JobBatch
    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.manifest import Manifest

log = logging.getLogger(__name__)

READABLE = frozenset({"success", "active"})
LOST = frozenset({"failure", "failed", "aborted", "abandoned", "inactive", "deleted"})


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

        :param landing: an open landing.
        :raises NotReadyError: if the job, or a batch of it, is not ready.
        :raises ExportFailedError: if the job, or a batch of it, ended without the export.
        """
        job = self._succeeded_job()
        files = {batch.id: self._files(batch) for batch in job.batches}
        listed = [file for found in files.values() for file in found]
        if job.profiles and not listed:
            raise NotReadyError(
                f"Export job {job.id} exported {job.profiles} profiles, but no files are listed yet. Retry later."
            )
        self._copy(landing, listed)
        return landing.commit(len(listed), self._source(job, files))

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
        if not job.batches and job.profiles != 0:
            raise UnexpectedResponseError(
                f"Export job {job.id} succeeded, but names no batch. Look at it in Adobe."
            )
        return job

    def _files(self, batch: JobBatch) -> list[DataFile]:
        self._wait_for(batch)
        return self.client.list_files(batch.id)

    def _wait_for(self, batch: JobBatch) -> None:
        for seconds in (*self.client.timing.batch_ready, None):
            status = self.client.get_batch_status(batch.id)
            if status in READABLE:
                return
            if status in LOST:
                raise ExportFailedError(
                    f"Batch {batch.id} of export job {self.job_id} is {status}: it cannot be read."
                )
            log.info("Batch %s is %s.", batch.id, status)
            if seconds is not None:
                time.sleep(seconds)
        raise NotReadyError(f"Batch {batch.id} of export job {self.job_id} is still {status}. Retry later.")

    def _copy(self, landing: FileLanding, listed: list[DataFile]) -> None:
        sources = [SourceFile(f"{file.id}/{file.name}", _suffix(file.name), file.size) for file in listed]
        missing = landing.missing(sources)
        wanted, total = listed[len(listed) - len(missing) :], sum(file.size for file in listed)
        progress = Progress(len(listed), len(listed) - len(missing), "files")
        with RangedDownload(self.client.read, wanted, self.client.timing.retry, self.range_bytes) as download:
            first = len(listed) - len(wanted) + 1
            for landed, (source, file) in enumerate(zip(missing, wanted, strict=True), first):
                landing.copy(source, download.bytes_of(file), total)
                progress.report(landed, landing.landed_bytes)

    def _source(self, job: ExportJob, files: dict[str, list[DataFile]]) -> dict[str, Any]:
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
                    "batch_id": batch.id,
                    "segment_id": batch.segment_id,
                    "segment_namespace": batch.segment_namespace,
                    "files": len(files[batch.id]),
                }
                for batch in job.batches
            ],
        }


def _suffix(name: str) -> str:
    """Return the suffix of a file's name: at most its last two alphanumeric parts after a dot."""
    suffixes = [part for part in name.split(".")[1:] if part.isalnum()]
    return ".".join(suffixes[-2:]) or "bin"


def dataset(source: Mapping[str, Any]) -> Dataset:
    """Return where the files of a landing come from.

    :param source: of the manifest.
    """
    return Dataset("adobe://platform.adobe.io", f"{source.get('sandbox')}/{source.get('dataset_id')}")
