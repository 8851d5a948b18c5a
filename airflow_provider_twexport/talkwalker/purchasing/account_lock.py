"""A lock on a Talkwalker account, so that of two orders at the same moment the second sees what the first has bought.

The service has no lock, and tasks on different machines share nothing else. But a collector is a register that every
holder of the token can write, list and remove for free, and the service itself says when it was created. So whoever
wants to order puts a ticket, an empty collector, into a queue. The oldest ticket holds the lock.

Why two tickets never hold the lock together. Let A's ticket be older than B's, by creation date, then by id. B reads
the queue only after its own ticket is in it, and ``lock_settle`` seconds later. If A's ticket is there, B waits until
it is gone. If it is not there yet, it was created ``lock_settle`` seconds after B's, so it is not the older one, unless
the service's own clocks differ by that much. If it is not there any more, A has released the lock, and A's order is in
the list of exports, because a ticket is removed only after that is sure.

Why a dead task does not block the queue for ever. A ticket is valid for ``lock_valid`` seconds from when it was sent:
no order leaves later than that, and no request takes longer than what is left of ``lock_dead``. After ``lock_dead``
seconds by the service's clock anybody may remove the ticket. A task that waits longer than half of ``lock_valid``
replaces its ticket with a new one, at the end of the queue, so the oldest ticket always has time left to order.
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
from airflow_provider_twexport.talkwalker.purchasing.collector_names import PREFIX

if TYPE_CHECKING:
    import pendulum

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient

log = logging.getLogger(__name__)

TICKET_PREFIX = f"{PREFIX}lock-"
MAX_POLL_FACTOR = 10


@dataclass(slots=True)
class LockTicket:
    """A place in the queue for the account's lock, and what is known of the order that it was taken for.

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


class AccountLock:
    """Context manager that holds the lock of a client's account; its value is the ticket to order with.

    A block that ends while nobody knows whether its order arrived keeps the lock until its ticket is dead.

    :param client: whose account's orders wait for each other.
    :raises LockTimeoutError: on entering, if the lock did not become free within ``lock_patience`` seconds.
    :raises UnexpectedResponseError: on entering, if the service does not say when the ticket was created.
    """

    def __init__(self, client: TalkwalkerClient) -> None:
        self._client = client
        self._created: dict[str, pendulum.DateTime] = {}

    def __enter__(self) -> LockTicket:
        timing, since = self._client.timing, time.monotonic()
        self._ticket = self._join_queue()
        try:
            while older := self._count_older():
                if time.monotonic() - since > timing.lock_patience:
                    raise LockTimeoutError(
                        f"{older} other orders on this account still have to finish before this one, after "
                        f"{timing.lock_patience:.0f} s. Nothing was bought."
                    )
                time.sleep(timing.lock_poll * min(older, MAX_POLL_FACTOR) * random.uniform(0.5, 1.0))
                if self._ticket.age > self._ticket.valid / 2:
                    self._remove(self._ticket.id)
                    self._ticket = self._join_queue()
        except BaseException:
            self._remove(self._ticket.id)
            raise
        return self._ticket

    def __exit__(self, *_: object) -> None:
        if not self._ticket.outcome_is_unknown:
            self._remove(self._ticket.id)

    def _join_queue(self) -> LockTicket:
        """Create a ticket, and let it settle."""
        ticket_id, sent = f"{TICKET_PREFIX}{secrets.token_hex(8)}", time.monotonic()
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

    def _count_older(self) -> int:
        """Count the tickets to wait for, and remove dead ones."""
        listed = {each.id for each in self._client.list_collectors() if each.id.startswith(TICKET_PREFIX)}
        if self._ticket.id not in listed:
            return 1  # a list without our own ticket may lack others too
        return sum(map(self._must_wait_for, listed - {self._ticket.id}))

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
                    "Talkwalker does not say when a collector was created, so orders cannot wait for each other, and "
                    "no budget can be kept. Nothing was bought. Report this to Talkwalker."
                )
            self._created[ticket_id] = created
        return self._created[ticket_id]
