"""Waiting for an Adobe export job, or a run of a dataset export, from the triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_twexport.hooks.adobe import client_for
from airflow_provider_twexport.triggers.base import ConnectionPoll, Export, ExportTrigger

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.adobe.flow_runs import FlowRun
    from airflow_provider_twexport.adobe.models import ExportJob

# so many pages of the list are requested, and more while that is cheaper than a request for each job that is missing
MIN_PAGES = 5
JOBS_PER_PAGE = 100


class AdobeExportJobTrigger(ExportTrigger["AdobeClient", "ExportJob"]):
    """Wait until an export job has ended; :class:`ExportTrigger` documents its events and other parameters.

    :param job_id: the job.
    :param adobe_conn_id: Airflow connection; read again for each poll, so that a new secret is used.
    :param poke_interval: seconds between two polls.
    :param deadline: seconds since the epoch after which the wait times out.
    :param cancel_on_kill: cancel the job if somebody fails, clears or marks the deferred task (Airflow 3.3 on).
    """

    noun = "Export job"
    own_fields = ("job_id", "adobe_conn_id")

    def __init__(
        self,
        job_id: str,
        adobe_conn_id: str,
        poke_interval: float,
        deadline: float,
        cancel_on_kill: bool = True,
    ) -> None:
        super().__init__(poke_interval, deadline, cancel_on_kill)
        self.job_id = job_id
        self.adobe_conn_id = adobe_conn_id

    def poll(self) -> ConnectionPoll[AdobeClient, ExportJob]:
        """Return the poll of the connection in the running event loop."""
        return _JobPoll.of(self.adobe_conn_id)

    def cancel(self, client: AdobeClient) -> str:
        """Cancel the job and return what that means."""
        client.cancel_export_job(self.job_id)
        return f"Marked export job {self.job_id} for cancellation."


class _AdobePoll(ConnectionPoll["AdobeClient", Export]):
    """A poll whose client is kept while the connection stays the same: its token is valid for a day."""

    _connected_with: str | None = None

    def client(self, connection: Connection) -> AdobeClient:
        uri = connection.get_uri()
        if self._client is None or uri != self._connected_with:
            self._connected_with = uri
            return client_for(connection)
        return self._client


class AdobeDatasetExportTrigger(ExportTrigger["AdobeClient", "FlowRun"]):
    """Wait until a run of a dataset export has ended; :class:`ExportTrigger` documents its events.

    :param run_id: the run.
    :param adobe_conn_id: Airflow connection; read again for each poll, so that a new secret is used.
    :param poke_interval: seconds between two polls.
    :param deadline: seconds since the epoch after which the wait times out.
    :param cancel_on_kill: has no effect, because Adobe has no call that ends a run.
    """

    noun = "Run"
    own_fields = ("run_id", "adobe_conn_id")

    def __init__(
        self,
        run_id: str,
        adobe_conn_id: str,
        poke_interval: float,
        deadline: float,
        cancel_on_kill: bool = False,
    ) -> None:
        super().__init__(poke_interval, deadline, cancel_on_kill)
        self.run_id = run_id
        self.adobe_conn_id = adobe_conn_id

    def poll(self) -> ConnectionPoll[AdobeClient, FlowRun]:
        """Return the poll of the connection in the running event loop."""
        return _RunPoll.of(self.adobe_conn_id)

    def cancel(self, client: AdobeClient) -> str:
        """Return that the run goes on."""
        return f"Run {self.run_id} goes on: Adobe has no call that ends it."


class _JobPoll(_AdobePoll["ExportJob"]):
    """One list for all jobs, newest first and page by page, and one request for each that the list lacks."""

    def list_exports(self, client: AdobeClient, wanted: frozenset[str]) -> dict[str, ExportJob]:
        jobs: dict[str, ExportJob] = {}
        missing = set(wanted)
        for number, job in enumerate(client.iter_export_jobs(page=JOBS_PER_PAGE), 1):
            jobs[job.id] = job
            missing.discard(job.id)
            pages, is_inside = divmod(number, JOBS_PER_PAGE)
            if not missing or (not is_inside and pages >= max(MIN_PAGES, len(missing))):
                break
        return jobs

    def get_export(self, client: AdobeClient, export_id: str) -> ExportJob:
        return client.get_export_job(export_id)


class _RunPoll(_AdobePoll["FlowRun"]):
    """One request for each run: the service lists the runs of one dataflow only."""

    def list_exports(self, client: AdobeClient, wanted: frozenset[str]) -> dict[str, FlowRun]:
        return {}

    def get_export(self, client: AdobeClient, export_id: str) -> FlowRun:
        return client.get_flow_run(export_id)
