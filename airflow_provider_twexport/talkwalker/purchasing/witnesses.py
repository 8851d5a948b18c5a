"""What landings and the ledger know of an export that the service's list may have forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_twexport.storage import ledger
from airflow_provider_twexport.storage.ledger import LedgerState
from airflow_provider_twexport.talkwalker.models import ExportStatus
from airflow_provider_twexport.talkwalker.purchasing.buy_once import KnownExport

if TYPE_CHECKING:
    import os

    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.manifest import Manifest


def in_manifest(landed: Manifest, directory: object, collector_id: str) -> list[KnownExport]:
    """Return the export that a landing is of; nothing if it is of another collector, or its export was lost.

    :param landed: the landing's manifest, checked for lost parts.
    :param directory: of the landing; its text is its address.
    :param collector_id: the collector whose exports are looked for.
    """
    source = landed.source
    export_id, status = source.get("export_id"), ExportStatus.from_wire(str(source.get("status") or ""))
    if source.get("collector_id") != collector_id or not export_id or status.is_lost:
        return []
    return [
        KnownExport(
            str(export_id),
            limit=source.get("limit"),
            landed=str(landed.summary(directory)["manifest"]) if landed.complete else None,
            extent=f"Landed at {directory}: {landed.extent}",
            ordered_at=landed.ordered_at,
        )
    ]


def in_ledger(path: StoragePath | str | os.PathLike[str], collector_id: str) -> list[KnownExport]:
    """Return the exports into a collector that a ledger knows and that were not lost.

    Where they landed does not count: only the landing of this window is known to be still there.

    :param path: the directory of the ledger.
    :param collector_id: the collector whose exports are looked for.
    """
    return [
        KnownExport(
            each.export_id, limit=each.order.get("limit"), extent=f"The ledger says: {each.state.meaning}."
        )
        for each in ledger.exports_ordered_with(path, collector_id=collector_id)
        if each.state is not LedgerState.BROKEN_OFF
    ]
