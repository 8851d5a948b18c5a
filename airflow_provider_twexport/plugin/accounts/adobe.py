"""What Adobe tells of a connection: its sandbox's export jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.adobe.models import JobStatus
from airflow_provider_twexport.core.timing import ONCE
from airflow_provider_twexport.exceptions import AlreadyEndedError
from airflow_provider_twexport.hooks.adobe import AdobeExperiencePlatformHook, client_for
from airflow_provider_twexport.plugin.accounts.base import Orders, Rows, connection
from airflow_provider_twexport.plugin.landed import job_name
from airflow_provider_twexport.plugin.rows import Export, Flag, in_order

if TYPE_CHECKING:
    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.adobe.models import ExportJob
    from airflow_provider_twexport.plugin.landed import Landed

# five questions; a sandbox keeps its jobs for ever, and a look must not read them all
MOST_JOBS = 500


class AdobeAccount(Orders):
    """A connection to a sandbox of Adobe Experience Platform."""

    conn_type = AdobeExperiencePlatformHook.conn_type
    _signed: tuple[tuple[object, ...], AdobeClient] | None = None

    def abort(self, export_id: str) -> str:
        """Cancel a job and say what that means."""
        client = self._client()
        job = client.get_export_job(export_id)
        if not _is_unfinished(job):
            raise AlreadyEndedError(f"Export job {export_id} has ended already: it is {job.raw_status}.")
        client.cancel_export_job(export_id)
        self.rows.forget()
        return f"Export job {export_id} is being cancelled."

    def _client(self) -> AdobeClient:
        """Return the client of the last look, which has an access token, unless the connection has changed."""
        told = connection(self.conn_id)
        facts = (told.schema, told.host, told.port, told.login, told.password, told.extra)
        if self._signed is None or self._signed[0] != facts:
            self._signed = facts, client_for(told, ONCE)
        return self._signed[1]

    def _ask_rows(self) -> Rows:
        landed = self._surroundings().landed
        jobs = self._client().list_export_jobs(limit=MOST_JOBS)
        return Rows(tuple(in_order((_row(job, landed) for job in jobs), pendulum.now("UTC"))))


def _row(job: ExportJob, landed: Landed) -> Export:
    found = tuple(landed.by_export.get(job_name(job.id, job.dataset_id), ()))
    unfinished = _is_unfinished(job)
    return Export(
        id=job.id,
        known_as=job_name(job.id, job.dataset_id),
        status=job.raw_status.casefold(),
        is_unfinished=unfinished,
        created=job.created,
        messages=job.errors,
        exported=job.profiles,
        expected=None if unfinished else job.profiles,
        dataset_id=job.dataset_id,
        segments=len((job.document.get("filter") or {}).get("segments") or ()),
        landings=found,
        flags=(Flag.PARTIAL,) if found and not any(it.manifest.complete for it in found) else (),
    )


def _is_unfinished(job: ExportJob) -> bool:
    """Return whether to show a job as unfinished: not if it is being cancelled, nor if it is stuck."""
    return job.is_unfinished and not job.is_stuck and job.status is not JobStatus.CANCELLING
