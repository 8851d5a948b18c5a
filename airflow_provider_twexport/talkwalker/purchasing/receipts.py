"""Receipts: what was bought, where the service's list of exports does not show it yet, or no longer.

The list may lag behind the orders, and it forgets. So each order leaves a receipt, an empty collector whose name has
the export's id, and so does whoever adopts an export without one. Whoever looks for exports asks for those of receipts
by their id. A receipt is removed when the service has forgotten the results of its export.
"""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.exceptions import NotFoundError, TwexportError
from airflow_provider_twexport.talkwalker.models import RETENTION, ExportStatus, ExportTask
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
# no export runs for longer, so that an account's older ones matter to no budget
RECENT = pendulum.duration(days=1)
CALLS_AT_ONCE = 8
_RECEIPT = re.compile(RECEIPT_PREFIX + r"([0-9a-f]{10})-(\d{6})-([a-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an order leaves of its export.

    :param collector_hash: :func:`short_hash` of the collector that the export fills.
    :param day: when the export was created, as ``YYMMDD`` in UTC.
    :param export_id: the export.
    """

    collector_hash: str
    day: str
    export_id: str

    @property
    def collector_id(self) -> str:
        """Return the collector that is the receipt."""
        return f"{RECEIPT_PREFIX}{self.collector_hash}-{self.day}-{self.export_id}"

    @classmethod
    def of(cls, task: ExportTask, collector_id: str) -> Receipt | None:
        """Return the receipt of an export; ``None`` if its id does not fit a collector's name."""
        created = (task.created or pendulum.now("UTC")).in_timezone("UTC")
        receipt = cls(short_hash(collector_id), f"{created:%y%m%d}", task.id)
        fits = cls.from_collector_id(receipt.collector_id) and len(receipt.collector_id) <= MAX_LENGTH
        return receipt if fits else None

    @classmethod
    def from_collector_id(cls, collector_id: str) -> Receipt | None:
        """Read a collector's name; ``None`` if it is no receipt."""
        match = _RECEIPT.fullmatch(collector_id)
        return cls(match[1], match[2], match[3]) if match and is_helper(collector_id) else None

    @property
    def created_before(self) -> pendulum.DateTime:
        """Return the end of the day on which the export was created."""
        return pendulum.from_format(self.day, "YYMMDD").add(days=1)


def leave_receipt(client: TalkwalkerClient, task: ExportTask, collector_id: str) -> bool:
    """Leave a receipt and return whether others can read it."""
    receipt = Receipt.of(task, collector_id)
    if receipt is None:
        return False
    try:
        is_listed = leave_note(client, receipt.collector_id)
    except TwexportError as error:
        log.warning("The receipt of export %s could not be left: %s", task.id, error)
        return False
    log.info("Receipt %s says that export %s was bought.", receipt.collector_id, task.id)
    return is_listed


def complete_receipts(
    client: TalkwalkerClient, task: ExportTask, collector_id: str, helpers: Iterable[str]
) -> None:
    """Leave the receipt of an export that was found without one, as its order was killed, or not ours.

    :param helpers: the account's collectors.
    """
    receipt = Receipt.of(task, collector_id)
    if receipt is None or receipt.collector_id in helpers:
        return
    try:
        client.put_collector(receipt.collector_id)
    except TwexportError as error:
        log.warning("The receipt of export %s could not be left: %s", task.id, error)


def list_exports(
    client: TalkwalkerClient,
    helpers: Iterable[str],
    collector_id: str | None = None,
    now: pendulum.DateTime | None = None,
) -> list[tuple[str, ExportTask]]:
    """Return all exports that the service lists or that have a receipt, each with the hash of its collector.

    :param helpers: the account's collectors, read before.
    :param collector_id: the collector whose exports are looked for; only its receipts matter.
    :param now: the present moment by the service's clock, if only recent receipts matter.
    """
    listed = client.list_exports(collector_id)
    listed_ids = {task.id for task in listed}
    ours = collector_id and short_hash(collector_id)
    unlisted = [
        receipt
        for receipt in map(Receipt.from_collector_id, helpers)
        if receipt
        and receipt.export_id not in listed_ids
        and ours in (None, receipt.collector_hash)
        and not (now and receipt.created_before < now - RECENT)
    ]
    exports = [(short_hash(task.collector_id or ""), task) for task in listed]
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        asked = pool.map(lambda receipt: _ask(client, receipt, collector_id), unlisted)
        return exports + [
            (receipt.collector_hash, task) for receipt, task in zip(unlisted, asked, strict=True)
        ]


def remove_old_receipts(client: TalkwalkerClient, helpers: Iterable[str], now: pendulum.DateTime) -> None:
    """Remove the receipts of exports whose results nobody can read any more.

    :param helpers: the account's collectors.
    :param now: the present moment by the service's clock.
    """
    for receipt in filter(None, map(Receipt.from_collector_id, helpers)):
        if receipt.created_before < now - RETENTION:
            _remove(client, receipt)


def _ask(client: TalkwalkerClient, receipt: Receipt, collector_id: str | None) -> ExportTask:
    """Ask for the export of a receipt; one that the service does not know yet was bought all the same."""
    try:
        return client.get_export(receipt.export_id)
    except NotFoundError:
        created = client.get_collector(receipt.collector_id).created
        unknown = str(ExportStatus.UNKNOWN)
        return ExportTask(receipt.export_id, collector_id, unknown, 0, None, 0.0, created)


def _remove(client: TalkwalkerClient, receipt: Receipt) -> None:
    try:
        client.delete_collector(receipt.collector_id)
    except TwexportError as error:
        log.debug("Receipt %s stays for now: %s", receipt.collector_id, error)
