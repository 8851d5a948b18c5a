"""Publishes what has landed: in an XCom, as events of the task's assets, and as hook lineage."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_twexport.core.arguments import parse_moment
from airflow_provider_twexport.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_twexport.storage.manifest import Manifest

FACTS = "twexport"
# as Airflow's partitioned schedules write their keys, and its partition mappers read them
PARTITION_KEY = "%Y-%m-%dT%H:%M:%S"

log = logging.getLogger(__name__)


def check_partitions(asset_partitions: bool) -> None:
    """Check, when the DAG is parsed, that this Airflow can give an event a partition key of its own.

    :raises InvalidRequestError: before Airflow 3.3, which knows the key of the whole run only.
    """
    if asset_partitions:
        import airflow.sdk

        if not hasattr(airflow.sdk, "PartitionedAtRuntime"):
            raise InvalidRequestError(
                "asset_partitions needs Airflow 3.3 or newer. Leave it out, or upgrade Airflow."
            )


def publish(
    context: Context, landed: Mapping[ObjectStoragePath, Manifest], *, partitions: bool = False
) -> None:
    """Publish landings; an error is only logged, and what can be published is.

    An asset gets one event for each task, with the facts of one landing, or those of several in a list ``landings``.

    :param context: of the task that landed them.
    :param landed: the manifest in each directory.
    :param partitions: whether an asset gets an event for each window instead, with its start as partition key.
    """
    facts = [manifest.facts(directory) for directory, manifest in landed.items()]
    if not facts or "ti" not in context:
        return
    with _only_logged("XCom"):
        context["ti"].xcom_push(key=FACTS, value=facts[0] if len(facts) == 1 else facts)
    with _only_logged("Lineage"):
        _publish_lineage(landed)
    with _only_logged("Asset events"):
        _publish_outlets(context, [dataset_uri(directory) for directory in landed], facts, partitions)


@contextmanager
def _only_logged(what: str) -> Iterator[None]:
    """Log an error: the results have landed, and a listener that fails must not fail the task."""
    try:
        yield
    except Exception as error:
        log.warning("%s: what landed was not published (%s: %s).", what, type(error).__name__, error)


def dataset_uri(directory: ObjectStoragePath) -> str:
    """Return a directory's address without the Airflow connection in it, as a URI: in ASCII, ``#`` as ``%23``."""
    address = str(directory.fs.unstrip_protocol(directory.path)).rstrip("/")
    return quote(address, safe="/:=@+,;!$&'()*~")


def _publish_outlets(
    context: Context, addresses: list[str], facts: list[dict[str, Any]], partitions: bool
) -> None:
    from airflow.sdk import Asset, AssetAlias

    events: Any = context["outlet_events"]
    for outlet in context["task"].outlets:
        if isinstance(outlet, AssetAlias):
            for address, one in zip(addresses, facts, strict=True):
                events[outlet].add(Asset(uri=address), extra=one)
        else:
            events[outlet].extra = facts[0] if len(facts) == 1 else {"landings": facts}
            if partitions:
                events[outlet].add_partitions(_partition_keys(facts))


def _partition_keys(facts: list[dict[str, Any]]) -> list[str]:
    """Return the start of each window, in UTC; a landing without one has no key."""
    starts = [parse_moment(it["window"]["start"]) for it in facts if it["window"]["start"]]
    return [start.strftime(PARTITION_KEY) for start in starts]


def _publish_lineage(landed: Mapping[ObjectStoragePath, Manifest]) -> None:
    """Report directories; their parts may be thousands, and are not written through Airflow's paths."""
    try:
        from airflow.sdk.lineage import get_hook_lineage_collector
    except ModuleNotFoundError:  # Airflow 3.1
        from airflow.lineage.hook import get_hook_lineage_collector  # type: ignore[import-not-found, no-redef]

    for directory in landed:
        get_hook_lineage_collector().add_output_asset(context=directory, uri=dataset_uri(directory))
