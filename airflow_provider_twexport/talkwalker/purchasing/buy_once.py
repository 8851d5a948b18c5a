"""Buying an export once: look before ordering, look again after a lost answer, and adopt what is there.

Ordering is not idempotent, and each order is charged (vendor page "past data export"). But the service lists its
exports with the collector that each writes into, so a collector named by its content shows whether it was bought. The
list may lag, and it forgets. So an order holds a lock on its collector and leaves a receipt, and before it is sent,
landings and the ledger are asked too what they know.

Whoever adopts takes no lock, and whoever waits for a lock adopts the export as soon as it shows up.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import pendulum

from airflow_provider_twexport.core.window import CLOCK_TOLERANCE
from airflow_provider_twexport.exceptions import (
    ExportExistsError,
    LockExpiredError,
    LockTimeoutError,
    NotFoundError,
    OrderUnconfirmedError,
    ResultsExpiredError,
    RetriableError,
    ThrottledError,
    TwexportError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.models import RETENTION, ExportTask
from airflow_provider_twexport.talkwalker.purchasing.budget import (
    CLOCK_SKEW,
    NO_BUDGET,
    Reservation,
    check_budget,
    remove_stale_reservations,
    reserve,
)
from airflow_provider_twexport.talkwalker.purchasing.collector_names import (
    RENEWAL_PREFIX,
    fingerprint,
    fingerprint_in,
    short_hash,
)
from airflow_provider_twexport.talkwalker.purchasing.notes import leave_note
from airflow_provider_twexport.talkwalker.purchasing.order_lock import OrderLock
from airflow_provider_twexport.talkwalker.purchasing.receipts import (
    complete_receipts,
    leave_receipt,
    list_exports,
    remove_old_receipts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from airflow_provider_twexport.talkwalker.purchasing.budget import Budget
    from airflow_provider_twexport.talkwalker.purchasing.order_lock import LockTicket

log = logging.getLogger(__name__)

IfExists = Literal["adopt", "fail", "recreate"]
# two runs may both look before either has ordered; an order takes a minute at most
DUPLICATES_WITHIN = pendulum.duration(minutes=2)
# how often a lock is taken again after a ticket expired
LOCK_RETRIES = 4


@dataclass(frozen=True, slots=True)
class KnownExport:
    """An export into the collector that somebody other than the service remembers.

    :param export_id: the export.
    :param limit: the limit that it was ordered with; ``None`` if nobody knows.
    :param landed: the address of its manifest, if all that it exported has landed.
    :param extent: a sentence that says what landed of it.
    :param ordered_at: when it was ordered; ``None`` if nobody knows.
    """

    export_id: str
    limit: int | None = None
    landed: str | None = None
    extent: str = ""
    ordered_at: pendulum.DateTime | None = None


@dataclass(frozen=True, slots=True)
class Purchase:
    """An export, and whether it was there before.

    :param task: the export as the service reported it last.
    :param adopted: whether nothing was bought for it now.
    :param limit: the limit that it was ordered with; ``None`` if nobody knows.
    :param landed: the address of its manifest, where the service no longer has the results and all have landed.
    """

    task: ExportTask
    adopted: bool
    limit: int | None = None
    landed: str | None = None


class _Adopted(Exception):  # noqa: N818
    """Ends the wait for a lock, because nothing is left to buy."""

    def __init__(self, purchase: Purchase) -> None:
        super().__init__()
        self.purchase = purchase


def buy_once(
    client: TalkwalkerClient,
    order: ExportOrder,
    collector_id: str,
    *,
    if_exists: IfExists = "adopt",
    renewal: str | None = None,
    settle: timedelta = timedelta(0),
    budget: Budget = NO_BUDGET,
    known_exports: Callable[[], Sequence[KnownExport]] = lambda: (),
    before_buying: Callable[[], None] = lambda: None,
) -> Purchase:
    """Return the export that fills the collector: the existing one, else a new one.

    :param if_exists: what to do where an export into this collector exists: ``adopt`` it, ``fail``, or
        ``recreate``: empty the collector and buy again.
    :param renewal: with ``recreate``, names this order through all its tries: what an earlier try of the same name
        bought is adopted. ``None`` where there is one try only.
    :param settle: how long after its end results of the window may be indexed; an export that was ordered earlier is
        not adopted.
    :param budget: what the order must keep to; with one, the order holds the account's lock too.
    :param known_exports: returns what landings and the ledger know, oldest first; asked where the service shows no
        export to adopt.
    :param before_buying: called right before money is spent; it raises to prevent that.
    :raises ExportExistsError: if there is one already and ``if_exists`` is ``fail``.
    :raises ResultsExpiredError: if there is one already, and its results are neither readable nor all landed.
    :raises BudgetExceededError: if the order does not keep to the budget; nothing was bought.
    :raises OrderUnconfirmedError: if it is not known whether the order arrived.
    :raises LockTimeoutError: if other orders did not end; nothing was bought.
    """
    attempt = PurchaseAttempt(client, order, collector_id, if_exists, renewal, settle, known_exports)
    if purchase := attempt.adopt() or attempt.adopt_known():
        return purchase
    retries_left = LOCK_RETRIES
    while True:
        try:
            return _buy_with_locks(attempt, budget, before_buying)
        except _Adopted as found:
            return found.purchase
        except LockExpiredError as error:
            if not retries_left:
                raise
            retries_left -= 1
            log.info("%s Taking the lock again.", error)


def _buy_with_locks(attempt: PurchaseAttempt, budget: Budget, before_buying: Callable[[], None]) -> Purchase:
    client, limit = attempt.client, attempt.order.limit

    def look() -> None:
        if purchase := attempt.adopt():
            raise _Adopted(purchase)

    with ExitStack() as locks:
        tickets: list[LockTicket] = []
        if budget:
            tickets.append(locks.enter_context(OrderLock(client, None, look)))
        outer = tickets[0] if tickets else None
        tickets.append(locks.enter_context(OrderLock(client, attempt.collector_id, look, outer)))
        look()
        # whoever held the lock may have recorded an export that the list has forgotten since
        if purchase := attempt.adopt_known():
            return purchase
        now = tickets[0].created
        remove_old_receipts(client, attempt.helpers, now)
        if budget:
            usage = check_budget(client, budget, limit, now)
            remove_stale_reservations(client, usage, now)
        if budget or not attempt.name_implies_limit:
            reserve(client, budget, limit, attempt.collector_id, now)
        before_buying()
        return attempt.buy(tickets)


@dataclass(slots=True)
class PurchaseAttempt:
    """What is to be in a collector, and how to get it there.

    :param helpers: the account's collectors at the last look; some are notes of orders.
    """

    client: TalkwalkerClient
    order: ExportOrder
    collector_id: str
    if_exists: IfExists
    renewal: str | None
    settle: timedelta
    known_exports: Callable[[], Sequence[KnownExport]]
    helpers: tuple[str, ...] = field(default=())

    @property
    def name_implies_limit(self) -> bool:
        """Return whether whoever orders the same into this collector, by its name, orders it with this limit."""
        return fingerprint_in(self.collector_id) == fingerprint(self.order)

    def existing_exports(self) -> list[ExportTask]:
        """Return the paid exports into the collector, oldest first, also those that the list does not show yet."""
        self.helpers = tuple(collector.id for collector in self.client.list_collectors())
        exports = list_exports(self.client, self.helpers, self.collector_id)
        ours = short_hash(self.collector_id)
        return sorted((task for hashed, task in exports if hashed == ours and task.is_adoptable), key=_age)

    def adopt(self) -> Purchase | None:
        """Return the purchase if the service shows an export, so that nothing is left to buy."""
        existing = self.existing_exports()
        if self.if_exists == "recreate":
            since = self._renewed_since()
            renewed = [task for task in existing if since and (not task.created or task.created >= since)]
            return self._adopted(self._current(renewed)) if renewed else None
        return self._adopt(self._current(existing)) if existing else None

    def adopt_known(self) -> Purchase | None:
        """Return the purchase if somebody other than the service knows an export.

        :raises ResultsExpiredError: if the service no longer has the results of it, and not all have landed.
        """
        if self.if_exists == "recreate":
            return None
        gone: list[KnownExport] = []
        for known in reversed(self.known_exports()):
            try:
                task = self.client.get_export(known.export_id)
            except NotFoundError:
                gone.append(known)
                continue
            if task.is_adoptable:
                return self._adopt(task)
        return self._adopt_gone(gone) if gone else None

    def buy(self, tickets: Sequence[LockTicket]) -> Purchase:
        """Order, after clearing away what exists; the locks end once everybody can see what was bought."""
        existing = self.existing_exports() if self.if_exists == "recreate" else []
        self._begin_renewal(existing, tickets[-1])
        if existing:
            self._clear_away(existing)
        known = {task.id for task in existing}
        for ticket in tickets:
            ticket.begin_order()
        try:
            task = self._order(known)
        except TwexportError as error:
            if _was_refused(error):
                _end_order(tickets)
            raise
        visible = [each for each in self.existing_exports() if each.id not in known]
        has_receipt = leave_receipt(self.client, task, self.collector_id)
        if has_receipt or task.id in {each.id for each in visible}:
            _end_order(tickets)
        else:
            log.warning("Nobody can see yet that export %s was bought, so the order stays locked.", task.id)
        if visible and _age(visible[0]) < _age(task):
            # somebody ordered without a lock; whoever looks keeps the older export
            log.warning("Export %s was ordered before; aborting %s and adopting it.", visible[0].id, task.id)
            self.client.abort_export(task.id)
            return self._adopted(visible[0])
        return Purchase(task, adopted=False, limit=self.order.limit)

    def _adopt(self, task: ExportTask) -> Purchase:
        if self.if_exists == "fail":
            raise ExportExistsError(
                f"Export {task.id} into collector {self.collector_id} exists already ({task.raw_status}). "
                "Set if_exists='adopt' to use it, or 'recreate' to pay for it again.",
                facts=task.facts(self.order.limit),
            )
        self._check_settled(task.id, task.created)
        if not task.may_be_lost(pendulum.now("UTC")):
            return self._adopted(task)
        known = self._known(task.id)
        if known and known.landed:
            return self._adopted(task, known)
        if self.client.can_be_read(self.collector_id, task.id):
            return self._adopted(task)
        raise _expired(task, known)

    def _adopt_gone(self, gone: list[KnownExport]) -> Purchase:
        """Return the purchase of an export that the service has forgotten and that has landed."""
        known = next((each for each in gone if each.landed), gone[0])
        if self.if_exists == "fail":
            raise ExportExistsError(
                f"Export {known.export_id} into collector {self.collector_id} was bought. {known.extent} Set "
                "if_exists='adopt' to use it, or 'recreate' to pay for it again."
            )
        if known.landed:
            self._check_settled(known.export_id, known.ordered_at)
            task = ExportTask.from_json({"id": known.export_id, "target": self.collector_id})
            return self._adopted(task, known)
        raise ResultsExpiredError(
            f"Export {known.export_id} into collector {self.collector_id} was bought, and Talkwalker does not know it "
            f"any more. {known.extent} To buy its results again, set if_exists='recreate'.",
            facts={"export_id": known.export_id, "collector_id": self.collector_id},
        )

    def _check_settled(self, export_id: str, ordered_at: pendulum.DateTime | None) -> None:
        """Refuse an export that was ordered before its window had ended and settled.

        :raises ExportExistsError: if it was.
        """
        window = self.order.window
        if ordered_at is None or window.stop + self.settle <= ordered_at + CLOCK_TOLERANCE:
            return
        moment, end = ordered_at.to_iso8601_string(), (window.stop + self.settle).to_iso8601_string()
        if window.passed_at(ordered_at) != window:
            why = f"before {window} ended, so it lacks what was published later"
            advice = "Choose a window that begins there"
        else:
            why = f"and {window} settles until {end}, so it lacks what was indexed later"
            advice = "Give a shorter settle"
        raise ExportExistsError(
            f"Export {export_id} was ordered on {moment}, {why}. Nothing was bought. {advice}, or set "
            "if_exists='recreate' to pay for all of it again.",
            facts={
                "export_id": export_id,
                "collector_id": self.collector_id,
                "ordered_at": moment,
                "settles_at": end,
            },
        )

    def _adopted(self, task: ExportTask, known: KnownExport | None = None) -> Purchase:
        if known is None:
            complete_receipts(self.client, task, self.collector_id, self.helpers)
        limit = self._reserved_limit(task)
        if known is None and limit is None and task.ready is None:
            # the limit counts where the service does not
            known = self._known(task.id)
        limit = limit or (known.limit if known else None)
        return Purchase(task, adopted=True, limit=limit, landed=known.landed if known else None)

    def _known(self, export_id: str) -> KnownExport | None:
        return next((each for each in reversed(self.known_exports()) if each.export_id == export_id), None)

    def _reserved_limit(self, task: ExportTask) -> int | None:
        """Return the limit that the order of an export has left in a reservation."""
        reservations = filter(None, map(Reservation.from_collector_id, self.helpers))
        ours = [each for each in reservations if each.collector_hash == short_hash(self.collector_id)]
        before = [each for each in ours if not task.created or each.created <= task.created + CLOCK_SKEW]
        return max(before, key=lambda each: each.created).limit if before else None

    @property
    def _renewals_prefix(self) -> str:
        return f"{RENEWAL_PREFIX}{short_hash(self.collector_id)}-"

    def _renewed_since(self) -> pendulum.DateTime | None:
        """Return when the first try of this renewal began; ``None`` if this is it."""
        marker = f"{self._renewals_prefix}{short_hash(self.renewal)}" if self.renewal else None
        if marker not in self.helpers:
            return None
        created = self.client.get_collector(marker).created
        return created and created.subtract(seconds=self.client.timing.clock_skew)

    def _begin_renewal(self, existing: list[ExportTask], ticket: LockTicket) -> None:
        """Leave a marker that is surely younger than what exists, and older than what will be ordered."""
        if self.if_exists != "recreate" or not self.renewal or self._renewed_since():
            return
        skew = self.client.timing.clock_skew
        newest = max((task.created for task in existing if task.created), default=None)
        if newest:
            time.sleep(min(max(0.0, 2 * skew - ticket.seconds_since(newest)), 2 * skew))
        for marker in self.helpers:
            if marker.startswith(self._renewals_prefix):
                self._remove_old_marker(marker, ticket)
        marker = f"{self._renewals_prefix}{short_hash(self.renewal)}"
        if not leave_note(self.client, marker):
            raise LockTimeoutError(
                f"Talkwalker does not list collector {marker} yet, without which a retry could not find what this try "
                "buys. Nothing was bought. A retry orders."
            )

    def _remove_old_marker(self, marker: str, ticket: LockTicket) -> None:
        try:
            created = self.client.get_collector(marker).created
            if created and ticket.seconds_since(created) > RETENTION.total_seconds():
                self.client.delete_collector(marker)
        except NotFoundError:
            log.debug("Marker %s is gone already.", marker)

    def _order(self, known: set[str]) -> ExportTask:
        try:
            return self.client.create_export(self.order, self.collector_id)
        except ThrottledError:
            raise
        except RetriableError as lost:
            return self._find_after_lost_answer(known, lost)

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
                with suppress(NotFoundError):
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


def _end_order(tickets: Sequence[LockTicket]) -> None:
    for ticket in tickets:
        ticket.end_order()


def _expired(task: ExportTask, known: KnownExport | None) -> ResultsExpiredError:
    return ResultsExpiredError(
        f"Export {task.id} of {task.created} filled collector {task.collector_id} with "
        f"{task.exported() or task.processed:,} results, but Talkwalker keeps results for 7 days, here until "
        f"{task.readable_until}, and a read brought none. They are paid for and can no longer be read. "
        f"{known.extent if known else ''} "
        "To buy them again, set if_exists='recreate'.",
        facts=task.facts(),
    )
