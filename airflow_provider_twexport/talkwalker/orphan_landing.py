"""Landing what was bought and left behind; knows no Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.talkwalker.landing import (
    CollectorLanding,
    check_nothing_better,
    ended_export,
    source_of,
)
from airflow_provider_twexport.talkwalker.planning.remainder import truncated_around
from airflow_provider_twexport.talkwalker.purchasing.order_matching import known_orders, match_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_twexport.storage.discovery import Landings
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.orphans import Orphan


def landing_path(orphan: Orphan, found: Sequence[Orphan], root: str) -> str:
    """Return where an export lands; a directory holds one export, and a collector may hold several.

    :param orphan: the export.
    :param found: all that was left behind.
    :param root: the directory that they land below.
    """
    address = f"{root.rstrip('/')}/{orphan.collector_id}"
    is_shared = sum(it.collector_id == orphan.collector_id for it in found) > 1
    return f"{address}/{orphan.export_id}" if is_shared else address


def land_orphan(
    client: TalkwalkerClient,
    orphan: Orphan,
    address: str,
    landed: Landings,
    project_id: str | None,
    at: Callable[[str], Any],
) -> Manifest:
    """Land what an export has brought, whole or not, and return the manifest; free.

    What truncated landings around it hold already is left out.

    :param client: who is asked.
    :param orphan: the export.
    :param address: of its directory.
    :param landed: what has landed, which tells what it may have been ordered as.
    :param project_id: the connection's project.
    :param at: returns the path of an address.
    """
    from airflow_provider_twexport.storage.directory import as_storage_path
    from airflow_provider_twexport.storage.landing import Landing
    from airflow_provider_twexport.talkwalker.record_identity import identity
    from airflow_provider_twexport.talkwalker.schema import SCHEMA

    place, places, source = at(address), landed.directories(), _source(orphan, landed, project_id)
    task = ended_export(client, orphan.export_id, salvage=True)
    check_nothing_better(as_storage_path(place), task)
    with Landing.open(
        place,
        source=source,
        schema=SCHEMA,
        exclude_landed=[at(places[name]) for name in source.get("remainder_of", ())],
        identity=identity,
    ) as landing:
        way = CollectorLanding(client, orphan.collector_id, task, on_incomplete="warn")
        return landing.committed or way.land(landing)


def _source(orphan: Orphan, landed: Landings, project_id: str | None) -> dict[str, Any]:
    orders = known_orders((manifest.source for manifest in landed.manifests.values()), project_id)
    order = match_order(orphan.collector_id, orders)
    if order is None:
        return source_of(orphan.collector_id, orphan.export_id, orphan.window)
    return source_of(
        orphan.collector_id,
        orphan.export_id,
        order.window,
        project_id=order.project_id,
        stream_id=order.stream_id,
        query=order.query,
        topics=order.topics,
        limit=order.limit,
        remainder_of=truncated_around(order, landed.by_collector()),
    )
