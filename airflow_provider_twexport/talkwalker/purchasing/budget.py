"""What an order may still cost: looked up right before it, in its turn, and noted where the next one finds it.

The service tells of a running export neither its limit nor who ordered it. So each order under a budget leaves a note,
an empty collector whose name says what was ordered for at most how much, before the order itself is sent.

What is counted is what is certain, never an estimate. An export that runs counts with all that its limit still lets
through, less what it is known to have exported; one that has ended counts with what it has exported. Exports are
looked up before the balance, so whatever is charged in between counts twice, never not at all; where an order fails
by no more than that, they are looked up again. An export without a note, ordered elsewhere or without a budget, counts
with all the matches that its progress tells of, and with 1,000,000 while it tells of none.

What a budget takes for granted: one exported result is charged as one credit, by the time its export is told to have
ended; all that matters is ordered under a budget; and an export keeps its limit. The only captured one that met its
limit did. A floor above 0 is the head-room for one that does not.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.exceptions import (
    BudgetExceededError,
    InvalidRequestError,
    NotFoundError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.models import MAX_LIMIT, RETENTION
from airflow_provider_twexport.talkwalker.purchasing.collector_names import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportTask

log = logging.getLogger(__name__)

NO_RUN = "none"
# an order that fits to the credit, while others are charged, may take some looks to be sure of
LOOKS = 6
# the nodes of a service may disagree by so much about the time
SKEW = pendulum.duration(seconds=5)
_NOTE = re.compile(PREFIX + r"note-(\d+)-([0-9a-f]{10}|none)-([0-9a-f]{10})-(\d{1,15})")


@dataclass(frozen=True, slots=True)
class Budget:
    """How many credits must stay, and how many may go.

    :param min_left: credits that must be left on the account, whatever running exports still use.
    :param per_run: credits that all exports ordered by one run may cost.
    :param per_day: credits that our exports of one day, in UTC, may cost.
    :param run: what names the run; required for ``per_run``.
    :raises InvalidRequestError: if a number is negative, or the run is missing.
    """

    min_left: int | None = None
    per_run: int | None = None
    per_day: int | None = None
    run: str | None = None

    def __post_init__(self) -> None:
        named = {
            "min_credits_left": self.min_left,
            "max_credits_per_run": self.per_run,
            "max_credits_per_day": self.per_day,
        }
        for name, value in named.items():
            if value is not None and value < 0:
                raise InvalidRequestError(f"{name}={value:,} is negative: give 0 or more credits.")
        if self.per_run is not None and not self.run:
            raise InvalidRequestError("max_credits_per_run needs a run to count for.")

    def __bool__(self) -> bool:
        """Tell whether there is anything to keep to."""
        return (self.min_left, self.per_run, self.per_day) != (None, None, None)


NO_BUDGET = Budget()


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an order under a budget leaves for others to read.

    :param limit: credits that it may cost.
    :param run: digest of the run that it counts for, if any.
    :param target: digest of the collector that it fills.
    :param moment: when it was left, by the service's clock.
    """

    limit: int
    run: str | None
    target: str
    moment: pendulum.DateTime

    @property
    def id(self) -> str:
        """Return the name of the collector that is the note."""
        moment = round(self.moment.timestamp() * 1000)
        return f"{PREFIX}note-{self.limit}-{self.run or NO_RUN}-{self.target}-{moment}"

    @classmethod
    def from_id(cls, collector_id: str) -> Reservation | None:
        """Read a collector's name; ``None`` if it is no note."""
        match = _NOTE.fullmatch(collector_id)
        if match is None:
            return None
        run = None if match[2] == NO_RUN else match[2]
        return cls(int(match[1]), run, match[3], pendulum.from_timestamp(int(match[4]) / 1000))


