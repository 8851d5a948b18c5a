"""Check the files that an Adobe dataset export wrote to object storage, and write their manifest beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.adobe import AdobeExperiencePlatformHook
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.telemetry.landing_operator import LandingOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class AdobeRegisterDatasetExportOperator(LandingOperator):
    """Check the files of a dataset export against its run, and write ``_manifest.json`` beside them, without a copy.

    Each file is read once, for its sha256 and, if it is Parquet, its rows. The manifest is written when there are as
    many files and rows as the run counts; while there are fewer, the task fails so that a retry helps. Returns
    ``{"manifest", "results", "rows", "bytes", "parts"}``; each file counts as one result.

    :param run_id: the run of the dataflow.
    :param object_storage_path: the directory that the run wrote, of any scheme that Airflow's ObjectStoragePath knows;
        Adobe makes one for each time of export, such as ``.../DATASET_ID/exportTime=202401310000``.
    :param object_storage_conn_id: Airflow connection of the object storage, which may read the files and write one.
    :param adobe_conn_id: Airflow connection of Adobe.
    """

    template_fields: Sequence[str] = (
        "run_id",
        "object_storage_path",
        "object_storage_conn_id",
        "adobe_conn_id",
    )
    ui_color = "#f3ecfa"
    system = "adobe"

    def __init__(
        self,
        *,
        run_id: str,
        object_storage_path: str,
        object_storage_conn_id: str | None = None,
        adobe_conn_id: str = AdobeExperiencePlatformHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.run_id = run_id
        self.object_storage_path = object_storage_path
        self.object_storage_conn_id = object_storage_conn_id
        self.adobe_conn_id = adobe_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is and what it counts."""
        from airflow_provider_twexport.adobe.dataset_export import DatasetExport, dataset
        from airflow_provider_twexport.adobe.wire_values import clean_id

        with fail_without_retry():
            client = AdobeExperiencePlatformHook(self.adobe_conn_id).get_conn()
            export = DatasetExport(client, clean_id(self.run_id))
            directory = self.directory(context, self.object_storage_path)
            registration = export.open(directory)
            found = registration.committed
            manifest = found or export.register(registration)
        self.log.info("%s: %d files, %d bytes.", directory, len(manifest.parts), manifest.bytes)
        summary = self.landed(context, directory, manifest, dataset(manifest.source), is_new=not found)
        return summary | {"rows": manifest.rows}
