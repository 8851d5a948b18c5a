"""What was bought and nobody has landed, and collectors that nobody needs any more.

Only collectors named by this package are looked at. Talkwalker keeps results for 7 days; here they count from the
creation of the export, which is the earliest that they can run out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.core.text_table import aligned, edges
from airflow_provider_twexport.exceptions import NotFoundError
from airflow_provider_twexport.talkwalker.models import RETENTION
from airflow_provider_twexport.talkwalker.purchasing.account_lock import TICKET_PREFIX
from airflow_provider_twexport.talkwalker.purchasing.collector_names import PREFIX, window_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import Collector, ExportTask

URGENT = pendulum.duration(hours=48)
# an order that is under way needs its ticket for minutes
STALE_AFTER = pendulum.duration(days=1)
# a pipeline takes hours at most to wait for an export and land it
FRESH_FOR = pendulum.duration(days=1)


class OrphanState(StrEnum):
    """What has become of a collector, or of an export into it."""

    RUNNING = "running"
    READABLE = "readable"
    EXPIRED = "expired"
    LOST = "lost"
    LANDED = "landed"
    EMPTY = "empty"
    TICKET = "ticket"

    @property
    def meaning(self) -> str:
        """Say it in a sentence."""
        return _MEANINGS[self]


_MEANINGS = {
    OrphanState.RUNNING: "an export that may still write and cost",
    OrphanState.READABLE: "paid, not landed, and can be read without paying: land it before its deadline",
    OrphanState.EXPIRED: "paid, not landed, and its 7 days have passed",
    OrphanState.LOST: "paid, not landed, and its collector was deleted",
    OrphanState.LANDED: "all that was exported has landed; its collector is no longer needed",
    OrphanState.EMPTY: "a collector of more than 7 days that holds nothing",
    OrphanState.TICKET: "a place in the queue for the account's lock that was left behind; it holds nothing",
}


@dataclass(frozen=True, slots=True)
class Orphan:
    """One export that no landing tells of, or one collector that nobody needs.

    :param collector_id: the collector.
    :param state: what has become of it.
    :param export: the export that was paid for; ``None`` for a collector without any.
    :param deadline: when the service forgets its results; ``None`` where there are none.
    :param collector_exists: whether there is a collector to delete.
    :param now: when this was looked at.
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
        said = [f"{self.state} {self.collector_id}"]
        if self.export:
            said += [
                f"export {self.export.id}",
                f"{'?' if self.credits is None else f'{self.credits:,}'} credits",
            ]
        return ", ".join([*said, *([f"until {_minute(self.deadline)}"] if self.deadline else [])])

    @property
    def export_id(self) -> str:
        """Return the export's id; empty for a collector without any."""
        return self.export.id if self.export else ""

    @property
    def window(self) -> Window | None:
        """Return the window that the collector's name tells."""
        told = window_in(self.collector_id)
        return told and told[1]

    @property
    def credits(self) -> int | None:
        """Count the results that were exported and paid for; ``None`` where that cannot be known."""
        return self.export.exported() if self.export else 0

    @property
    def is_readable(self) -> bool:
        """Tell whether its results can be read without paying."""
        return self.state is OrphanState.READABLE

    @property
    def is_urgent(self) -> bool:
        """Tell whether paid results are about to be forgotten."""
        waits = self.state in (OrphanState.READABLE, OrphanState.RUNNING)
        return waits and self.deadline is not None and self.deadline - self.warn_before <= self.now

    @property
    def is_fresh(self) -> bool:
        """Tell whether the pipeline that ordered it may still be at work."""
        created = self.export.created if self.export else None
        return created is not None and created > self.now - FRESH_FOR

    @property
    def is_unlanded(self) -> bool:
        """Tell whether it was paid for, or is being, and has not landed."""
        return self.export is not None and self.state is not OrphanState.LANDED

    @property
    def is_disposable(self) -> bool:
        """Tell whether deleting its collector loses nothing that could be read and has not landed."""
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


