"""A lock on orders, so that of two orders at the same moment the second sees what the first has bought.

An order holds the lock on its collector, and where a budget must hold, the lock on the account too, taken first.

The service has no lock, and tasks on different machines share nothing else. But a collector is a register that every
holder of the token can write, list and remove for free, and the service itself says when it was created. So whoever
wants to order puts a ticket, an empty collector, into a queue. The oldest ticket holds the lock.

Why two tickets never hold the lock together. Let A's ticket be older than B's, by creation date, then by id. B reads
the queue only after its own ticket is in it, and ``lock_settle`` seconds later. If A's ticket is there, B waits until
it is gone. If it is not there yet, it was created ``lock_settle`` seconds after B's, so it is not the older one, unless
the service's own clocks differ by that much; dates in whole seconds differ by less than one. If it is not there any
more, A has released the lock, and A's order is in the list of exports or has a receipt, because a ticket is removed
only after that is sure.

Why a dead task does not block the queue for ever. A ticket is valid for ``lock_valid`` seconds from when it was sent:
no order leaves later than that. After ``lock_dead`` seconds by the service's clock anybody may remove the ticket. Until
then its order has arrived and is listed: 90 s until it leaves, 60 s for the longest request, 90 s for a list that lags,
and 15 s for clocks that differ, 255 s in all. A task that waits longer than half of ``lock_valid`` replaces its ticket
with a new one, at the end of the queue, so the oldest ticket always has time left to order.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_twexport.exceptions import (
    LockExpiredError,
    LockTimeoutError,
    NotFoundError,
    TwexportError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.purchasing.collector_names import TICKET_PREFIX, short_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    import pendulum

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient

log = logging.getLogger(__name__)

MAX_POLL_FACTOR = 10


@dataclass(slots=True)
class LockTicket:
    """A place in the queue for a lock, and what is known of the order that it was taken for.

    :param id: the collector that is the ticket.
    :param created: when it was created, by the service's clock.
    :param sent: by our monotonic clock, a moment before it was created.
    :param confirmed: by the same clock, a moment after it was created.
    :param valid: how many seconds after ``sent`` its order may leave.
    :param outcome_is_unknown: whether an order was sent and nobody knows whether it arrived.
    """

    id: str
    created: pendulum.DateTime
    sent: float
    confirmed: float
    valid: float
    outcome_is_unknown: bool = False

    @property
    def age(self) -> float:
        """Return the seconds since the ticket was sent."""
        return time.monotonic() - self.sent

    @property
    def may_be_dead_soon(self) -> bool:
        """Return whether too little time is left to get ready and order."""
        return self.age > self.valid / 2

    def seconds_since(self, created: pendulum.DateTime) -> float:
        """Return how old another ticket is at least; compares the service's clock with nothing but itself."""
        return (self.created - created).total_seconds() + time.monotonic() - self.confirmed

    def begin_order(self) -> None:
        """Record that the order leaves now.

        :raises LockExpiredError: if others may remove this ticket before the order arrives.
        """
        if self.age > self.valid:
            raise LockExpiredError(
                f"It took {self.age:.0f} s to get ready to order, and a ticket is valid for {self.valid:.0f} s. "
                "Nothing was bought."
            )
        self.outcome_is_unknown = True

    def end_order(self) -> None:
        """Record that the export is in the service's list, or that surely nothing was bought."""
        self.outcome_is_unknown = False


