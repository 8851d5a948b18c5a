"""Receipts: exports that were bought and that the service's list does not show yet.

The list may lag behind the orders. So an order whose export is not listed leaves a receipt, an empty collector whose
name has the export's id. Whoever looks for exports asks for those of receipts by their id, and removes a receipt once
the list shows its export.

Receipts are read before the list: a receipt that is gone by then was removed because the list shows its export.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_twexport.exceptions import NotFoundError, TwexportError
from airflow_provider_twexport.talkwalker.models import ExportStatus, ExportTask
from airflow_provider_twexport.talkwalker.purchasing.collector_names import (
    RECEIPT_PREFIX,
    is_helper,
    short_hash,
)
from airflow_provider_twexport.talkwalker.purchasing.notes import leave_note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient

log = logging.getLogger(__name__)

MAX_LENGTH = 64
_RECEIPT = re.compile(RECEIPT_PREFIX + r"([0-9a-f]{10})-([a-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an order leaves of an export that the list does not show.

    :param collector_hash: :func:`short_hash` of the collector that the export fills.
    :param export_id: the export.
    """

    collector_hash: str
    export_id: str

    @property
    def collector_id(self) -> str:
        """Return the collector that is the receipt."""
        return f"{RECEIPT_PREFIX}{self.collector_hash}-{self.export_id}"

    @classmethod
    def from_collector_id(cls, collector_id: str) -> Receipt | None:
        """Read a collector's name; ``None`` if it is no receipt."""
        match = _RECEIPT.fullmatch(collector_id)
        return cls(match[1], match[2]) if match and is_helper(collector_id) else None


def leave_receipt(client: TalkwalkerClient, task: ExportTask, collector_id: str) -> bool:
    """Leave a receipt and return whether others can read it; not every id fits a collector's name."""
    receipt = Receipt(short_hash(collector_id), task.id)
    if Receipt.from_collector_id(receipt.collector_id) is None or len(receipt.collector_id) > MAX_LENGTH:
        return False
    try:
        is_listed = leave_note(client, receipt.collector_id)
    except TwexportError as error:
        log.warning("Export %s is not listed yet, and its receipt could not be left: %s", task.id, error)
        return False
    log.info(
        "Export %s is not listed yet: receipt %s says that it was bought.", task.id, receipt.collector_id
    )
    if not is_listed:
        log.warning("Receipt %s is not listed yet either, so the order stays locked.", receipt.collector_id)
    return is_listed


def list_exports(
    client: TalkwalkerClient, helpers: Iterable[str], collector_id: str | None = None
) -> list[tuple[str, ExportTask]]:
    """Return all exports that the service lists or that have a receipt, each with the hash of its collector.

    :param helpers: the account's collectors, read before.
    :param collector_id: the collector whose exports are looked for; only its receipts matter.
    """
    listed = client.list_exports(collector_id)
    exports = [(short_hash(task.collector_id or ""), task) for task in listed]
    listed_ids = {task.id for task in listed}
    for receipt in filter(None, map(Receipt.from_collector_id, helpers)):
        if receipt.export_id in listed_ids:
            _remove(client, receipt)
        elif collector_id is None or receipt.collector_hash == short_hash(collector_id):
            exports += [(receipt.collector_hash, task) for task in _ask(client, receipt, collector_id)]
    return exports


def _ask(client: TalkwalkerClient, receipt: Receipt, collector_id: str | None) -> list[ExportTask]:
    """Ask for the export of a receipt; one that the service does not know yet was bought all the same."""
    try:
        return [client.get_export(receipt.export_id)]
    except NotFoundError:
        created = client.get_collector(receipt.collector_id).created
        unknown = str(ExportStatus.UNKNOWN)
        return [ExportTask(receipt.export_id, collector_id, unknown, 0, None, 0.0, created)]


def _remove(client: TalkwalkerClient, receipt: Receipt) -> None:
    try:
        client.delete_collector(receipt.collector_id)
    except TwexportError as error:
        log.debug("Receipt %s stays for now: %s", receipt.collector_id, error)
