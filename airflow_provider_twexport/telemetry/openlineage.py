"""A landing in the words of OpenLineage: which dataset it is made from, and which one it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_twexport.telemetry.assets import dataset_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.common.compat.sdk import ObjectStoragePath
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import Dataset, OutputDataset
    from openlineage.client.facet_v2 import DatasetFacet

    from airflow_provider_twexport.core.schema import Schema
    from airflow_provider_twexport.storage.manifest import Manifest


def lineage_of(directory: ObjectStoragePath, manifest: Manifest) -> OperatorLineage[Any, Any]:
    """Return what went into a landing and what came out; needs the OpenLineage provider.

    :param directory: where it landed.
    :param manifest: of the landing.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(inputs=[_source(manifest.source)], outputs=[_landing(directory, manifest)])


def _source(source: Mapping[str, Any]) -> Dataset:
    from openlineage.client.event_v2 import Dataset

    namespace, name = source_dataset(source)
    return Dataset(namespace=namespace, name=name)


def source_dataset(source: Mapping[str, Any]) -> tuple[str, str]:
    """Return namespace and name of what a service exports from; the service's own host, whatever a connection says.

    :param source: of a manifest.
    """
    system = str(source.get("system"))
    if system == "talkwalker":
        kinds = ("project", "stream", "collector")
        kind = next((kind for kind in kinds if source.get(f"{kind}_id")), "collector")
        return "talkwalker://api.talkwalker.com", f"{kind}/{source.get(f'{kind}_id')}"
    if system == "adobe":
        return "adobe://platform.adobe.io", f"{source.get('sandbox')}/{source.get('dataset_id')}"
    if system == "x_enterprise_search":
        return "x://gnip-api.x.com", f"search/{source.get('product')}"
    return "x://gnip-stream.x.com", f"stream/{source.get('stream')}"


def _landing(directory: ObjectStoragePath, manifest: Manifest) -> OutputDataset:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset

    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=manifest.results, size=manifest.bytes, fileCount=len(manifest.parts)
    )
    namespace, name = _storage_dataset(directory)
    return OutputDataset(
        namespace=namespace,
        name=name,
        facets=_columns(manifest),
        outputFacets={"outputStatistics": statistics},
    )


def _storage_dataset(directory: ObjectStoragePath) -> tuple[str, str]:
    """Return namespace and name of a directory as OpenLineage wants them; on Azure, the account is part of it."""
    address = urlsplit(dataset_uri(directory))
    path = address.path.strip("/")
    if address.scheme in ("file", "local"):
        return "file", f"/{path}"
    if account := getattr(directory.fs, "account_name", None):
        return f"abfss://{address.netloc}@{account}.dfs.core.windows.net", path
    return f"{address.scheme}://{address.netloc}", path


def _columns(manifest: Manifest) -> dict[str, DatasetFacet]:
    """Return the columns of Parquet; other formats hold what the service sent, which may have any."""
    from openlineage.client.facet_v2 import schema_dataset

    from airflow_provider_twexport.core.schema import type_name

    schema = _schema(manifest.source)
    if manifest.file_format != "parquet" or schema is None:
        return {}
    fields = [
        schema_dataset.SchemaDatasetFacetFields(name=column.name, type=type_name(column.type))
        for column in schema.columns
    ]
    raw = schema_dataset.SchemaDatasetFacetFields(name="raw", type="string")
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=[*fields, raw])}


def _schema(source: Mapping[str, Any]) -> Schema | None:
    from airflow_provider_twexport.talkwalker.schema import SCHEMA
    from airflow_provider_twexport.x.schema import COUNTS, POSTS, SCHEMAS

    if source.get("system") == "talkwalker":
        return SCHEMA
    if source.get("system") == "x_enterprise_search":
        return COUNTS if source.get("bucket") else POSTS
    return SCHEMAS.get(str(source.get("stream")))
