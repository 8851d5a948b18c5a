"""What the operators that land something share: their options, and one report of what landed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_twexport.links.exports_page import ManifestLink
from airflow_provider_twexport.object_storage import storage_path
from airflow_provider_twexport.storage.part_options import MAX_PART_BYTES, ROW_GROUP_BYTES, PartOptions
from airflow_provider_twexport.telemetry import assets, metrics
from airflow_provider_twexport.templates import TemplatedOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_twexport.core.dataset import Dataset
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.telemetry.ledger import TaskLedger


class LandingOperator(TemplatedOperator):
    """Base of the operators that land something in one directory.

    A button leads to the manifest from the task's start on. As soon as the landing is complete, also when it was
    complete before, the XCom ``twexport`` has its facts; each asset among the ``outlets`` gets them with its event,
    each asset alias gets the directory as an asset, and OpenLineage gets source and target.

    :param asset_partitions: give the events of assets, not those of aliases, the start of the window as partition key,
        such as ``2024-01-01T00:00:00`` in UTC (Airflow 3.3 or newer). Then they start only DAGs whose schedule is
        partitioned; without a key they start only the others.
    """

    system: ClassVar[str]
    operator_extra_links: Any = (ManifestLink(),)
    object_storage_conn_id: str | None
    _lineage: tuple[ObjectStoragePath, Manifest, Dataset] | None = None

    def __init__(self, *, asset_partitions: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        assets.check_partitions(asset_partitions)
        self.asset_partitions = asset_partitions

    def directory(self, context: Context, path: str) -> ObjectStoragePath:
        """Return the directory to land in, and make the button lead to its manifest.

        :param context: of the task.
        :param path: of the directory.
        """
        directory = storage_path(path, conn_id=self.object_storage_conn_id)
        ManifestLink.push(context, directory)
        return directory

    def landed(
        self,
        context: Context,
        directory: ObjectStoragePath,
        manifest: Manifest,
        dataset: Dataset,
        *,
        is_new: bool,
        credits: int | None = None,
        ledger: TaskLedger | None = None,
    ) -> dict[str, Any]:
        """Report a landing to metrics, ledger, assets and lineage; return its address and counts for the XCom.

        :param context: of the task.
        :param directory: where it landed.
        :param manifest: of the landing.
        :param dataset: where the results come from.
        :param is_new: whether this task landed it; metrics count a landing once.
        :param credits: what the results cost; ``None`` if nothing or unknown.
        :param ledger: the ledger; ``None`` for none.
        """
        if is_new:
            metrics.landed(self.system, manifest, credits)
        if ledger:
            ledger.landed(directory, manifest)
        self._lineage = (directory, manifest, dataset)
        assets.publish(context, {directory: manifest}, partitions=self.asset_partitions)
        return manifest.summary(directory)

    def get_openlineage_facets_on_complete(self, ti: Any) -> Any:
        """Return the source and target of the landing; OpenLineage calls this when the task has ended."""
        from airflow_provider_twexport.telemetry.openlineage import lineage_of

        return lineage_of(*self._lineage) if self._lineage else None


class ResultsLandingOperator(LandingOperator):
    """Base of the operators that land results in parts.

    :param file_format: ``jsonl``, ``jsonl.gz``, ``jsonl.zst``, or ``parquet``, which has typed columns and the complete
        result in one more column.
    :param compression_level: 0 to 3 for ``jsonl.gz``, 1 to 22 for ``jsonl.zst`` and ``parquet``; ``None`` for the
        format's default.
    :param max_part_bytes: a part ends at the first cursor after about this many bytes, as written.
    :param max_part_results: and at the first cursor after this many results; ``None`` for no such bound.
    :param row_group_bytes: a row group of Parquet ends after about this many bytes of results, as received; a larger
        one needs more memory.
    """

    def __init__(
        self,
        *,
        file_format: str = "jsonl.gz",
        compression_level: int | None = None,
        max_part_bytes: int = MAX_PART_BYTES,
        max_part_results: int | None = None,
        row_group_bytes: int = ROW_GROUP_BYTES,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # a mistake here fails before anything is bought
        self.part_options = PartOptions(
            file_format, compression_level, max_part_bytes, max_part_results, row_group_bytes
        )
