"""Taking turns at the till, so that of two orders at the same moment the second sees what the first has bought.

There is no lock at the service, and tasks on different machines share nothing else. But a collector is a register that
every holder of the token can write, list and remove for nothing, and the service itself says when it was created. So
whoever wants to order puts a ticket, an empty collector, into the line; whose ticket is the oldest has its turn.

Why two are never at the till together. Be A's ticket older than B's, by creation date, then id. B looks at the line
only once its own ticket is in it, and ``lock_settle`` seconds later. If A's ticket is there, B waits until it is gone.
If it is not there yet, it was put ``lock_settle`` seconds after B's, and is not the older one, unless the service's own
clocks differ by so much. If it is not there any more, then A has gone, and what it ordered is in the list of exports,
because a ticket is taken back only once that is sure.

Why a dead one holds nobody up for ever. A ticket is good for ``lock_valid`` seconds from when it was sent: no order
leaves later than that, and none is under way for longer than a request may take. After ``lock_dead`` seconds by the
service's clock anybody may remove it. Those who wait longer than half of the time put a new ticket, at the end of the
line, so the oldest ticket always has time left to order with.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_twexport.exceptions import (
    NotFoundError,
    TransientError,
    TwexportError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.purchasing.collector_names import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pendulum

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient

log = logging.getLogger(__name__)

TICKET = f"{PREFIX}turn-"
MOST_WAITS = 10


class LockExpiredError(TransientError):
    """The turn took too long to order in it: take another."""


@dataclass(slots=True)
class LockTicket:
    """A ticket, and how far its order is.

    :param id: the collector that is the ticket.
    :param created: when it was put, by the service's clock.
    :param sent: by our monotonic clock, a moment before it was put.
    :param known: by the same clock, a moment after it was put.
    :param valid: how many seconds after ``sent`` its order may leave.
    :param outcome_is_unknown: whether an order left of which nobody knows what became.
    """

    id: str
    created: pendulum.DateTime
    sent: float
    known: float
    valid: float
    outcome_is_unknown: bool = False

    @property
    def age(self) -> float:
        """Return the seconds since the ticket was sent."""
        return time.monotonic() - self.sent

    def seconds_since(self, created: pendulum.DateTime) -> float:
        """Return how old another ticket is at least; compares the service's clock with nothing but itself."""
        return (self.created - created).total_seconds() + time.monotonic() - self.known

    def begin_order(self) -> None:
        """Note that the order leaves now.

        :raises LockExpiredError: if others may take this turn for dead before the order arrives.
        """
        if self.age > self.valid:
            raise LockExpiredError(
                f"It took {self.age:.0f} s to get ready to order, and a turn lasts {self.valid:.0f} s. "
                "Nothing was bought."
            )
        self.outcome_is_unknown = True

    def end_order(self) -> None:
        """Note that the export is in the service's list, or surely not bought."""
        self.outcome_is_unknown = False


@contextmanager
def hold_account_lock(client: TalkwalkerClient) -> Iterator[LockTicket]:
    """Stand in line, and hand out the turn; the next one's begins when the block ends.

    A block that is left while nobody knows what became of its order holds the others up until its ticket is dead.

    :param client: whose account's orders take turns.
    :raises TransientError: if the turn did not come within ``lock_patience`` seconds.
    :raises UnexpectedResponseError: if the service does not tell when the ticket was put.
    """
    line, timing, since = _Queue(client), client.timing, time.monotonic()
    turn = line.join()
    try:
        while ahead := line.ahead_of(turn):
            if time.monotonic() - since > timing.lock_patience:
                raise TransientError(
                    f"{ahead} other orders on this account are still ahead of this one after "
                    f"{timing.lock_patience:.0f} s. Nothing was bought."
                )
            time.sleep(timing.lock_poll * min(ahead, MOST_WAITS) * random.uniform(0.5, 1.0))
            if turn.age > turn.valid / 2:
                line.leave(turn.id)
                turn = line.join()
        yield turn
    finally:
        if not turn.outcome_is_unknown:
            line.leave(turn.id)


class _Queue:
    def __init__(self, client: TalkwalkerClient) -> None:
        self._client = client
        self._created: dict[str, pendulum.DateTime] = {}

    def join(self) -> LockTicket:
        """Put a ticket, and let it settle."""
        ticket, sent = f"{TICKET}{secrets.token_hex(8)}", time.monotonic()
        timing = self._client.timing
        try:
            self._client.put_collector(ticket)
            turn = LockTicket(ticket, self._created_at(ticket), sent, time.monotonic(), timing.lock_valid)
            time.sleep(timing.lock_settle)
        except BaseException:
            self.leave(ticket)
            raise
        return turn

    def leave(self, ticket: str) -> None:
        """Remove a ticket; where that fails, it dies by itself."""
        try:
            self._client.delete_collector(ticket)
        except NotFoundError:
            log.debug("Ticket %s is gone already.", ticket)
        except TwexportError as error:
            log.warning(
                "Ticket %s stays until it is %.0f s old: %s", ticket, self._client.timing.lock_dead, error
            )

    def ahead_of(self, turn: LockTicket) -> int:
        """Count the tickets to wait for, and remove dead ones."""
        tickets = {each.id for each in self._client.list_collectors() if each.id.startswith(TICKET)}
        if turn.id not in tickets:
            return 1  # a list that does not know our own ticket may not know others either
        return sum(self._is_ahead(other, turn) for other in tickets - {turn.id})

    def _is_ahead(self, other: str, turn: LockTicket) -> bool:
        try:
            created = self._created_at(other)
        except NotFoundError:
            return False
        if (created, other) > (turn.created, turn.id):
            return False
        if turn.seconds_since(created) <= self._client.timing.lock_dead:
            return True
        log.warning("Ticket %s of %s is dead: its task was killed while it ordered.", other, created)
        self.leave(other)
        return False

    def _created_at(self, ticket: str) -> pendulum.DateTime:
        if ticket not in self._created:
            created = self._client.get_collector(ticket).created
            if created is None:
                raise UnexpectedResponseError(
                    "Talkwalker does not tell when a collector was created, so orders cannot take turns, and no "
                    "budget can be kept. Nothing was bought."
                )
            self._created[ticket] = created
        return self._created[ticket]
