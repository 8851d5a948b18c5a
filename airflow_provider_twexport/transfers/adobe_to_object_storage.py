"""Move the files of an Adobe export job to object storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.adobe import AdobeExperiencePlatformHook
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.landing_operator import LandingOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class AdobeToObjectStorageOperator(LandingOperator):
    """Land the files of an export job in a directory of object storage, each once and byte for byte.

    Each file, usually snappy Parquet, becomes one part, and counts as one result; ``_manifest.json`` comes last and
    says which parts hold which batch and segment. Returns ``{"manifest", "results", "profiles", "bytes", "parts"}``.
    A retry resumes with the first incomplete file, and a complete landing is left as it is.

    :param job_id: the job.
    :param object_storage_path: the directory, of any scheme that Airflow's ObjectStoragePath knows; one job each.
    :param object_storage_conn_id: Airflow connection of the object storage.
    :param adobe_conn_id: Airflow connection of Adobe.
    """

    template_fields: Sequence[str] = (
        "job_id",
        "object_storage_path",
        "object_storage_conn_id",
        "adobe_conn_id",
    )
    ui_color = "#f3ecfa"
    system = "adobe"

    def __init__(
        self,
        *,
        job_id: str,
        object_storage_path: str,
        object_storage_conn_id: str | None = None,
        adobe_conn_id: str = AdobeExperiencePlatformHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.job_id = job_id
        self.object_storage_path = object_storage_path
        self.object_storage_conn_id = object_storage_conn_id
        self.adobe_conn_id = adobe_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is and what it counts."""
        from airflow_provider_twexport.adobe.landing import JobLanding, dataset
        from airflow_provider_twexport.adobe.wire_values import clean_id

        with fail_without_retry():
            client = AdobeExperiencePlatformHook(self.adobe_conn_id).get_conn()
            job = JobLanding(client, clean_id(self.job_id))
            directory = self.directory(context, self.object_storage_path)
            with job.open(directory) as landing:
                found = landing.committed
                manifest = found or job.land(landing)
        self.log.info("%s: %d files, %d bytes.", directory, len(manifest.parts), manifest.bytes)
        summary = self.landed(context, directory, manifest, dataset(manifest.source), is_new=not found)
        return summary | {"profiles": manifest.source.get("profiles")}