def look(
    client: TalkwalkerClient,
    manifests: Iterable[Manifest],
    now: pendulum.DateTime | None = None,
    warn_before: pendulum.Duration = URGENT,
) -> list[Orphan]:
    """Ask the service what it holds of ours, and return what no landing tells of; free.

    :param client: who is asked: for two lists, and once for each collector whose age matters.
    :param manifests: what has landed.
    :param now: the present moment; by default the clock's.
    :param warn_before: how long before its deadline an unread export is urgent.
    """
    exports, collectors = client.list_exports(), client.list_collectors()

    def created(collector_id: str) -> pendulum.DateTime | None:
        try:
            return client.get_collector(collector_id).created
        except NotFoundError:
            return None

    return orphans(exports, collectors, manifests, created=created, now=now, warn_before=warn_before)


def orphans(
    exports: Iterable[ExportTask],
    collectors: Iterable[Collector],
    manifests: Iterable[Manifest],
    *,
    created: Callable[[str], pendulum.DateTime | None],
    now: pendulum.DateTime | None = None,
    warn_before: pendulum.Duration = URGENT,
) -> list[Orphan]:
    """Return what no landing tells of, and collectors that nobody needs: urgent ones first, then by deadline.

    :param exports: the service's list of exports.
    :param collectors: the service's list of collectors.
    :param manifests: what has landed.
    :param created: tells when a collector was created; ``None`` if nobody knows.
    :param now: the present moment; by default the clock's.
    :param warn_before: how long before its deadline an unread export is urgent.
    :raises UnexpectedResponseError: if an export of ours has a status that nobody documented.
    """
    now = now or pendulum.now("UTC")
    existing = {found.id for found in collectors if found.id.startswith(PREFIX)}
    filled = _by_target(exports)
    landed = _Landings(manifests)
    found = []
    for name in sorted(existing | filled.keys()):
        if name in filled:
            begun = created(name) if name in existing and not landed.all_of(filled[name]) else None
            found += [_bought(task, landed, begun, name in existing, now) for task in filled[name]]
        elif orphan := _never_filled(name, created(name), now):
            found.append(orphan)
    relevant = [it for it in found if it.collector_exists or it.state is not OrphanState.LANDED]
    told = [replace(it, warn_before=warn_before) for it in relevant]
    return sorted(told, key=lambda it: _urgency(it, now))


def disposable(found: Iterable[Orphan]) -> list[Orphan]:
    """Return those of collectors that may be deleted: each of their exports has landed whole, or is lost anyway.

    :param found: what :func:`orphans` returned.
    """
    by_collector: defaultdict[str, list[Orphan]] = defaultdict(list)
    for orphan in found:
        if orphan.collector_exists:
            by_collector[orphan.collector_id].append(orphan)
    safe = (held for held in by_collector.values() if all(orphan.is_disposable for orphan in held))
    return [orphan for held in safe for orphan in held]


def warning(found: Sequence[Orphan]) -> str | None:
    """Say how much is about to be lost; ``None`` if nothing is.

    :param found: what :func:`orphans` returned.
    """
    urgent = [orphan for orphan in found if orphan.is_urgent]
    deadlines = [orphan.deadline for orphan in urgent if orphan.deadline]
    if not deadlines:
        return None
    spent = sum(orphan.credits or 0 for orphan in urgent)
    first = _minute(min(deadlines))
    within = max(orphan.warn_before for orphan in urgent).total_hours()
    return (
        f"WARNING: {len(urgent):,} unread {'export' if len(urgent) == 1 else 'exports'} of {spent:,} credits can be "
        f"read for less than {within:.0f} hours more, the first until {first}. "
        "Land them now: twexport orphans --land PATH."
    )


def facts_of_urgent(found: Sequence[Orphan]) -> dict[str, Any]:
    """Return the same for programs: how many exports, their credits, their ids, and the first deadline."""
    urgent = [orphan for orphan in found if orphan.is_urgent]
    return {
        "exports": len(urgent),
        "credits": sum(orphan.credits or 0 for orphan in urgent),
        "export_ids": [orphan.export_id for orphan in urgent],
        "readable_until": str(min(orphan.deadline for orphan in urgent if orphan.deadline)),
    }


