"""Budgets: how much an order may still cost, read under the account's lock right before the order is sent.

The service reports neither the limit of a running export nor who ordered it. So each order under a budget leaves a
reservation, an empty collector whose name says for what, by which run and for at most how much it was ordered, before
the order itself is sent.

Only certain numbers count, never an estimate. A running export counts with all that its limit still allows, less what
it is known to have exported. An ended export counts with what it has exported. Exports are read before the balance, so
whatever is charged in between counts twice, never not at all. Where an order fails by no more than that, exports are
read again. An export without a reservation, ordered elsewhere or without a budget, counts with all the matches that
its progress implies, and with 1,000,000 while it implies none.

A budget assumes that one exported result is charged as one credit, by the time its export is reported as ended; that
everything that matters is ordered under a budget; and that an export keeps its limit. The only captured export that
met its limit did. ``min_credits_left`` above 0 leaves room for one that does not.
"""

from __future__ import annotations

import logging
import math
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_twexport.exceptions import BudgetExceededError, InvalidRequestError, NotFoundError
from airflow_provider_twexport.talkwalker.models import MAX_LIMIT, RETENTION, credits_text
from airflow_provider_twexport.talkwalker.purchasing import receipts
from airflow_provider_twexport.talkwalker.purchasing.collector_names import (
    PREFIX,
    RESERVATION_PREFIX,
    short_hash,
)
from airflow_provider_twexport.talkwalker.purchasing.notes import leave_note

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportTask

log = logging.getLogger(__name__)

NO_RUN = "none"
# an order that fits to the credit, while others are charged, may take some reads to be sure of
MAX_READS = 6
# the nodes of a service may disagree by so much about the time
CLOCK_SKEW = pendulum.duration(seconds=5)
_RESERVATION = re.compile(RESERVATION_PREFIX + r"(\d+)-([0-9a-f]{10}|none)-([0-9a-f]{10})-(\d{1,15})")