@dataclass(frozen=True, slots=True)
class ExportCost:
    """What one export has cost and may still cost.

    :param task: the export.
    :param used: results that it is known to have exported.
    :param to_come: credits that it may still use.
    :param is_running: whether it may still use any.
    :param is_guarded: whether it is known where it ends.
    """

    task: ExportTask
    used: int
    to_come: int
    is_running: bool
    is_guarded: bool

    @property
    def at_most(self) -> int:
        """Return what it will have cost in the end, at most."""
        return self.used + self.to_come


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """Exports and notes of an account, as of one look.

    :param shares: what each export has cost and may still cost.
    :param notes: what orders under a budget have left.
    """

    shares: tuple[ExportCost, ...]
    notes: tuple[Reservation, ...]

    @classmethod
    def look_up(cls, client: TalkwalkerClient) -> AccountUsage:
        """Read both from the service."""
        notes = tuple(note for each in client.list_collectors() if (note := Reservation.from_id(each.id)))
        limits: dict[str, int] = {}
        for note in notes:
            limits[note.target] = max(note.limit, limits.get(note.target, 0))
        shares = [_share(task, limits.get(digest(task.target or ""))) for task in client.list_exports()]
        return cls(tuple(shares), notes)

    def running(self) -> list[ExportCost]:
        """Return the exports that may still cost."""
        return [share for share in self.shares if share.is_running]

    def to_come(self) -> int:
        """Add up what they may still cost, in credits."""
        return sum(share.to_come for share in self.running())

    def of_day(self, day: pendulum.Date) -> list[ExportCost]:
        """Return our exports that were ordered on a day, in UTC."""
        noted = {note.target for note in self.notes}
        return [
            share
            for share in self.shares
            if ((share.task.target or "").startswith(PREFIX) or digest(share.task.target or "") in noted)
            and (share.task.created is None or share.task.created.in_timezone("UTC").date() == day)
        ]

    def of_run(self, run: str) -> list[ExportCost]:
        """Return the exports that a run has ordered; one that was ordered once more elsewhere counts for it too."""
        since: dict[str, pendulum.DateTime] = {}
        for note in self.notes:
            if note.run == digest(run):
                since[note.target] = min(note.moment - SKEW, since.get(note.target, note.moment))
        return [
            share
            for share in self.shares
            if (ordered := since.get(digest(share.task.target or "")))
            and (share.task.created is None or share.task.created >= ordered)
        ]

    def outdated(self, now: pendulum.DateTime) -> list[Reservation]:
        """Return the notes that tell nothing any more which anybody counts."""
        running = {digest(share.task.target or "") for share in self.running()}
        return [
            note for note in self.notes if note.target not in running and not _counts_for_others(note, now)
        ]


def check(client: TalkwalkerClient, budget: Budget, limit: int, now: pendulum.DateTime) -> AccountUsage:
    """Return the account's book if an order keeps to a budget.

    :param budget: what to keep to.
    :param limit: what the order may cost, in credits.
    :param now: the present moment by the service's clock.
    :raises BudgetExceededError: if the order does not keep to the budget; with the numbers.
    """
    for look in range(LOOKS):
        if look:
            time.sleep(client.timing.budget_recheck)
        book = AccountUsage.look_up(client)
        if budget.per_run is not None:
            _keep_below(
                "this run's", "max_credits_per_run", budget.per_run, limit, book.of_run(budget.run or "")
            )
        if budget.per_day is not None:
            today = now.in_timezone("UTC").date()
            _keep_below(f"the {today} UTC", "max_credits_per_day", budget.per_day, limit, book.of_day(today))
        if (floor := budget.min_left) is None:
            return book
        remaining = client.get_credits().remaining
        if remaining - book.to_come() - limit >= floor:
            return book
        # what was charged meanwhile has counted twice; looked up after the balance, it does not count at all
        _keep_floor(floor, limit, remaining, AccountUsage.look_up(client))
        doubtful = _below_floor(floor, limit, remaining, book)
    raise doubtful


def leave_note(
    client: TalkwalkerClient, budget: Budget, limit: int, collector_id: str, now: pendulum.DateTime
) -> None:
    """Tell others what an order may cost that is about to be sent.

    :param limit: what it may cost, in credits.
    :param collector_id: the collector that it fills.
    :param now: the present moment by the service's clock.
    """
    run = digest(budget.run) if budget.run and budget.per_run is not None else None
    client.put_collector(Reservation(limit, run, digest(collector_id), now).id)


