"""Publishes what has landed: in an XCom, as events of the task's assets, and as hook lineage."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_twexport.storage.manifest import Manifest

FACTS = "twexport"

log = logging.getLogger(__name__)


def publish(context: Context, landed: Mapping[ObjectStoragePath, Manifest]) -> None:
    """Publish landings; an error is only logged.

    An asset gets one event for each task, with the facts of one landing, or those of several in a list ``landings``.

    :param context: of the task that landed them.
    :param landed: the manifest in each directory.
    """
    facts = [manifest.facts(directory) for directory, manifest in landed.items()]
    if not facts or "ti" not in context:
        return
    # it has landed; a listener that fails must not fail the task
    try:
        context["ti"].xcom_push(key=FACTS, value=facts[0] if len(facts) == 1 else facts)
        _publish_lineage(landed)
        _publish_outlets(context, [dataset_uri(directory) for directory in landed], facts)
    except Exception as error:
        log.warning("What landed was not published everywhere (%s: %s).", type(error).__name__, error)


def dataset_uri(directory: ObjectStoragePath) -> str:
    """Return a directory's address without the Airflow connection in it, as a URI: in ASCII, ``#`` as ``%23``."""
    address = str(directory.fs.unstrip_protocol(directory.path)).rstrip("/")
    return quote(address, safe="/:=@+,;!$&'()*~")


def _publish_outlets(context: Context, addresses: list[str], facts: list[dict[str, Any]]) -> None:
    from airflow.sdk import Asset, AssetAlias

    events: Any = context["outlet_events"]
    for outlet in context["task"].outlets:
        if isinstance(outlet, AssetAlias):
            for address, one in zip(addresses, facts, strict=True):
                events[outlet].add(Asset(uri=address), extra=one)
        else:
            events[outlet].extra = facts[0] if len(facts) == 1 else {"landings": facts}


def _publish_lineage(landed: Mapping[ObjectStoragePath, Manifest]) -> None:
    """Report directories; their parts may be thousands, and are not written through Airflow's paths."""
    try:
        from airflow.sdk.lineage import get_hook_lineage_collector
    except ModuleNotFoundError:  # Airflow 3.1
        from airflow.lineage.hook import get_hook_lineage_collector  # type: ignore[import-not-found, no-redef]

    for directory in landed:
        get_hook_lineage_collector().add_output_asset(context=directory, uri=dataset_uri(directory))
