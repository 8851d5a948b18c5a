"""Buying an export once: look before ordering, look again after a lost answer, and keep one of two duplicates.

Ordering is not idempotent, and each order is charged (vendor page "past data export"). But the service lists its
exports with the collector that each writes into, so a collector named by its content shows whether it was bought.
Under a budget, an order also holds the account's lock.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pendulum

from airflow_provider_twexport.exceptions import (
    ExportExistsError,
    LockExpiredError,
    NotFoundError,
    OrderUnconfirmedError,
    ResultsExpiredError,
    RetriableError,
    ThrottledError,
    TwexportError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.purchasing.account_lock import AccountLock
from airflow_provider_twexport.talkwalker.purchasing.budget import (
    NO_BUDGET,
    check_budget,
    remove_stale_reservations,
    reserve,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder, ExportTask
    from airflow_provider_twexport.talkwalker.purchasing.account_lock import LockTicket
    from airflow_provider_twexport.talkwalker.purchasing.budget import Budget

log = logging.getLogger(__name__)

IfExists = Literal["adopt", "fail", "recreate"]
# two runs may both look before either has ordered; an order takes a minute at most
DUPLICATES_WITHIN = pendulum.duration(minutes=2)
# how often the lock is taken again after a ticket expired
LOCK_RETRIES = 2


@dataclass(frozen=True, slots=True)
class Purchase:
    """An export, and whether it was there before.

    :param task: the export as the service reported it last.
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
    """Return the export that fills the collector: the existing one, else a new one.

    :param if_exists: what to do where an export into this collector exists: ``adopt`` it, ``fail``, or
        ``recreate``: empty the collector and buy again.
    :param ordered_since: with ``recreate``, exports created since belong to this order and are adopted; ``None``
        where this is its first try.
    :param budget: what the order must keep to; with one, the order holds the account's lock.
    :param before_buying: called right before money is spent; it raises to prevent that.
    :raises ExportExistsError: if there is one already and ``if_exists`` is ``fail``.
    :raises ResultsExpiredError: if there is one already and the service has forgotten its results.
    :raises BudgetExceededError: if the order does not keep to the budget; nothing was bought.
    :raises OrderUnconfirmedError: if it is not known whether the order arrived, or the lock did not become free.
    """
    attempt = PurchaseAttempt(client, order, collector_id, if_exists, ordered_since)
    existing = attempt.existing_exports()
    if purchase := attempt.adopt(existing):
        return purchase
    if not budget:
        before_buying()
        return attempt.buy(existing)
    for _ in range(LOCK_RETRIES):
        with suppress(LockExpiredError):
            return _buy_with_lock(attempt, budget, before_buying)
    return _buy_with_lock(attempt, budget, before_buying)


def _buy_with_lock(attempt: PurchaseAttempt, budget: Budget, before_buying: Callable[[], None]) -> Purchase:
    client, limit = attempt.client, attempt.order.limit
    with AccountLock(client) as ticket:
        existing = attempt.existing_exports()
        if purchase := attempt.adopt(existing):
            return purchase
        usage = check_budget(client, budget, limit, ticket.created)
        remove_stale_reservations(client, usage, ticket.created)
        reserve(client, budget, limit, attempt.collector_id, ticket.created)
        before_buying()
        return attempt.buy(existing, ticket)


