"""Lands exports that were bought and not landed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.talkwalker.landing import (
    CollectorLanding,
    check_nothing_better,
    ended_export,
    open_landing,
    source_of,
)
from airflow_provider_twexport.talkwalker.planning.remainder import truncated_around
from airflow_provider_twexport.talkwalker.purchasing.order_matching import known_orders, match_order
from airflow_provider_twexport.talkwalker.remainder_of import RemainderOf

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from airflow_provider_twexport.storage.discovery import Landings
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from airflow_provider_twexport.talkwalker.orphans import Orphan


def landing_paths(
    chosen: Sequence[Orphan], found: Sequence[Orphan], root: str, landed: Landings
) -> dict[str, str]:
    """Return the directory of each export, by its id; a directory holds one export, and a collector may hold several.

    An export that is whole replaces what landed of one that broke off, wherever that is.

    :param chosen: the exports that are to land.
    :param found: all orphans.
    :param root: the directory that they land below.
    :param landed: what has landed.
    """
    held = Counter(it.collector_id for it in found)
    paths = {}
    for orphan in chosen:
        address = f"{root.rstrip('/')}/{orphan.collector_id}"
        part = landed.by_owner.get(orphan.collector_id)
        is_whole = orphan.export is not None and orphan.export.status.has_results
        if part and not part.complete and is_whole:
            paths[orphan.export_id] = landed.directories[orphan.collector_id]
        else:
            paths[orphan.export_id] = (
                f"{address}/{orphan.export_id}" if held[orphan.collector_id] > 1 else address
            )
    return paths


def orders_of(landed: Landings, project_id: str | None) -> set[ExportOrder]:
    """Return what exports may have been ordered as, by what has landed.

    :param project_id: the connection's project.
    """
    return known_orders((manifest.source for manifest in landed.manifests.values()), project_id)


def land_orphan(
    client: TalkwalkerClient,
    orphan: Orphan,
    address: str,
    landed: Landings,
    orders: Collection[ExportOrder],
    at: Callable[[str], Any],
) -> Manifest:
    """Land what an export has brought, complete or not, and return the manifest; free.

    Results that truncated landings around it hold already are excluded.

    :param client: of the account.
    :param orphan: the export.
    :param address: of its directory.
    :param landed: what has landed.
    :param orders: what the export may have been ordered as; :func:`orders_of` returns it.
    :param at: returns the path of an address.
    """
    from airflow_provider_twexport.storage.directory import as_storage_path

    order = match_order(orphan.collector_id, orders)
    remainder_of = _remainder_of(order, landed) if order else None
    task = ended_export(client, orphan.export_id, salvage=True)
    directory = at(address)
    check_nothing_better(as_storage_path(directory), task)
    known = order.to_json() if order else {"window": orphan.window and orphan.window.to_json()}
    source = source_of(orphan.collector_id, orphan.export_id, known, remainder_of)
    exclude = [at(path) for path in remainder_of.paths] if remainder_of else []
    with open_landing(directory, source, exclude=exclude) as landing:
        landing_of = CollectorLanding(client, orphan.collector_id, task, on_incomplete="warn")
        return landing.committed or landing_of.land(landing)


def _remainder_of(order: ExportOrder, landed: Landings) -> RemainderOf | None:
    directories = landed.directories
    found = truncated_around(order, landed.by_owner)
    return RemainderOf(collector_ids=found, paths=tuple(directories[it] for it in found)) if found else None