def clear_notes(client: TalkwalkerClient, book: AccountUsage, now: pendulum.DateTime) -> None:
    """Remove the notes that nobody needs any more; only in one's turn, when no order is under way."""
    for note in book.outdated(now):
        try:
            client.delete_collector(note.id)
        except NotFoundError:
            log.debug("Note %s is gone already.", note.id)


def digest(name: str) -> str:
    """Return 10 hexadecimal digits that stand for a collector or a run."""
    return hashlib.sha256(name.encode()).hexdigest()[:10]


def _counts_for_others(note: Reservation, now: pendulum.DateTime) -> bool:
    if note.run:
        return note.moment > now - RETENTION
    return note.moment.date() == now.in_timezone("UTC").date()


def _share(task: ExportTask, limit: int | None) -> ExportCost:
    if not _may_still_cost(task):
        exported = task.exported(limit)
        used = task.processed if exported is None else exported
        return ExportCost(task, used, 0, is_running=False, is_guarded=True)
    # without `ready`, nobody knows how much of `processed` is exported and charged already
    used = task.ready or 0
    to_come = max((limit or _matches(task)) - used, 0)
    return ExportCost(task, used, to_come, is_running=True, is_guarded=limit is not None)


def _may_still_cost(task: ExportTask) -> bool:
    try:
        return task.is_unfinished
    except UnexpectedResponseError:
        return True


def _matches(task: ExportTask) -> int:
    """Return how many results an export without a known limit can bring."""
    if not task.ready or not task.progress:
        return MAX_LIMIT
    return min(math.ceil(task.ready / task.progress), MAX_LIMIT)


def _keep_below(whose: str, name: str, most: int, limit: int, shares: Iterable[ExportCost]) -> None:
    known = list(shares)
    used, to_come = sum(share.used for share in known), sum(share.to_come for share in known)
    missing = used + to_come + limit - most
    if missing > 0:
        raise BudgetExceededError(
            f"The export may cost {limit:,} credits, {whose} {len(known)} exports have cost {used:,} and may still "
            f"cost {to_come:,}, and {name}={most:,}: {missing:,} are missing. Nothing was bought. "
            f"Lower limit or max_credits, or raise {name}.{_unguarded(known)}",
            facts={
                "budget": name,
                "allowed": most,
                "limit": limit,
                "used": used,
                "to_come": to_come,
                "missing": missing,
            },
        )


def _keep_floor(floor: int, limit: int, remaining: int, book: AccountUsage) -> None:
    if remaining - book.to_come() - limit < floor:
        raise _below_floor(floor, limit, remaining, book)


def _below_floor(floor: int, limit: int, remaining: int, book: AccountUsage) -> BudgetExceededError:
    running, reserved = book.running(), book.to_come()
    missing = floor + limit + reserved - remaining
    uses = f", of which {len(running)} running exports may still use {reserved:,}" if running else ""
    return BudgetExceededError(
        f"The export may cost {limit:,} credits, {remaining:,} are left{uses}, and min_credits_left={floor:,} "
        f"must stay: {missing:,} are missing. Nothing was bought. Lower limit or max_credits, or top up."
        f"{_unguarded(running)}",
        facts={
            "budget": "min_credits_left",
            "allowed": floor,
            "limit": limit,
            "remaining": remaining,
            "to_come": reserved,
            "missing": missing,
        },
    )


def _unguarded(shares: Iterable[ExportCost]) -> str:
    """Name the exports whose limit nobody knows."""
    named = [
        f"{share.task.id} into {share.task.target} ({share.at_most:,})"
        for share in shares
        if not share.is_guarded
    ]
    if not named:
        return ""
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return (
        " Of running exports that were ordered without a budget the limit is unknown, so they count with all that "
        f"they can bring: {', '.join(named[:5])}{more}. It is told once they have ended."
    )
