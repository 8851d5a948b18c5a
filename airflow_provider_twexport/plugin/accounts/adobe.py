"""An Adobe connection on the page: its sandbox's export jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.adobe.models import JobStatus, segments_of
from airflow_provider_twexport.core.timing import ONCE
from airflow_provider_twexport.exceptions import AlreadyEndedError
from airflow_provider_twexport.hooks.adobe import AdobeExperiencePlatformHook, client_for
from airflow_provider_twexport.plugin.accounts.base import ExportAccount, Rows, connection
from airflow_provider_twexport.plugin.rows import ExportRow, Flag, in_order

if TYPE_CHECKING:
    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.adobe.models import ExportJob
    from airflow_provider_twexport.plugin.landed import Landed

# five requests; a sandbox keeps its jobs for ever, and a poll must not read them all
MAX_JOBS = 500
_COMMON_STATUS = {"succeeded": "finished", "cancelled": "aborted", "cancelling": "aborted"}


class AdobeAccount(ExportAccount):
    """A connection to a sandbox of Adobe Experience Platform."""

    conn_type = AdobeExperiencePlatformHook.conn_type
    service = AdobeExperiencePlatformHook.hook_name
    systems = ("adobe",)
    # two sandboxes may use the same job ids, but their datasets differ
    key_fields = ("dataset_id", "job_id")
    _authenticated: tuple[tuple[object, ...], AdobeClient] | None = None

    def abort(self, export_id: str) -> str:
        """Cancel a job and say what that means."""
        client = self._client()
        job = client.get_export_job(export_id)
        if not _is_unfinished(job):
            raise AlreadyEndedError(f"Export job {export_id} has ended already: it is {job.raw_status}.")
        client.cancel_export_job(export_id)
        self.rows.expire()
        return f"Export job {export_id} is being cancelled."

    def _client(self) -> AdobeClient:
        """Return the client of the last poll, which has an access token, unless the connection has changed."""
        found = connection(self.conn_id)
        fields = (found.schema, found.host, found.port, found.login, found.password, found.extra)
        if self._authenticated is None or self._authenticated[0] != fields:
            self._authenticated = fields, client_for(found, ONCE)
        return self._authenticated[1]

    def _read_rows(self) -> Rows:
        landed, jobs = self._context().landed, self._client().list_export_jobs(limit=MAX_JOBS)
        return Rows(tuple(in_order((_row(job, landed) for job in jobs), pendulum.now("UTC"))))


def _row(job: ExportJob, landed: Landed) -> ExportRow:
    key = AdobeAccount.key({"dataset_id": job.dataset_id, "job_id": job.id}) or job.id
    landings = landed.by_export.get(key, ())
    is_unfinished, status = _is_unfinished(job), job.raw_status.casefold()
    return ExportRow(
        id=job.id,
        key=key,
        status=status,
        common_status=_COMMON_STATUS.get(status, status),
        is_unfinished=is_unfinished,
        created=job.created,
        messages=job.errors,
        exported=job.profiles,
        expected=None if is_unfinished else job.profiles,
        dataset_id=job.dataset_id,
        segments=len(segments_of(job.document)),
        landings=tuple(it.address for it in landings),
        flags=(Flag.PARTIAL,) if landings and not any(it.manifest.complete for it in landings) else (),
    )


def _is_unfinished(job: ExportJob) -> bool:
    """Return whether to show a job as unfinished: not if it is being cancelled, nor if it is stuck."""
    return job.is_unfinished and not job.is_stuck and job.status is not JobStatus.CANCELLING