class OrderLock:
    """Context manager that holds a lock on orders; its value is the ticket to order with.

    A block that ends while nobody knows whether its order arrived keeps the lock until its ticket is dead.

    :param client: whose account's orders wait for each other.
    :param collector_id: lock the orders into this collector; ``None`` for all orders that hold the account's lock.
    :param while_waiting: called at each look at the queue; what it raises ends the wait.
    :param outer: the ticket of a lock that is held already.
    :raises LockTimeoutError: on entering, if the lock did not become free within ``lock_patience`` seconds.
    :raises LockExpiredError: on entering, if the outer ticket got too old meanwhile.
    :raises UnexpectedResponseError: on entering, if the service does not say when the ticket was created.
    """

    def __init__(
        self,
        client: TalkwalkerClient,
        collector_id: str | None = None,
        while_waiting: Callable[[], None] = lambda: None,
        outer: LockTicket | None = None,
    ) -> None:
        self._client = client
        self._noun = f"into collector {collector_id}" if collector_id else "on this account"
        self._prefix = TICKET_PREFIX + (f"{short_hash(collector_id)}-" if collector_id else "")
        self._while_waiting = while_waiting
        self._outer = outer
        self._created: dict[str, pendulum.DateTime] = {}
        self._reported: set[str] = set()

    def __enter__(self) -> LockTicket:
        timing, since = self._client.timing, time.monotonic()
        self._ticket = self._join_queue()
        try:
            while older := self._older():
                self._while_waiting()
                self._check_wait(len(older), time.monotonic() - since)
                time.sleep(timing.lock_poll * min(len(older), MAX_POLL_FACTOR) * random.uniform(0.5, 1.0))
                if self._ticket.may_be_dead_soon:
                    self._remove(self._ticket.id)
                    self._ticket = self._join_queue()
        except BaseException:
            self._remove(self._ticket.id)
            raise
        return self._ticket

    def __exit__(self, *_: object) -> None:
        if not self._ticket.outcome_is_unknown:
            self._remove(self._ticket.id)

    def _check_wait(self, older: int, waited: float) -> None:
        if waited > self._client.timing.lock_patience:
            raise LockTimeoutError(
                f"{older} other orders {self._noun} still have to finish before this one, after "
                f"{self._client.timing.lock_patience:.0f} s. Nothing was bought."
            )
        if self._outer and self._outer.may_be_dead_soon:
            raise LockExpiredError(
                f"Other orders {self._noun} take so long that the account's lock was released meanwhile. Nothing was "
                "bought."
            )

    def _join_queue(self) -> LockTicket:
        """Create a ticket, and let it settle."""
        ticket_id, sent = f"{self._prefix}{secrets.token_hex(8)}", time.monotonic()
        timing = self._client.timing
        try:
            self._client.put_collector(ticket_id)
            ticket = LockTicket(
                ticket_id, self._created_at(ticket_id), sent, time.monotonic(), timing.lock_valid
            )
            time.sleep(timing.lock_settle)
        except BaseException:
            self._remove(ticket_id)
            raise
        return ticket

    def _remove(self, ticket_id: str) -> None:
        """Remove a ticket; where that fails, others remove it once it is dead."""
        try:
            self._client.delete_collector(ticket_id)
        except NotFoundError:
            log.debug("Ticket %s is gone already.", ticket_id)
        except TwexportError as error:
            log.warning(
                "Ticket %s stays until it is %.0f s old: %s", ticket_id, self._client.timing.lock_dead, error
            )

    def _older(self) -> set[str]:
        """Return the tickets to wait for, and remove dead ones."""
        listed = {each.id for each in self._client.list_collectors() if self._is_in_queue(each.id)}
        if self._ticket.id not in listed:
            return {self._ticket.id}  # a list without our own ticket may lack others too
        older = {other for other in listed - {self._ticket.id} if self._must_wait_for(other)}
        for other in older - self._reported:
            self._report(other)
        return older

    def _is_in_queue(self, collector_id: str) -> bool:
        return collector_id.startswith(self._prefix) and "-" not in collector_id.removeprefix(self._prefix)

    def _report(self, other: str) -> None:
        self._reported.add(other)
        dead_in = self._client.timing.lock_dead - self._ticket.seconds_since(self._created[other])
        log.info(
            "Waiting for another order %s (ticket %s), for %.0f s at most: a task that was killed while it ordered "
            "may have bought something that is not listed yet.",
            self._noun,
            other,
            max(0.0, dead_in),
        )

    def _must_wait_for(self, other: str) -> bool:
        try:
            created = self._created_at(other)
        except NotFoundError:
            return False
        if (created, other) > (self._ticket.created, self._ticket.id):
            return False
        if self._ticket.seconds_since(created) <= self._client.timing.lock_dead:
            return True
        log.warning("Ticket %s of %s is dead: its task was killed while it ordered.", other, created)
        self._remove(other)
        return False

    def _created_at(self, ticket_id: str) -> pendulum.DateTime:
        if ticket_id not in self._created:
            created = self._client.get_collector(ticket_id).created
            if created is None:
                raise UnexpectedResponseError(
                    "Talkwalker does not say when a collector was created, so orders cannot wait for each other. "
                    "Nothing was bought. Report this to Talkwalker."
                )
            self._created[ticket_id] = created
        return self._created[ticket_id]