@dataclass(frozen=True, slots=True)
class PurchaseAttempt:
    """What is to be in a collector, and how to get it there."""

    client: TalkwalkerClient
    order: ExportOrder
    collector_id: str
    if_exists: IfExists
    ordered_since: pendulum.DateTime | None

    def existing_exports(self) -> list[ExportTask]:
        """Return the paid exports into the collector, oldest first."""
        listed = self.client.list_exports()
        paid = [task for task in listed if task.collector_id == self.collector_id and task.is_adoptable]
        return sorted(paid, key=_age)

    def adopt(self, existing: list[ExportTask]) -> Purchase | None:
        """Return the purchase if nothing is left to buy."""
        if self.if_exists == "recreate":
            since = self.ordered_since or pendulum.DateTime.max
            renewed = [task for task in existing if task.created and task.created >= since]
            return Purchase(self._current(renewed), adopted=True) if renewed else None
        if not existing:
            return None
        task = self._current(existing)
        if self.if_exists == "fail":
            raise ExportExistsError(
                f"Export {task.id} into collector {self.collector_id} exists already ({task.raw_status}). "
                "Set if_exists='adopt' to use it, or 'recreate' to pay for it again.",
                facts=task.facts(self.order.limit),
            )
        _check_readable(task)
        return Purchase(task, adopted=True)

    def buy(self, existing: list[ExportTask], ticket: LockTicket | None = None) -> Purchase:
        """Order, after clearing away what exists."""
        if existing:
            self._clear_away(existing)
        known = {task.id for task in existing}
        task = self._order_with(ticket, known) if ticket else self._order_once(known)
        created = [each for each in self.existing_exports() if each.id not in known]
        if created and created[0].id != task.id:
            # two runs ordered at the same moment; both keep the older export
            log.warning(
                "Export %s was ordered at the same moment; aborting %s and adopting it.",
                created[0].id,
                task.id,
            )
            self.client.abort_export(task.id)
            return Purchase(created[0], adopted=True)
        return Purchase(task, adopted=False)

    def _order_once(self, known: set[str]) -> ExportTask:
        try:
            return self.client.create_export(self.order, self.collector_id)
        except ThrottledError:
            raise
        except RetriableError as lost:
            return self._find_after_lost_answer(known, lost)

    def _order_with(self, ticket: LockTicket, known: set[str]) -> ExportTask:
        """Order, and release the ticket only where everybody can see whether the order arrived."""
        ticket.begin_order()
        try:
            task = self._order_once(known)
        except TwexportError as error:
            if _was_refused(error):
                ticket.end_order()
            raise
        for seconds in self.client.timing.order_listed:
            time.sleep(seconds)
            if task.id in {listed.id for listed in self.client.list_exports()}:
                ticket.end_order()
                break
        return task

    def _find_after_lost_answer(self, known: set[str], lost: RetriableError) -> ExportTask:
        log.warning("%s The order may have arrived all the same: looking for its export.", lost)
        for seconds in self.client.timing.order_listed:
            time.sleep(seconds)
            found = [task for task in self.existing_exports() if task.id not in known]
            if found:
                return found[0]
        raise OrderUnconfirmedError(
            "The answer to the order was lost, and no export has shown up. The next try looks again before it buys.",
            lost.evidence,
        ) from None

    def _current(self, existing: list[ExportTask]) -> ExportTask:
        """Return the newest export, as older ones were cleared away; of duplicates the older, which both runs keep."""
        newest, _ = _age(existing[-1])
        together = [task for task in existing if newest - _age(task)[0] <= DUPLICATES_WITHIN]
        if len(together) == 1:
            return together[0]
        try:
            emptied = self.client.get_collector(self.collector_id).created or pendulum.DateTime.min
        except NotFoundError:
            return together[-1]
        return next((task for task in together if _age(task)[0] >= emptied), together[-1])

    def _clear_away(self, existing: list[ExportTask]) -> None:
        """Abort what still writes into the collector, and empty it."""
        for task in existing:
            task.check_status()
            if task.is_unfinished:
                self.client.abort_export(task.id)
        try:
            self.client.delete_collector(self.collector_id)
        except NotFoundError:
            log.info("Collector %s is gone already.", self.collector_id)
        self.client.put_collector(self.collector_id)


def _was_refused(error: TwexportError) -> bool:
    """Return whether the service has surely not taken an order."""
    return isinstance(error, ThrottledError) or not isinstance(
        error, (RetriableError, UnexpectedResponseError)
    )


def _age(task: ExportTask) -> tuple[pendulum.DateTime, str]:
    return task.created or pendulum.DateTime.max, task.id


def _check_readable(task: ExportTask) -> None:
    forgotten = task.readable_until
    if forgotten and forgotten < pendulum.now("UTC"):
        raise ResultsExpiredError(
            f"Export {task.id} of {task.created} filled collector {task.collector_id} with "
            f"{task.exported() or task.processed:,} results, but Talkwalker keeps results for 7 days, here until "
            f"{forgotten}. They are paid for and can no longer be read. To buy them again, set if_exists='recreate'.",
            facts=task.facts(),
        )
