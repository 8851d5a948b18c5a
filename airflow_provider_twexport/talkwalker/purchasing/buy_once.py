"""Buying an export once: look before ordering, look again after a lost answer, and keep one of two twins.

Ordering is not idempotent, and each order is charged (vendor page "past data export"). But the service lists its
exports with the collector that each writes into, so a collector named by its content tells whether it was bought.
Under a budget, orders on the same account take turns besides.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pendulum

from airflow_provider_twexport.exceptions import (
    InvalidRequestError,
    NotFoundError,
    ResultsExpiredError,
    ThrottledError,
    TransientError,
    TwexportError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.purchasing.account_lock import (
    LockExpiredError,
    hold_account_lock,
)
from airflow_provider_twexport.talkwalker.purchasing.budget import NO_BUDGET, check, clear_notes, leave_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder, ExportTask
    from airflow_provider_twexport.talkwalker.purchasing.account_lock import LockTicket
    from airflow_provider_twexport.talkwalker.purchasing.budget import Budget

log = logging.getLogger(__name__)

IfExists = Literal["adopt", "fail", "recreate"]
# two runs that look before either has ordered; an order takes a minute at most
TWINS_WITHIN = pendulum.duration(minutes=2)
# how often a new turn is taken where one was too short
TURNS = 2


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
    budget: Budget = NO_BUDGET,
    before_buying: Callable[[], None] = lambda: None,
) -> Purchase:
    """Return the export that fills the collector: the one that is there, else a new one.

    :param if_exists: what to do where an export into this collector is there: ``adopt`` it, ``fail``, or
        ``recreate``: empty the collector and buy again.
    :param ordered_since: with ``recreate``, exports created since belong to this order and are adopted; ``None``
        where this is its first try.
    :param budget: what the order must keep to; with one, orders on the same account take turns.
    :param before_buying: called right before money is spent; it raises to prevent that.
    :raises InvalidRequestError: if there is one already and ``if_exists`` is ``fail``.
    :raises ResultsExpiredError: if there is one already and the service has forgotten its results.
    :raises BudgetExceededError: if the order does not keep to the budget; nothing was bought.
    :raises TransientError: if it is not known whether the order arrived, or its turn to buy did not come.
    """
    wanted = PurchaseAttempt(client, order, collector_id, if_exists, ordered_since)
    existing = wanted.look()
    if settled := wanted.settled_by(existing):
        return settled
    if not budget:
        before_buying()
        return wanted.buy(existing)
    for _ in range(TURNS):
        with suppress(LockExpiredError):
            return _buy_in_turn(wanted, budget, before_buying)
    return _buy_in_turn(wanted, budget, before_buying)


def _buy_in_turn(wanted: PurchaseAttempt, budget: Budget, before_buying: Callable[[], None]) -> Purchase:
    with hold_account_lock(wanted.client) as turn:
        existing = wanted.look()
        if settled := wanted.settled_by(existing):
            return settled
        limit = wanted.order.limit
        book = check(wanted.client, budget, limit, turn.created)
        clear_notes(wanted.client, book, turn.created)
        leave_note(wanted.client, budget, limit, wanted.collector_id, turn.created)
        before_buying()
        return wanted.buy(existing, turn)


@dataclass(frozen=True, slots=True)
class PurchaseAttempt:
    """What is to be in a collector, and how to get it there."""

    client: TalkwalkerClient
    order: ExportOrder
    collector_id: str
    if_exists: IfExists
    ordered_since: pendulum.DateTime | None

    def look(self) -> list[ExportTask]:
        """Return the paid exports into the collector, oldest first."""
        return _bought(self.client, self.collector_id)

    def settled_by(self, existing: list[ExportTask]) -> Purchase | None:
        """Return the purchase if nothing is to be bought any more."""
        if self.if_exists == "recreate":
            since = self.ordered_since or pendulum.DateTime.max
            renewed = [task for task in existing if task.created and task.created >= since]
            return (
                Purchase(_current(self.client, self.collector_id, renewed), adopted=True) if renewed else None
            )
        if not existing:
            return None
        task = _current(self.client, self.collector_id, existing)
        if self.if_exists == "fail":
            raise InvalidRequestError(
                f"Export {task.id} into collector {self.collector_id} exists already ({task.raw_status}). "
                "Set if_exists='adopt' to use it, or 'recreate' to pay for it again."
            )
        _check_readable(task, self.collector_id)
        return Purchase(task, adopted=True)

    def buy(self, existing: list[ExportTask], turn: LockTicket | None = None) -> Purchase:
        """Order, clearing away before what is there."""
        if existing:
            _clear_away(self.client, self.collector_id, existing)
        known = {task.id for task in existing}
        task = self._order_in(turn, known) if turn else self._order_once(known)
        twins = [twin for twin in self.look() if twin.id not in known]
        if twins and twins[0].id != task.id:
            # two runs ordered at the same moment; both keep the older export
            log.warning(
                "Export %s was ordered at the same moment; aborting %s and adopting it.", twins[0].id, task.id
            )
            self.client.abort_export(task.id)
            return Purchase(twins[0], adopted=True)
        return Purchase(task, adopted=False)

    def _order_once(self, known: set[str]) -> ExportTask:
        try:
            return self.client.create_export(self.order, self.collector_id)
        except ThrottledError:
            raise
        except TransientError as lost:
            return _find_after_lost_answer(self.client, self.collector_id, known, lost)

    def _order_in(self, turn: LockTicket, known: set[str]) -> ExportTask:
        """Order, and end the turn only where everybody can see what became of it."""
        turn.begin_order()
        try:
            task = self._order_once(known)
        except TwexportError as error:
            if _was_refused(error):
                turn.end_order()
            raise
        for seconds in self.client.timing.order_listed:
            time.sleep(seconds)
            if task.id in {listed.id for listed in self.client.list_exports()}:
                turn.end_order()
                break
        return task


def _was_refused(error: TwexportError) -> bool:
    """Tell whether the service has surely not taken an order."""
    return isinstance(error, ThrottledError) or not isinstance(
        error, (TransientError, UnexpectedResponseError)
    )


def _bought(client: TalkwalkerClient, collector_id: str) -> list[ExportTask]:
    """Return the paid exports into a collector, oldest first."""
    tasks = [task for task in client.list_exports() if task.target == collector_id and task.is_adoptable]
    return sorted(tasks, key=_age)


def _age(task: ExportTask) -> tuple[pendulum.DateTime, str]:
    return task.created or pendulum.DateTime.max, task.id


def _current(client: TalkwalkerClient, collector_id: str, existing: list[ExportTask]) -> ExportTask:
    """Return the newest export, for which older ones were cleared away; of twins the older, which both runs keep."""
    newest, _ = _age(existing[-1])
    together = [task for task in existing if newest - _age(task)[0] <= TWINS_WITHIN]
    if len(together) == 1:
        return together[0]
    try:
        emptied = client.get_collector(collector_id).created or pendulum.DateTime.min
    except NotFoundError:
        return together[-1]
    return next((task for task in together if _age(task)[0] >= emptied), together[-1])


def _find_after_lost_answer(
    client: TalkwalkerClient, collector_id: str, known: set[str], lost: TransientError
) -> ExportTask:
    log.warning("%s The order may have arrived all the same: looking for its export.", lost)
    for seconds in client.timing.order_listed:
        time.sleep(seconds)
        found = [task for task in _bought(client, collector_id) if task.id not in known]
        if found:
            return found[0]
    raise TransientError(
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
    except NotFoundError:
        log.info("Collector %s is gone already.", collector_id)
    client.put_collector(collector_id)


def _check_readable(task: ExportTask, collector_id: str) -> None:
    forgotten = task.readable_until
    if forgotten and forgotten < pendulum.now("UTC"):
        raise ResultsExpiredError(
            f"Export {task.id} of {task.created} filled collector {collector_id} with "
            f"{task.exported() or task.processed:,} results, but Talkwalker keeps results for 7 days, here until "
            f"{forgotten}. They are paid for and can no longer be read. To buy them again, set if_exists='recreate'.",
            facts={
                "export_id": task.id,
                "collector_id": collector_id,
                "exported": task.exported(),
                "readable_until": str(forgotten),
            },
        )
