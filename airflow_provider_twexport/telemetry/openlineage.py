"""A landing as OpenLineage describes it: the dataset that it comes from, and the one that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_twexport.telemetry.assets import dataset_uri

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import ObjectStoragePath
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import DatasetFacet

    from airflow_provider_twexport.core.dataset import Dataset
    from airflow_provider_twexport.core.schema import Schema
    from airflow_provider_twexport.storage.manifest import Manifest


def lineage_of(
    directory: ObjectStoragePath, manifest: Manifest, dataset: Dataset
) -> OperatorLineage[Any, Any]:
    """Return the input and the output of a landing; needs the OpenLineage provider.

    :param directory: where it landed.
    :param manifest: of the landing.
    :param dataset: where the results come from.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import Dataset as InputDataset

    source = InputDataset(namespace=dataset.namespace, name=dataset.name)
    return OperatorLineage(inputs=[source], outputs=[_landing(directory, manifest, dataset.schema)])


def _landing(directory: ObjectStoragePath, manifest: Manifest, schema: Schema | None) -> OutputDataset:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset

    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=manifest.records, size=manifest.bytes, fileCount=len(manifest.parts)
    )
    namespace, name = _storage_dataset(directory)
    return OutputDataset(
        namespace=namespace,
        name=name,
        # other formats hold what the service sent, which may have any fields
        facets=_columns(schema) if schema and manifest.file_format == "parquet" else {},
        outputFacets={"outputStatistics": statistics},
    )


def _storage_dataset(directory: ObjectStoragePath) -> tuple[str, str]:
    """Return namespace and name of a directory by OpenLineage's rules; on Azure, the account is part of it."""
    address = urlsplit(dataset_uri(directory))
    path = address.path.strip("/")
    if address.scheme in ("file", "local"):
        return "file", f"/{path}"
    if account := getattr(directory.fs, "account_name", None):
        return f"abfss://{address.netloc}@{account}.dfs.core.windows.net", path
    return f"{address.scheme}://{address.netloc}", path


def _columns(schema: Schema) -> dict[str, DatasetFacet]:
    from openlineage.client.facet_v2 import schema_dataset

    from airflow_provider_twexport.core.schema import type_name

    fields = [
        schema_dataset.SchemaDatasetFacetFields(name=column.name, type=type_name(column.type))
        for column in schema.columns
    ]
    raw = schema_dataset.SchemaDatasetFacetFields(name="raw", type="string")
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=[*fields, raw])}
