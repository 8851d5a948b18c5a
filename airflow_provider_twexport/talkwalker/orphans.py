"""Orphans: exports that were paid for and have not landed, and collectors that nobody needs any more.

Only collectors that this package named are considered. Talkwalker keeps each result for 7 days after it was exported.
The deadline counts from the creation of the export, which is the earliest moment; an export that queued or ran for
hours keeps its last results longer. So before anything counts as lost, hours more have to pass, and a read has to bring
nothing; reading is free.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.core.text_table import aligned, edges
from airflow_provider_twexport.exceptions import NotFoundError, TwexportError
from airflow_provider_twexport.talkwalker.models import RETENTION, RETENTION_MARGIN
from airflow_provider_twexport.talkwalker.purchasing.collector_names import (
    PREFIX,
    TICKET_PREFIX,
    is_helper,
    window_in,
)
from airflow_provider_twexport.talkwalker.purchasing.receipts import Receipt, list_exports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import Collector, ExportTask

log = logging.getLogger(__name__)

URGENT = pendulum.duration(hours=48)
# an order holds the lock for minutes
STALE_AFTER = pendulum.duration(days=1)
# a pipeline takes hours at most to wait for an export and land it
FRESH_FOR = pendulum.duration(days=1)
# a collector is created before its export, and the list of collectors may lag by minutes
LISTED_AFTER = pendulum.duration(hours=1)
# the service allows 5 reads of results a minute; what is not read this time is read the next time
MAX_READS = 20


class OrphanState(StrEnum):
    """The state of a collector, or of an export into it."""

    RUNNING = "running"
    READABLE = "readable"
    OVERDUE = "overdue"
    EXPIRED = "expired"
    LOST = "lost"
    LANDED = "landed"
    EMPTY = "empty"
    TICKET = "ticket"

    @property
    def meaning(self) -> str:
        """Return what it means, in a sentence."""
        return _MEANINGS[self]


_MEANINGS = {
    OrphanState.RUNNING: "an export that may still write and cost",
    OrphanState.READABLE: "paid, not landed, and can be read without paying: land it before its deadline",
    OrphanState.OVERDUE: "paid, not landed, its 7 days have passed, and whether it can still be read was not tried yet",
    OrphanState.EXPIRED: "paid, not landed, its 7 days have passed, and nothing of it can be read",
    OrphanState.LOST: "paid, not landed, and its collector was deleted",
    OrphanState.LANDED: "all that was exported has landed; its collector is no longer needed",
    OrphanState.EMPTY: "a collector of more than 7 days that no export wrote to and that holds nothing",
    OrphanState.TICKET: "a note of an order, such as a lock ticket, that was left behind; it holds nothing",
}


@dataclass(frozen=True, slots=True)
class Orphan:
    """One export without a complete landing, or one collector that nobody needs.

    :param collector_id: the collector.
    :param state: its state.
    :param export: the export that was paid for; ``None`` for a collector without any.
    :param deadline: when the service forgets its results; ``None`` where there are none.
    :param collector_exists: whether there is a collector to delete.
    :param now: when the service was asked.
    :param warn_before: how long before its deadline it is urgent.
    """

    collector_id: str
    state: OrphanState
    export: ExportTask | None
    deadline: pendulum.DateTime | None
    collector_exists: bool
    now: pendulum.DateTime
    warn_before: pendulum.Duration = URGENT

    def __str__(self) -> str:
        """Return a line for a log."""
        parts = [f"{self.state} {self.collector_id}"]
        if self.export:
            parts += [f"export {self.export.id}", f"{_thousands(self.credits)} credits"]
        if self.deadline:
            parts.append(f"until {_minute(self.deadline)}")
        return ", ".join(parts)

    @property
    def export_id(self) -> str:
        """Return the export's id; empty for a collector without any."""
        return self.export.id if self.export else ""

    @property
    def window(self) -> Window | None:
        """Return the window in the collector's name; ``None`` if there is none."""
        named = window_in(self.collector_id)
        return named and named[1]

    @property
    def credits(self) -> int | None:
        """Return the number of results that were exported and paid for; ``None`` where that cannot be known."""
        return self.export.exported() if self.export else 0

    @property
    def is_readable(self) -> bool:
        """Return whether its results can be read without paying."""
        return self.state is OrphanState.READABLE

    @property
    def is_urgent(self) -> bool:
        """Return whether paid results are about to be lost."""
        can_be_lost = self.state in (OrphanState.READABLE, OrphanState.RUNNING)
        return can_be_lost and self.deadline is not None and self.deadline - self.warn_before <= self.now

    @property
    def is_fresh(self) -> bool:
        """Return whether the pipeline that ordered it may still be running."""
        created = self.export.created if self.export else None
        return created is not None and created > self.now - FRESH_FOR

    @property
    def is_unlanded(self) -> bool:
        """Return whether it was paid for, or is being paid for, and has not landed."""
        return self.export is not None and self.state is not OrphanState.LANDED

    @property
    def is_disposable(self) -> bool:
        """Return whether deleting its collector loses nothing that could be read and has not landed."""
        return self.state in (
            OrphanState.EXPIRED,
            OrphanState.LOST,
            OrphanState.LANDED,
            OrphanState.EMPTY,
            OrphanState.TICKET,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what :func:`json.dumps` takes."""
        return {
            "collector_id": self.collector_id,
            "state": str(self.state),
            "export_id": self.export_id or None,
            "status": self.export.raw_status if self.export else None,
            "window": self.window.to_json() if self.window else None,
            "credits": self.credits,
            "deadline": self.deadline and self.deadline.to_iso8601_string(),
            "readable": self.is_readable,
            "urgent": self.is_urgent,
            "collector_exists": self.collector_exists,
        }


def find_orphans(
    client: TalkwalkerClient,
    manifests: Iterable[Manifest],
    now: pendulum.DateTime | None = None,
    warn_before: pendulum.Duration = URGENT,
) -> list[Orphan]:
    """Compare what the service holds with what has landed, and return the orphans; free.

    :param client: the client for two lists, a call for each export that its list has forgotten, one for each collector
        whose age matters, and ``MAX_READS`` short reads at most.
    :param manifests: what has landed.
    :param now: the present moment; by default the clock's.
    :param warn_before: how long before its deadline an unread export is urgent.
    """
    collectors = client.list_collectors()
    exports = [task for _, task in list_exports(client, [it.id for it in collectors])]
    look = _Look(client)
    return orphans(
        exports,
        collectors,
        manifests,
        created=look.created,
        can_be_read=look.can_be_read,
        now=now,
        warn_before=warn_before,
    )


class _Look:
    """Looks at collectors more closely; no more than ``MAX_READS`` are read."""

    def __init__(self, client: TalkwalkerClient) -> None:
        self._client = client
        self._reads_left = MAX_READS

    def created(self, collector_id: str) -> pendulum.DateTime | None:
        """Return when a collector was created; ``None`` if there is none."""
        try:
            return self._client.get_collector(collector_id).created
        except NotFoundError:
            return None

    def can_be_read(self, collector_id: str, export_id: str | None) -> bool | None:
        """Return whether a collector holds results of an export, or of any; ``None`` if that was not tried."""
        if not self._reads_left:
            return None
        self._reads_left -= 1
        try:
            return self._client.can_be_read(collector_id, export_id)
        except TwexportError as error:
            log.warning("Whether %s still holds results is not known: %s", collector_id, error)
            return None


def _nobody_tries(collector_id: str, export_id: str | None) -> bool | None:
    return None


def orphans(
    exports: Iterable[ExportTask],
    collectors: Iterable[Collector],
    manifests: Iterable[Manifest],
    *,
    created: Callable[[str], pendulum.DateTime | None],
    can_be_read: Callable[[str, str | None], bool | None] = _nobody_tries,
    now: pendulum.DateTime | None = None,
    warn_before: pendulum.Duration = URGENT,
) -> list[Orphan]:
    """Return exports without a complete landing, and collectors that nobody needs: urgent first, then by deadline.

    :param exports: the service's list of exports.
    :param collectors: the service's list of collectors.
    :param manifests: what has landed.
    :param created: returns when a collector was created; ``None`` if unknown. It is asked only where that decides.
    :param can_be_read: returns whether a collector holds results of an export, or of any; ``None`` if that was not
        tried.
    :param now: the present moment; by default the clock's.
    :param warn_before: how long before its deadline an unread export is urgent.
    :raises UnexpectedResponseError: if an export of ours has an undocumented status.
    """
    now = now or pendulum.now("UTC")
    collectors = list(collectors)
    existing = {it.id for it in collectors if window_in(it.id) or is_helper(it.id)}
    # one that collects by itself belongs to somebody, whatever its name is
    active = {it.id for it in collectors if it.state.upper() == "ACTIVE"}
    filled = _by_collector(exports)
    landed = _Landings(manifests)
    found = []
    for collector_id in sorted((existing | filled.keys()) - active):
        tasks, exists = filled.get(collector_id), collector_id in existing
        if tasks:
            bought = _Bought(landed, exists, cache(created), can_be_read, now, len(tasks) > 1, warn_before)
            found += [
                Orphan(collector_id, bought.state(task), task, task.readable_until, exists, now)
                for task in tasks
            ]
        else:
            receipt = Receipt.from_collector_id(collector_id)
            begun = receipt.created_before if receipt else created(collector_id)
            found += _never_filled(collector_id, begun, can_be_read, now)
    relevant = [it for it in found if it.collector_exists or it.state is not OrphanState.LANDED]
    warned = [replace(it, warn_before=warn_before) for it in relevant]
    return sorted(warned, key=lambda it: _urgency(it, now))


def disposable(found: Iterable[Orphan]) -> list[Orphan]:
    """Return those whose collector may be deleted: each of its exports has landed completely, or is lost anyway.

    :param found: what :func:`orphans` returned.
    """
    by_collector: defaultdict[str, list[Orphan]] = defaultdict(list)
    for orphan in found:
        if orphan.collector_exists:
            by_collector[orphan.collector_id].append(orphan)
    safe = (held for held in by_collector.values() if all(orphan.is_disposable for orphan in held))
    return [orphan for held in safe for orphan in held]


def urgent_warning(found: Sequence[Orphan]) -> str | None:
    """Return how much is about to be lost, in a sentence; ``None`` if nothing is.

    :param found: what :func:`orphans` returned.
    """
    urgent = [orphan for orphan in found if orphan.is_urgent]
    if not urgent:
        return None
    spent = sum(orphan.credits or 0 for orphan in urgent)
    to_come = [orphan.deadline for orphan in urgent if orphan.deadline and orphan.deadline > orphan.now]
    first = (
        f"the first until {_minute(min(to_come))}" if to_come else "if at all, as their 7 days have passed"
    )
    within = max(orphan.warn_before for orphan in urgent).total_hours()
    return (
        f"WARNING: {len(urgent):,} unread {'export' if len(urgent) == 1 else 'exports'} of {spent:,} credits can be "
        f"read for less than {within:.0f} hours more, {first}. "
        "Land them now: twexport orphans --land PATH."
    )


def urgent_facts(found: Sequence[Orphan]) -> dict[str, Any]:
    """Return the same for programs: how many exports, their credits, their ids, and the first deadline."""
    urgent = [orphan for orphan in found if orphan.is_urgent]
    return {
        "exports": len(urgent),
        "credits": sum(orphan.credits or 0 for orphan in urgent),
        "export_ids": [orphan.export_id for orphan in urgent],
        "readable_until": str(min(orphan.deadline for orphan in urgent if orphan.deadline)),
    }


def describe_lost(found: Iterable[Orphan]) -> list[str]:
    """Return a sentence for each export that was paid for and can no longer be read: what is lost, and what to do.

    :param found: what :func:`orphans` returned.
    """
    return [
        f"Lost: {orphan}. Buying it again costs about as much: set if_exists='recreate' where it was ordered, or let a "
        "backfill of its window buy lost results again."
        for orphan in found
        if orphan.state in (OrphanState.EXPIRED, OrphanState.LOST)
    ]


def table(found: Sequence[Orphan]) -> str:
    """Return the orphans for people: a line each, then what the states mean.

    :param found: what :func:`orphans` returned.
    """
    heads = ("deadline", "left", "state", "credits", "window", "collector", "export")
    lines = aligned([heads, *map(_row, found)], "<><><<<")
    states = dict.fromkeys(orphan.state for orphan in found)
    meanings = [f"{sum(it.state is state for it in found):,} {state}: {state.meaning}." for state in states]
    return "\n".join([*lines, "", *meanings])


def _row(orphan: Orphan) -> tuple[str, ...]:
    deadline, export, window = orphan.deadline, orphan.export, orphan.window
    return (
        _minute(deadline) if deadline else "",
        _left(deadline, orphan.now) if deadline and not orphan.is_disposable else "",
        orphan.state + ("!" if orphan.is_urgent else ""),
        _thousands(orphan.credits),
        edges(window) if window else "",
        orphan.collector_id if orphan.collector_exists else f"({orphan.collector_id})",
        f"{export.id} {export.raw_status}" if export else "",
    )


def _thousands(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _minute(moment: pendulum.DateTime) -> str:
    return moment.in_timezone("UTC").strftime("%Y-%m-%dT%H:%MZ")


def _left(deadline: pendulum.DateTime, now: pendulum.DateTime) -> str:
    hours = (deadline - now).total_seconds() / 3600
    if hours <= 0:
        return "passed"
    return f"{hours / 24:.1f} d" if hours >= URGENT.total_hours() else f"{hours:.0f} h"


def _by_collector(exports: Iterable[ExportTask]) -> dict[str, list[ExportTask]]:
    """Return the exports that cost something, or may yet, by the collector of ours that they write into."""
    filled: defaultdict[str, list[ExportTask]] = defaultdict(list)
    for task in exports:
        if task.collector_id and task.collector_id.startswith(PREFIX):
            task.check_status()
            if task.is_unfinished or task.exported() != 0:
                filled[task.collector_id].append(task)
    return filled


class _Landings:
    """The landings of exports, by export or collector."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._known: defaultdict[tuple[str | None, str | None], list[Manifest]] = defaultdict(list)
        for manifest in manifests:
            export_id, collector_id = (manifest.source.get(key) for key in ("export_id", "collector_id"))
            # one that names no export holds whatever its collector held
            if export_id or collector_id:
                self._known[(export_id, None) if export_id else (None, collector_id)].append(manifest)

    def have(self, task: ExportTask) -> bool:
        """Return whether everything that an export exported has landed."""
        found = [*self._known.get((task.id, None), ()), *self._known.get((None, task.collector_id), ())]
        # a landing of an aborted export is never complete; what was exported until then is everything
        everything = task.ready if task.status.is_lost else None
        return any(it.complete or (everything is not None and it.results >= everything) for it in found)


@dataclass(frozen=True, slots=True)
class _Bought:
    """What is known of the exports into one collector.

    :param is_shared: whether several exports wrote into it, so that it may have been emptied for a newer one.
    """

    landed: _Landings
    collector_exists: bool
    created: Callable[[str], pendulum.DateTime | None]
    can_be_read: Callable[[str, str | None], bool | None]
    now: pendulum.DateTime
    is_shared: bool
    warn_before: pendulum.Duration

    def state(self, task: ExportTask) -> OrphanState:
        """Return the state of an export; the collector is looked at only where that decides."""
        rules: tuple[tuple[OrphanState, Callable[[], bool]], ...] = (
            (OrphanState.RUNNING, lambda: task.is_unfinished),
            (OrphanState.LANDED, lambda: self.landed.have(task)),
            (OrphanState.LOST, lambda: not self.collector_exists and not self._is_young(task)),
            (OrphanState.READABLE, lambda: not self._may_be_gone(task)),
        )
        state = next((state for state, holds in rules if holds()), None)
        return state or self._tried(task)

    def _tried(self, task: ExportTask) -> OrphanState:
        """Return the state of what may be gone, after a read."""
        is_readable = self.can_be_read(task.collector_id or "", task.id)
        if is_readable is None:
            return OrphanState.OVERDUE
        if is_readable:
            return OrphanState.READABLE
        return OrphanState.LOST if self._is_emptied(task) else OrphanState.EXPIRED

    def _is_young(self, task: ExportTask) -> bool:
        return task.created is not None and task.created + LISTED_AFTER > self.now

    def _may_be_gone(self, task: ExportTask) -> bool:
        return task.may_be_lost(self.now) or self._is_emptied(task)

    def _is_emptied(self, task: ExportTask) -> bool:
        """Return whether its collector was deleted and created since; asked if it matters, or is likely."""
        until = task.readable_until
        matters = self.is_shared or (until is not None and until - self.warn_before <= self.now)
        begun = self.created(task.collector_id or "") if matters and self.collector_exists else None
        return begun is not None and task.created is not None and task.created < begun


def _never_filled(
    collector_id: str,
    created: pendulum.DateTime | None,
    can_be_read: Callable[[str, str | None], bool | None],
    now: pendulum.DateTime,
) -> list[Orphan]:
    is_ticket = collector_id.startswith(TICKET_PREFIX)
    # the service may have dropped an export from its list; what that had filled in is forgotten by then
    kept_for = STALE_AFTER if is_ticket else RETENTION + RETENTION_MARGIN
    if created is None or created > now - kept_for:
        return []
    # an export that the list has dropped may have been late
    if not is_helper(collector_id) and can_be_read(collector_id, None) is not False:
        return []
    state = OrphanState.TICKET if is_helper(collector_id) else OrphanState.EMPTY
    return [Orphan(collector_id, state, None, None, collector_exists=True, now=now)]


def _urgency(orphan: Orphan, now: pendulum.DateTime) -> tuple[bool, bool, pendulum.DateTime, str]:
    deadline = orphan.deadline or pendulum.DateTime.max.replace(tzinfo=pendulum.UTC)
    return not orphan.is_urgent, deadline <= now, deadline, orphan.collector_id
