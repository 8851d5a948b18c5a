"""Order and cancel Adobe export jobs, and run dataset exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.adobe import AdobeExperiencePlatformHook
from airflow_provider_twexport.links.adobe import AdobeExportJobLink
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.templates import TemplatedOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pendulum
    from airflow.sdk import Context

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.adobe.models import ExportJob
    from airflow_provider_twexport.adobe.orders import ExportJobOrder

# the service's clock may be slow
CLOCK_SKEW_MINUTES = 5


class AdobeCreateExportJobOperator(TemplatedOperator):
    """Order an export job once: a job that exports the same and was ordered since this run began is adopted.

    The service creates two jobs if an order is sent twice. So a retry finds the job of an earlier attempt by what it
    exports, and looks for an order whose response was lost before it orders again. If several runs order the same at
    the same moment, all keep the oldest job, and each cancels its own younger one. The arguments have the form of the
    vendor page "Export jobs endpoint". Returns ``{"job_id", "dataset_id", "status", "adopted"}``.

    :param destination: ``{"datasetId": ...}``, the dataset to export into, whose schema is a union schema; with
        ``"segmentPerBatch": True``, each segment has its own batch.
    :param filter: which profiles to export: ``segments``, each with ``segmentId``, ``segmentNs`` and ``status`` (a list
        of ``realized``, ``existing``, ``exited``); ``segmentQualificationTime`` with ``startTime`` and ``endTime``;
        ``fromIngestTimestamp``; ``toIngestTimestamp``; ``emptyProfiles``. Times are RFC 3339.
    :param export_all_profiles: allow an order whose filter excludes no profile.
    :param fields: the fields to export, a list or a text separated by commas; ``None`` for all.
    :param merge_policy: ``{"id": ..., "version": ...}``; ``None`` for the segment's.
    :param additional_fields: ``{"eventList": {"fields": ..., "filter": {"fromIngestTimestamp": ...,
        "toIngestTimestamp": ...}}}``, to export events too.
    :param schema: ``{"name": ...}``.
    :param evaluation_info: ``{"segmentation": True}`` to evaluate the segments first.
    :param properties: of the job, such as ``{"checkBatchStatusForSuccess": True}``, with which it succeeds only when
        its batch has.
    :param other_fields: fields of the request that have no argument here, by the vendor's own names.
    :param adobe_conn_id: Airflow connection.
    :param cancel_on_kill: cancel the job if the task is killed right after it ordered the job.
    """

    template_fields: Sequence[str] = (
        "destination",
        "filter",
        "export_all_profiles",
        "fields",
        "merge_policy",
        "additional_fields",
        "schema",
        "evaluation_info",
        "properties",
        "other_fields",
        "adobe_conn_id",
    )
    template_fields_renderers = dict.fromkeys(
        (
            "destination",
            "filter",
            "merge_policy",
            "additional_fields",
            "schema",
            "evaluation_info",
            "properties",
            "other_fields",
        ),
        "json",
    )
    operator_extra_links = (AdobeExportJobLink(),)
    ui_color = "#fae8e8"

    def __init__(
        self,
        *,
        destination: Mapping[str, Any],
        filter: Mapping[str, Any] | None = None,
        export_all_profiles: bool | str = False,
        fields: Sequence[str] | str | None = None,
        merge_policy: Mapping[str, Any] | None = None,
        additional_fields: Mapping[str, Any] | None = None,
        schema: Mapping[str, Any] | None = None,
        evaluation_info: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
        other_fields: Mapping[str, Any] | None = None,
        adobe_conn_id: str = AdobeExperiencePlatformHook.default_conn_name,
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)  # so that .output["job_id"] is the id
        super().__init__(**kwargs)
        self.destination = destination
        self.filter = filter
        self.export_all_profiles = export_all_profiles
        self.fields = fields
        self.merge_policy = merge_policy
        self.additional_fields = additional_fields
        self.schema = schema
        self.evaluation_info = evaluation_info
        self.properties = properties
        self.other_fields = other_fields
        self.adobe_conn_id = adobe_conn_id
        self.cancel_on_kill = cancel_on_kill
        self._client: AdobeClient | None = None
        self._ordered_job_id: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the job, and whether it existed before."""
        from airflow_provider_twexport.adobe.order_once import order_once

        with fail_without_retry():
            order = self._order()
            hook = AdobeExperiencePlatformHook(self.adobe_conn_id)
            self._client = hook.get_conn()
            ordered = order_once(self._client, order, _earliest_job(context), self._remember)
        job = ordered.job
        if ordered.adopted:
            self._ordered_job_id = None
            self.log.info("Export job %s exists already (%s): adopted.", job.id, job.raw_status)
        else:
            self._remember(job)
            self.log.info("Ordered export job %s into dataset %s.", job.id, job.dataset_id)
        url = AdobeExportJobLink.dataset_url(job.dataset_id or "", self._client.sandbox, hook.tenant)
        AdobeExportJobLink.push_url(context, url)
        return {
            "job_id": job.id,
            "dataset_id": job.dataset_id,
            "status": job.raw_status,
            "adopted": ordered.adopted,
        }

    def on_kill(self) -> None:
        """Cancel the job that was just ordered, without any other call, because Airflow leaves 5 seconds."""
        if self.cancel_on_kill and self._client and self._ordered_job_id:
            self._client.cancel_when_killed(self._ordered_job_id)

    def _remember(self, job: ExportJob) -> None:
        self._ordered_job_id = job.id

    def _order(self) -> ExportJobOrder:
        from airflow_provider_twexport.adobe.orders import PROFILE_SCHEMA, ExportJobOrder
        from airflow_provider_twexport.core.arguments import parse_flag, parse_list
        from airflow_provider_twexport.exceptions import InvalidRequestError

        document = {
            **(self.other_fields or {}),
            "fields": ",".join(parse_list(self.fields, "fields")),
            "mergePolicy": self.merge_policy,
            "filter": self.filter,
            "additionalFields": self.additional_fields,
            "destination": self.destination,
            "schema": self.schema or {"name": PROFILE_SCHEMA},
            "evaluationInfo": self.evaluation_info,
            "properties": self.properties,
        }
        order = ExportJobOrder({name: value for name, value in document.items() if value})
        if not order.is_filtered and not parse_flag("export_all_profiles", self.export_all_profiles):
            raise InvalidRequestError(
                "The filter excludes no profile, so this would export ALL profiles. Give segments, a "
                "segmentQualificationTime or a fromIngestTimestamp, or allow it with export_all_profiles=True."
            )
        return order


