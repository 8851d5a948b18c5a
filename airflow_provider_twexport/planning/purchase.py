"""Buying an export once: look before ordering, look again after a lost answer, and keep one of two twins.

Ordering is not idempotent, and each order is charged (vendor page "past data export"). But the service lists its
exports with the collector that each writes into, so a collector named by its content tells whether it was bought.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pendulum

from airflow_provider_twexport.clients.errors import (
    FixRequestError,
    MissingError,
    OrderAnewError,
    RetryLaterError,
    ThrottledError,
)
from airflow_provider_twexport.clients.talkwalker import RETENTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_twexport.clients.talkwalker import ExportOrder, ExportTask, TalkwalkerClient

log = logging.getLogger(__name__)

IfExists = Literal["adopt", "fail", "recreate"]
# how long an export may take to show up in the service's list after its order's answer was lost
LOOK_AGAIN_SECONDS = (0.0, 1.0, 3.0, 6.0)


@dataclass(frozen=True, slots=True)
class Purchase:
    """An export, and whether it was there before.

    :param task: the export as the service told it last.
    :param adopted: whether nothing was bought for it now.
    """

    task: ExportTask
    adopted: bool


def buy_once(
    client: TalkwalkerClient,
    order: ExportOrder,
    collector_id: str,
    *,
    if_exists: IfExists = "adopt",
    ordered_since: pendulum.DateTime | None = None,
    before_buying: Callable[[], None] = lambda: None,
) -> Purchase:
    """Return the export that fills the collector: the one that is there, else a new one.

    :param if_exists: what to do where an export into this collector is there: ``adopt`` it, ``fail``, or
        ``recreate``: empty the collector and buy again.
    :param ordered_since: with ``recreate``, exports created since belong to this order and are adopted; ``None``
        where this is its first try.
    :param before_buying: called right before money is spent; it raises to prevent that.
    :raises FixRequestError: if there is one already and ``if_exists`` is ``fail``.
    :raises OrderAnewError: if there is one already and the service has forgotten its results.
    :raises RetryLaterError: if it is not known whether the order arrived.
    """
    existing = _bought(client, collector_id)
    if if_exists == "recreate":
        since = ordered_since or pendulum.DateTime.max
        renewed = [task for task in existing if task.created and task.created >= since]
        if renewed:
            return Purchase(renewed[-1], adopted=True)
        before_buying()
        _clear_away(client, collector_id, existing)
        return _buy(client, order, collector_id, besides=existing)
    if not existing:
        before_buying()
        return _buy(client, order, collector_id)
    if if_exists == "fail":
        raise FixRequestError(
            f"Export {existing[0].id} into collector {collector_id} exists already ({existing[0].raw_status}). "
            "Set if_exists='adopt' to use it, or 'recreate' to pay for it again."
        )
    _check_readable(existing[0], collector_id)
    return Purchase(existing[0], adopted=True)


def _bought(client: TalkwalkerClient, collector_id: str) -> list[ExportTask]:
    """Return the paid exports into a collector, oldest first."""
    tasks = [task for task in client.list_exports() if task.target == collector_id and task.is_adoptable]
    return sorted(tasks, key=lambda task: (task.created or pendulum.DateTime.max, task.id))


def _buy(
    client: TalkwalkerClient, order: ExportOrder, collector_id: str, besides: list[ExportTask] | None = None
) -> Purchase:
    known = {task.id for task in besides or ()}
    try:
        task = client.create_export(order, collector_id)
    except ThrottledError:
        raise
    except RetryLaterError as lost:
        task = _find_after_lost_answer(client, collector_id, known, lost)
    twins = [twin for twin in _bought(client, collector_id) if twin.id not in known]
    if twins and twins[0].id != task.id:
        # two runs ordered at the same moment; both keep the older export
        log.warning(
            "Export %s was ordered at the same moment; aborting %s and adopting it.", twins[0].id, task.id
        )
        client.abort_export(task.id)
        return Purchase(twins[0], adopted=True)
    return Purchase(task, adopted=False)


def _find_after_lost_answer(
    client: TalkwalkerClient, collector_id: str, known: set[str], lost: RetryLaterError
) -> ExportTask:
    log.warning("%s The order may have arrived all the same: looking for its export.", lost)
    for seconds in LOOK_AGAIN_SECONDS:
        time.sleep(seconds)
        found = [task for task in _bought(client, collector_id) if task.id not in known]
        if found:
            return found[0]
    raise RetryLaterError(
        "The answer to the order was lost, and no export has shown up. The next try looks again before it buys.",
        lost.evidence,
    ) from None


def _clear_away(client: TalkwalkerClient, collector_id: str, existing: list[ExportTask]) -> None:
    """Abort what still writes into the collector, and empty it."""
    for task in existing:
        if task.is_unfinished:
            client.abort_export(task.id)
    try:
        client.delete_collector(collector_id)
    except MissingError:
        log.info("Collector %s is gone already.", collector_id)
    client.put_collector(collector_id)


def _check_readable(task: ExportTask, collector_id: str) -> None:
    forgotten = task.created + RETENTION if task.created else None
    if forgotten and forgotten < pendulum.now("UTC"):
        raise OrderAnewError(
            f"Export {task.id} of {task.created} filled collector {collector_id} with "
            f"{task.exported() or task.processed:,} results, but Talkwalker keeps results for 7 days, here until "
            f"{forgotten}. They are paid for and can no longer be read. To buy them again, set if_exists='recreate'."
        )