def lost_for_good(found: Iterable[Orphan]) -> list[str]:
    """Say of each export that was paid for and can be read no more what is lost, and what it would cost again.

    :param found: what :func:`orphans` returned.
    """
    return [
        f"Lost: {orphan}. To buy it again costs about as much: set if_exists='recreate' where it was ordered, or let a "
        "backfill of its window buy lost results again."
        for orphan in found
        if orphan.state in (OrphanState.EXPIRED, OrphanState.LOST)
    ]


def table(found: Sequence[Orphan]) -> str:
    """Return them for people: a line each, then what the states mean.

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
        "?" if orphan.credits is None else f"{orphan.credits:,}",
        edges(window) if window else "",
        orphan.collector_id if orphan.collector_exists else f"({orphan.collector_id})",
        f"{export.id} {export.raw_status}" if export else "",
    )


def _minute(moment: pendulum.DateTime) -> str:
    return moment.in_timezone("UTC").strftime("%Y-%m-%dT%H:%MZ")


def _left(deadline: pendulum.DateTime, now: pendulum.DateTime) -> str:
    hours = (deadline - now).total_seconds() / 3600
    return f"{hours / 24:.1f} d" if hours >= URGENT.total_hours() else f"{hours:.0f} h"


def _by_target(exports: Iterable[ExportTask]) -> dict[str, list[ExportTask]]:
    """Return the exports that cost something, or may yet, by the collector of ours that they write into."""
    filled: defaultdict[str, list[ExportTask]] = defaultdict(list)
    for task in exports:
        if task.collector_id and task.collector_id.startswith(PREFIX):
            task.check_status()
            if task.is_unfinished or task.exported() != 0:
                filled[task.collector_id].append(task)
    return filled


class _Landings:
    """Tells whether exports have landed."""

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self._known: defaultdict[tuple[str | None, str | None], list[Manifest]] = defaultdict(list)
        for manifest in manifests:
            export_id, collector_id = (manifest.source.get(key) for key in ("export_id", "collector_id"))
            # one that names no export holds whatever its collector held
            if export_id or collector_id:
                self._known[(export_id, None) if export_id else (None, collector_id)].append(manifest)

    def have(self, task: ExportTask) -> bool:
        """Tell whether everything that an export exported has landed."""
        found = [*self._known.get((task.id, None), ()), *self._known.get((None, task.collector_id), ())]
        # an aborted export is never complete; what it exported until then is all that there is
        all_there = task.ready if task.status.is_lost else None
        return any(it.complete or (all_there is not None and it.results >= all_there) for it in found)

    def all_of(self, tasks: Iterable[ExportTask]) -> bool:
        """Tell whether all of these exports have landed."""
        return all(map(self.have, tasks))


def _bought(
    task: ExportTask,
    landed: _Landings,
    collector_created: pendulum.DateTime | None,
    collector_exists: bool,
    now: pendulum.DateTime,
) -> Orphan:
    deadline = task.readable_until
    emptied_since = bool(collector_created and task.created and task.created < collector_created)
    rules = (
        (OrphanState.RUNNING, task.is_unfinished),
        (OrphanState.LANDED, landed.have(task)),
        # the service forgot what it held when it was deleted, also if one of that name was created since
        (OrphanState.LOST, emptied_since or not collector_exists),
        (OrphanState.EXPIRED, deadline is not None and deadline <= now),
        (OrphanState.READABLE, True),
    )
    state = next(state for state, holds in rules if holds)
    return Orphan(task.collector_id or "", state, task, deadline, collector_exists, now)


def _never_filled(name: str, created: pendulum.DateTime | None, now: pendulum.DateTime) -> Orphan | None:
    is_ticket = name.startswith(TICKET_PREFIX)
    # whatever else was in it, with an export that the service no longer lists, is forgotten by then
    kept_for = STALE_AFTER if is_ticket else RETENTION
    if created is None or created > now - kept_for:
        return None
    state = OrphanState.TICKET if is_ticket else OrphanState.EMPTY
    return Orphan(name, state, None, None, collector_exists=True, now=now)


def _urgency(orphan: Orphan, now: pendulum.DateTime) -> tuple[bool, bool, pendulum.DateTime, str]:
    deadline = orphan.deadline or pendulum.DateTime.max.replace(tzinfo=pendulum.UTC)
    return not orphan.is_urgent, deadline <= now, deadline, orphan.collector_id