class AdobeRunDatasetExportOperator(TemplatedOperator):
    """Start a run of an existing dataset export once: one that was started since this run began is adopted.

    A dataset export is a dataflow of Adobe's Flow Service, which writes a dataset's files to your own object storage.
    Returns ``{"run_id", "flow_id", "status", "adopted"}``.

    :param flow_id: the dataflow.
    :param start: ``False`` never starts a run: it returns the first that Adobe's schedule started, and fails so that a
        retry helps while there is none.
    :param since: runs that were created earlier are not adopted: a time; ``None`` for the start of this run. With
        ``start=False``, give for example ``{{ data_interval_end }}``.
    :param adobe_conn_id: Airflow connection.
    """

    template_fields: Sequence[str] = ("flow_id", "start", "since", "adobe_conn_id")
    ui_color = "#fae8e8"

    def __init__(
        self,
        *,
        flow_id: str,
        start: bool | str = True,
        since: str | None = None,
        adobe_conn_id: str = AdobeExperiencePlatformHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.flow_id = flow_id
        self.start = start
        self.since = since
        self.adobe_conn_id = adobe_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the run, and whether it existed before."""
        from airflow_provider_twexport.adobe.flow_runs import run_once
        from airflow_provider_twexport.adobe.wire_values import clean_id
        from airflow_provider_twexport.core.arguments import parse_flag, parse_moment, parse_value

        with fail_without_retry():
            start, since = parse_flag("start", self.start), parse_value(self.since)
            client = AdobeExperiencePlatformHook(self.adobe_conn_id).get_conn()
            earliest = _earliest_job(context) if since is None else parse_moment(since)
            ordered = run_once(client, clean_id(self.flow_id), earliest, start=start)
        run = ordered.run
        self.log.info(
            "Run %s of dataflow %s: %s.", run.id, run.flow_id, "adopted" if ordered.adopted else "started"
        )
        return {
            "run_id": run.id,
            "flow_id": run.flow_id,
            "status": run.raw_status,
            "adopted": ordered.adopted,
        }


class AdobeCancelExportJobOperator(TemplatedOperator):
    """Cancel an export job that has not ended, and return its id.

    :param job_id: the job.
    :param adobe_conn_id: Airflow connection.
    """

    template_fields: Sequence[str] = ("job_id", "adobe_conn_id")
    ui_color = "#fae8e8"

    def __init__(
        self,
        *,
        job_id: str,
        adobe_conn_id: str = AdobeExperiencePlatformHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.adobe_conn_id = adobe_conn_id

    def execute(self, context: Context) -> str:
        """Cancel the job and return its id."""
        from airflow_provider_twexport.adobe.wire_values import clean_id

        job_id = clean_id(self.job_id)
        with fail_without_retry():
            client = AdobeExperiencePlatformHook(self.adobe_conn_id).get_conn()
            job = client.get_export_job(job_id)
            if job.is_unfinished:
                client.cancel_export_job(job_id)
        self.log.info("Export job %s was %s.", job_id, job.raw_status)
        return job_id


def _earliest_job(context: Context) -> pendulum.DateTime:
    """Return when the first job of this run may have been created."""
    import pendulum

    began = context["dag_run"].start_date or context["ti"].start_date
    return pendulum.instance(began).subtract(minutes=CLOCK_SKEW_MINUTES)
