"""Wait for an Adobe export job, or for a run of a dataset export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.compat import conf
from airflow_provider_twexport.hooks.adobe import AdobeExperiencePlatformHook
from airflow_provider_twexport.sensors.base import ExportSensor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.adobe.flow_runs import FlowRun
    from airflow_provider_twexport.adobe.models import ExportJob
    from airflow_provider_twexport.triggers.adobe import AdobeDatasetExportTrigger, AdobeExportJobTrigger


class AdobeExportJobSensor(ExportSensor["AdobeClient", "ExportJob"]):
    """Wait until an export job has succeeded; only its status decides, because such a job may also report errors.

    Returns ``{"job_id", "status", "dataset_id", "batch_ids", "profiles"}``. The result and the exceptions are the same
    in poke, reschedule and deferrable mode. An undocumented status is an error after ten minutes.

    :param job_id: the job.
    :param adobe_conn_id: Airflow connection.
    :param poke_interval: seconds between two polls.
    :param deferrable: wait in the triggerer, without a worker slot.
    :param cancel_on_kill: cancel the job when the task is killed, failed or cleared while it waits, and when its
        ``timeout`` or ``execution_timeout`` is over; both count from the task's start, also while it is deferred.
    """

    template_fields: Sequence[str] = ("job_id", "adobe_conn_id")
    ui_color = "#eaf7ea"
    noun = "Export job"
    system = "adobe"

    def __init__(
        self,
        *,
        job_id: str,
        adobe_conn_id: str = AdobeExperiencePlatformHook.default_conn_name,
        poke_interval: timedelta | float = 60,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            poke_interval=poke_interval, deferrable=deferrable, cancel_on_kill=cancel_on_kill, **kwargs
        )
        self.job_id = job_id
        self.adobe_conn_id = adobe_conn_id

    @property
    def export_key(self) -> str:
        """The job's id."""
        from airflow_provider_twexport.adobe.wire_values import clean_id

        return clean_id(self.job_id)

    def connect(self) -> AdobeClient:
        """Return a client."""
        return AdobeExperiencePlatformHook(self.adobe_conn_id).get_conn()

    def look(self, client: AdobeClient) -> ExportJob:
        """Request the job."""
        return client.get_export_job(self.export_key)

    def read(self, export: dict[str, Any]) -> ExportJob:
        """Return the job in the trigger's event."""
        from airflow_provider_twexport.adobe.models import ExportJob

        return ExportJob.from_json(export)

    def outcome(self, export: ExportJob) -> dict[str, Any]:
        """Return what was exported, or raise."""
        from airflow_provider_twexport.adobe.models import JobStatus
        from airflow_provider_twexport.exceptions import ExportFailedError

        errors = "; ".join(export.errors)
        if export.status is not JobStatus.SUCCEEDED:
            raise ExportFailedError(
                f"Export job {export.id} is {export.raw_status} ({errors or 'no message'}). "
                "To order it again, clear the task that created it.",
                facts=export.facts,
            )
        if errors:
            self.log.warning("Export job %s succeeded, but reports errors: %s", export.id, errors)
        return {
            "job_id": export.id,
            "status": str(export.status),
            "dataset_id": export.dataset_id,
            "batch_ids": [batch.id for batch in export.batches],
            "profiles": export.profiles,
        }

    def trigger(self, deadline: float) -> AdobeExportJobTrigger:
        """Return the trigger that waits for the job."""
        from airflow_provider_twexport.triggers.adobe import AdobeExportJobTrigger

        return AdobeExportJobTrigger(
            job_id=self.export_key,
            adobe_conn_id=self.adobe_conn_id,
            poke_interval=self.poke_interval,
            deadline=deadline,
            cancel_on_kill=self.cancel_on_kill,
        )

    def cancel_now(self) -> None:
        """Cancel the job."""
        if self._client:
            self._client.cancel_when_killed(self.export_key)


class AdobeDatasetExportSensor(ExportSensor["AdobeClient", "FlowRun"]):
    """Wait until a run of a dataset export has written everything.

    Returns ``{"run_id", "flow_id", "status", "files", "records", "bytes"}``; what Adobe does not count is ``None``.
    The result and the exceptions are the same in poke, reschedule and deferrable mode. Adobe has no call that ends a
    run, so a killed sensor leaves it running. An undocumented status is an error after ten minutes.

    :param run_id: the run.
    :param adobe_conn_id: Airflow connection.
    :param poke_interval: seconds between two polls.
    :param deferrable: wait in the triggerer, without a worker slot.
    """

    template_fields: Sequence[str] = ("run_id", "adobe_conn_id")
    ui_color = "#eaf7ea"
    noun = "Run"
    system = "adobe"

    def __init__(
        self,
        *,
        run_id: str,
        adobe_conn_id: str = AdobeExperiencePlatformHook.default_conn_name,
        poke_interval: timedelta | float = 60,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("cancel_on_kill", False)
        super().__init__(poke_interval=poke_interval, deferrable=deferrable, **kwargs)
        self.run_id = run_id
        self.adobe_conn_id = adobe_conn_id

    @property
    def export_key(self) -> str:
        """The run's id."""
        from airflow_provider_twexport.adobe.wire_values import clean_id

        return clean_id(self.run_id)

    def connect(self) -> AdobeClient:
        """Return a client."""
        return AdobeExperiencePlatformHook(self.adobe_conn_id).get_conn()

    def look(self, client: AdobeClient) -> FlowRun:
        """Request the run."""
        return client.get_flow_run(self.export_key)

    def read(self, export: dict[str, Any]) -> FlowRun:
        """Return the run in the trigger's event."""
        from airflow_provider_twexport.adobe.flow_runs import FlowRun

        return FlowRun.from_json(export)

    def outcome(self, export: FlowRun) -> dict[str, Any]:
        """Return what was written, or raise."""
        export.check_success()
        if export.errors:
            self.log.warning("Run %s succeeded, but reports errors: %s", export.id, "; ".join(export.errors))
        return {
            "run_id": export.id,
            "flow_id": export.flow_id,
            "status": export.raw_status,
            "files": export.files,
            "records": export.records,
            "bytes": export.bytes,
        }

    def trigger(self, deadline: float) -> AdobeDatasetExportTrigger:
        """Return the trigger that waits for the run."""
        from airflow_provider_twexport.triggers.adobe import AdobeDatasetExportTrigger

        return AdobeDatasetExportTrigger(
            run_id=self.export_key,
            adobe_conn_id=self.adobe_conn_id,
            poke_interval=self.poke_interval,
            deadline=deadline,
        )

    def cancel_now(self) -> None:
        """Do nothing: Adobe has no call that ends a run."""