@dataclass(frozen=True, slots=True)
class Budget:
    """How many credits must stay on the account, and how many may be spent.

    :param min_credits_left: credits that must be left on the account, whatever running exports still use.
    :param max_credits_per_run: credits that all exports ordered by one run may cost.
    :param max_credits_per_day: credits that our exports of one day, in UTC, may cost.
    :param run: the run's name; required for ``max_credits_per_run``.
    :raises InvalidRequestError: if a number is negative, or the run is missing.
    """

    min_credits_left: int | None = None
    max_credits_per_run: int | None = None
    max_credits_per_day: int | None = None
    run: str | None = None

    def __post_init__(self) -> None:
        for name in ("min_credits_left", "max_credits_per_run", "max_credits_per_day"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InvalidRequestError(f"{name}={value:,} is negative: give 0 or more credits.")
        if self.max_credits_per_run is not None and not self.run:
            raise InvalidRequestError("max_credits_per_run needs a run to count for: use it in a DAG only.")

    def __bool__(self) -> bool:
        """Return whether there is any limit to keep."""
        limits = (self.min_credits_left, self.max_credits_per_run, self.max_credits_per_day)
        return any(limit is not None for limit in limits)


NO_BUDGET = Budget()


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an order under a budget leaves for others to read, in the name of an empty collector.

    :param limit: credits that the order may cost.
    :param run_hash: :func:`short_hash` of the run that it counts for, if any.
    :param collector_hash: :func:`short_hash` of the collector that it fills.
    :param created: when it was left, by the service's clock.
    """

    limit: int
    run_hash: str | None
    collector_hash: str
    created: pendulum.DateTime

    @property
    def collector_id(self) -> str:
        """Return the collector that is the reservation; at most 64 characters."""
        milliseconds = round(self.created.timestamp() * 1000)
        return (
            f"{RESERVATION_PREFIX}{self.limit}-{self.run_hash or NO_RUN}-{self.collector_hash}-{milliseconds}"
        )

    @classmethod
    def from_collector_id(cls, collector_id: str) -> Reservation | None:
        """Read a collector's name; ``None`` if it is no reservation."""
        match = _RESERVATION.fullmatch(collector_id)
        if match is None:
            return None
        run_hash = None if match[2] == NO_RUN else match[2]
        return cls(int(match[1]), run_hash, match[3], pendulum.from_timestamp(int(match[4]) / 1000))


@dataclass(frozen=True, slots=True)
class ExportCost:
    """What one export has cost and may still cost.

    :param collector_hash: :func:`short_hash` of the collector that it fills.
    :param task: the export.
    :param used: results that it is known to have exported.
    :param to_come: credits that it may still use.
    :param limit_is_known: whether it is known where it ends.
    """

    collector_hash: str
    task: ExportTask
    used: int
    to_come: int
    limit_is_known: bool

    @property
    def at_most(self) -> int:
        """Return what it will have cost in the end, at most."""
        return self.used + self.to_come

    @classmethod
    def of(cls, collector_hash: str, task: ExportTask, limit: int | None) -> ExportCost:
        """Return the cost of an export.

        :param collector_hash: of the collector that it fills.
        :param limit: the limit in its reservation; ``None`` if there is none.
        """
        if not task.is_unfinished:
            exported = task.exported(limit)
            return cls(
                collector_hash, task, task.processed if exported is None else exported, 0, limit_is_known=True
            )
        # without `ready`, nobody knows how much of `processed` is exported and charged already
        used = task.ready or 0
        to_come = max((limit or _max_results(task)) - used, 0)
        return cls(collector_hash, task, used, to_come, limit_is_known=limit is not None)


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """Exports and reservations of an account, as read at one moment.

    :param costs: what each export has cost and may still cost.
    :param reservations: what orders under a budget have left.
    """

    costs: tuple[ExportCost, ...]
    reservations: tuple[Reservation, ...]

    @classmethod
    def read(cls, client: TalkwalkerClient, now: pendulum.DateTime) -> AccountUsage:
        """Read both from the service; free.

        :param now: the present moment by the service's clock.
        """
        names = [collector.id for collector in client.list_collectors()]
        reservations = tuple(filter(None, map(Reservation.from_collector_id, names)))
        limits: dict[str, int] = {}
        for each in reservations:
            limits[each.collector_hash] = max(each.limit, limits.get(each.collector_hash, 0))
        exports = receipts.list_exports(client, names, now=now)
        costs = [ExportCost.of(hashed, task, limits.get(hashed)) for hashed, task in exports]
        return cls(tuple(costs), reservations)

    def unfinished(self) -> list[ExportCost]:
        """Return the exports that may still cost."""
        return [cost for cost in self.costs if cost.task.is_unfinished]

    def to_come(self) -> int:
        """Return the credits that unfinished exports may still use."""
        return sum(cost.to_come for cost in self.unfinished())

    def of_day(self, day: pendulum.Date) -> list[ExportCost]:
        """Return our exports that were ordered on a day, in UTC."""
        reserved = {each.collector_hash for each in self.reservations}
        return [
            cost
            for cost in self.costs
            if ((cost.task.collector_id or "").startswith(PREFIX) or cost.collector_hash in reserved)
            and (cost.task.created is None or cost.task.created.in_timezone("UTC").date() == day)
        ]

    def of_run(self, run: str) -> list[ExportCost]:
        """Return the exports that a run has ordered; one that was ordered once more elsewhere counts for it too."""
        since: dict[str, pendulum.DateTime] = {}
        for each in self.reservations:
            if each.run_hash == short_hash(run):
                key = each.collector_hash
                since[key] = min(each.created - CLOCK_SKEW, since.get(key, each.created))
        return [
            cost
            for cost in self.costs
            if (ordered := since.get(cost.collector_hash))
            and (cost.task.created is None or cost.task.created >= ordered)
        ]

    def stale_reservations(self, now: pendulum.DateTime) -> list[Reservation]:
        """Return the reservations that nobody needs any more: no budget, and none who adopts and needs the limit."""
        unfinished = {cost.collector_hash for cost in self.unfinished()}
        return [
            each
            for each in self.reservations
            if each.collector_hash not in unfinished and each.created <= now - RETENTION
        ]


def check_budget(
    client: TalkwalkerClient, budget: Budget, limit: int, now: pendulum.DateTime
) -> AccountUsage:
    """Return the account's usage if an order keeps to a budget.

    :param budget: what to keep to.
    :param limit: what the order may cost, in credits.
    :param now: the present moment by the service's clock.
    :raises BudgetExceededError: if the order does not keep to the budget; with the numbers.
    """
    reads = 0
    while True:
        reads += 1
        usage = AccountUsage.read(client, now)
        if (most := budget.max_credits_per_run) is not None:
            _check_sum("this run's", "max_credits_per_run", most, limit, usage.of_run(budget.run or ""))
        if (most := budget.max_credits_per_day) is not None:
            today = now.in_timezone("UTC").date()
            _check_sum(f"the {today} UTC", "max_credits_per_day", most, limit, usage.of_day(today))
        if budget.min_credits_left is None:
            return usage
        remaining = client.get_credits().remaining
        if remaining is None:
            raise BudgetExceededError(
                f"min_credits_left={budget.min_credits_left:,} must stay, and how many credits are left is "
                f"{credits_text(None)}. Nothing was bought. Set max_credits_per_day or max_credits_per_run in place of "
                "min_credits_left.",
                facts={"budget": "min_credits_left", "allowed": budget.min_credits_left, "limit": limit},
            )
        missing = _balance_error(budget.min_credits_left, limit, remaining, usage)
        if missing is None:
            return usage
        # what was charged meanwhile has counted twice; read after the balance, it does not count at all
        if certain := _balance_error(
            budget.min_credits_left, limit, remaining, AccountUsage.read(client, now)
        ):
            raise certain
        if reads == MAX_READS:
            raise missing
        time.sleep(client.timing.budget_recheck)


def reserve(
    client: TalkwalkerClient, budget: Budget, limit: int, collector_id: str, now: pendulum.DateTime
) -> None:
    """Leave a reservation for an order that is about to be sent, so that other orders count it.

    :param limit: what it may cost, in credits.
    :param collector_id: the collector that it fills.
    :param now: the present moment by the service's clock.
    """
    run_hash = short_hash(budget.run) if budget.run and budget.max_credits_per_run is not None else None
    leave_note(client, Reservation(limit, run_hash, short_hash(collector_id), now).collector_id)


def remove_stale_reservations(client: TalkwalkerClient, usage: AccountUsage, now: pendulum.DateTime) -> None:
    """Remove the reservations that nobody needs any more; only under the lock, when no other order is on its way."""
    for reservation in usage.stale_reservations(now):
        try:
            client.delete_collector(reservation.collector_id)
        except NotFoundError:
            log.debug("Reservation %s is gone already.", reservation.collector_id)


def _max_results(task: ExportTask) -> int:
    """Return how many results an export without a known limit can bring."""
    if not task.ready or not task.progress:
        return MAX_LIMIT
    return min(math.ceil(task.ready / task.progress), MAX_LIMIT)


def _check_sum(whose: str, name: str, most: int, limit: int, costs: list[ExportCost]) -> None:
    used, to_come = sum(cost.used for cost in costs), sum(cost.to_come for cost in costs)
    missing = used + to_come + limit - most
    if missing > 0:
        raise BudgetExceededError(
            f"The export may cost {limit:,} credits, {whose} {len(costs)} exports have cost {used:,} and may still "
            f"cost {to_come:,}, and {name}={most:,}: {missing:,} are missing. Nothing was bought. "
            f"{_unknown_limits(costs)}Lower limit or max_credits, or raise {name}.",
            facts={
                "budget": name,
                "allowed": most,
                "limit": limit,
                "used": used,
                "to_come": to_come,
                "missing": missing,
            },
        )


def _balance_error(
    least: int, limit: int, remaining: float, usage: AccountUsage
) -> BudgetExceededError | None:
    """Return the error of an order that would leave less than the least on the account; ``None`` if it would not."""
    unfinished, to_come = usage.unfinished(), usage.to_come()
    missing = least + limit + to_come - remaining
    if missing <= 0:
        return None
    uses = f", of which {len(unfinished)} running exports may still use {to_come:,}" if unfinished else ""
    return BudgetExceededError(
        f"The export may cost {limit:,} credits, {remaining:,} are left{uses}, and min_credits_left={least:,} "
        f"must stay: {missing:,} are missing. Nothing was bought. {_unknown_limits(unfinished)}"
        "Lower limit or max_credits, or top up.",
        facts={
            "budget": "min_credits_left",
            "allowed": least,
            "limit": limit,
            "remaining": remaining,
            "to_come": to_come,
            "missing": missing,
        },
    )


def _unknown_limits(costs: Iterable[ExportCost]) -> str:
    """Name the exports whose limit nobody knows."""
    named = [
        f"{cost.task.id} into {cost.task.collector_id} ({cost.at_most:,})"
        for cost in costs
        if not cost.limit_is_known
    ]
    if not named:
        return ""
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return (
        "The limit of running exports that were ordered without a budget is unknown, so they count with all that "
        f"they can bring: {', '.join(named[:5])}{more}. What they cost is known once they have ended. "
    )
