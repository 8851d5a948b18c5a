"""The page's view of things: from what services, landings and ledgers tell, to rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.talkwalker.models import ExportStatus
from airflow_provider_twexport.talkwalker.orphans import Orphan, OrphanState, disposable, orphans
from airflow_provider_twexport.talkwalker.purchasing.collector_names import PREFIX, window_in

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.plugin.landed import Landed, Landing
    from airflow_provider_twexport.talkwalker.models import Collector, ExportTask

_LEFT_BEHIND = (OrphanState.READABLE, OrphanState.EXPIRED, OrphanState.LOST)
_KNOWN = frozenset(ExportStatus)


class Flag(StrEnum):
    """What somebody should look at."""

    TRUNCATED = "truncated"
    PARTIAL = "partial"
    GAPS = "gaps"
    ORPHANED = "orphaned"
    BOUGHT_TWICE = "bought twice"
    EXPIRES_SOON = "expires soon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export of any service.

    :param id: the service's name of it.
    :param known_as: what tells it from all others, also from those of other connections.
    :param status: the service's word, in lower case.
    :param is_unfinished: whether it may still write and cost.
    :param created: when it was ordered; ``None`` if nothing tells.
    :param messages: what the service says of it.
    :param exported: results, or profiles, so far; ``None`` if nobody knows.
    :param expected: how many it will have: all that match, or its limit; ``None`` if nobody knows.
    :param matching: how many match, also beyond its limit; ``None`` if nobody knows.
    :param credits: what it has cost; ``None`` where nothing is charged by the result.
    :param collector_id: what it writes into at Talkwalker.
    :param dataset_id: what it writes into at Adobe.
    :param segments: how many segments it exports; 0 for all profiles, ``None`` where there are no segments.
    :param window: the time of publication; ``None`` if nothing tells.
    :param per_second: results a second; ``None`` where it does not run, or was seen once only.
    :param readable_until: when the service forgets its results; ``None`` where it holds none.
    :param landings: where it landed.
    :param flags: what is wrong with it.
    """

    id: str
    known_as: str
    status: str
    is_unfinished: bool
    created: pendulum.DateTime | None
    messages: tuple[str, ...] = ()
    exported: int | None = None
    expected: int | None = None
    matching: int | None = None
    credits: int | None = None
    collector_id: str | None = None
    dataset_id: str | None = None
    segments: int | None = None
    window: Window | None = None
    per_second: float | None = None
    readable_until: pendulum.DateTime | None = None
    landings: tuple[Landing, ...] = ()
    flags: tuple[Flag, ...] = ()

    @property
    def seconds_left(self) -> float | None:
        """Return how long it will still take at this speed."""
        if not self.per_second or self.expected is None or self.exported is None:
            return None
        return max(0, self.expected - self.exported) / self.per_second


@dataclass(frozen=True, slots=True)
class CollectorRow:
    """One collector.

    :param collector: as the service tells it.
    :param exports: the ids of the exports that wrote into it.
    :param results: how many results those exported; ``None`` if nobody knows.
    :param readable_until: when the first of them vanish; ``None`` where there are none.
    :param state: what has become of it.
    :param is_drained: whether deleting it loses nothing that could be read and has not landed.
    """

    collector: Collector
    exports: tuple[str, ...]
    results: int | None
    readable_until: pendulum.DateTime | None
    state: str
    is_drained: bool


@dataclass(frozen=True, slots=True)
class Spent:
    """One day of credits.

    :param day: in UTC.
    :param used: by exports that were ordered on it.
    """

    day: pendulum.Date
    used: int


def is_unfinished(task: ExportTask) -> bool:
    """Tell whether an export may still write and cost; one of a status that nobody documented may."""
    return task.raw_status.casefold() not in _KNOWN or task.is_unfinished


def count(task: ExportTask, limit: int | None = None) -> int | None:
    """Count the results exported so far; ``None`` where that cannot be known."""
    is_known = task.ready is not None or task.raw_status.casefold() in _KNOWN
    return task.exported(limit) if is_known else None


def left_behind(
    tasks: Iterable[ExportTask], collectors: Iterable[Collector], landed: Landed, now: pendulum.DateTime
) -> list[Orphan]:
    """Return what no landing tells of, and collectors that nobody needs.

    :param tasks: the service's list of exports.
    :param collectors: those that exist.
    :param landed: what lies in object storage.
    :param now: the present moment.
    """
    known = [task for task in tasks if task.raw_status.casefold() in _KNOWN]
    listed = list(collectors)
    created = {it.id: it.created for it in listed}
    return orphans(known, listed, (it.manifest for it in landed.landings), created=created.get, now=now)


def exports(
    tasks: Sequence[ExportTask],
    existing: Container[str],
    landed: Landed,
    left: Iterable[Orphan],
    *,
    per_second: Mapping[str, float],
    busy: Container[str],
    now: pendulum.DateTime,
) -> list[Export]:
    """Return a row for each export: those that run first, then the newest.

    :param tasks: the service's list.
    :param existing: the ids of the collectors that exist.
    :param landed: what lies in object storage.
    :param left: what :func:`left_behind` returned.
    :param per_second: how fast exports are, by export.
    :param busy: exports that a run is still at work on, and may land.
    :param now: the present moment.
    """
    orphaned = {it.export_id: it for it in left if it.export_id not in busy}
    twice = landed.bought_twice | _into_the_same(tasks)
    rows = []
    for task in tasks:
        found = tuple(landed.by_export.get(task.id) or landed.by_export.get(task.collector_id or "") or ())
        limit, until = _order(task, landed, found).get("limit"), task.readable_until
        done = count(task, limit)
        matching = round(done / task.progress) if done is not None and task.progress > 0 else None
        unfinished = is_unfinished(task)
        rows.append(
            Export(
                id=task.id,
                known_as=task.id,
                status=task.raw_status.casefold(),
                is_unfinished=unfinished,
                created=task.created,
                messages=task.messages,
                exported=done,
                expected=_at_most(matching, limit) if unfinished else done,
                matching=matching,
                credits=done,
                collector_id=task.collector_id,
                window=_window(task),
                per_second=per_second.get(task.id),
                readable_until=until if until and until > now and task.collector_id in existing else None,
                landings=found,
                flags=tuple(_flags(task, found, orphaned.get(task.id), task.id in twice, landed)),
            )
        )
    return in_order(rows, now)


def in_order(rows: Iterable[Export], now: pendulum.DateTime) -> list[Export]:
    """Return those that run first, then the newest."""
    newest = sorted(rows, key=lambda row: row.created or now, reverse=True)
    return sorted(newest, key=lambda row: not row.is_unfinished)


def held(
    tasks: Iterable[ExportTask],
    collectors: Iterable[Collector],
    left: Iterable[Orphan],
    now: pendulum.DateTime,
) -> list[CollectorRow]:
    """Return a row for each collector: those whose results vanish first, first.

    :param tasks: the service's list of exports.
    :param collectors: those that exist.
    :param left: what :func:`left_behind` returned.
    :param now: the present moment.
    """
    found = list(left)
    states: defaultdict[str, list[Orphan]] = defaultdict(list)
    for orphan in found:
        states[orphan.collector_id].append(orphan)
    drained = {it.collector_id for it in disposable(found)}
    filled: defaultdict[str, list[ExportTask]] = defaultdict(list)
    for task in tasks:
        filled[task.collector_id or ""].append(task)
    rows = [
        _held(it, filled.get(it.id, ()), states.get(it.id, ()), it.id in drained, now) for it in collectors
    ]
    never = pendulum.DateTime.max.replace(tzinfo=pendulum.UTC)
    return sorted(rows, key=lambda row: (row.readable_until or never, row.collector.id))


def spent(
    rows: Iterable[Export], landings: Iterable[Landing], entries: Mapping[str, Any], now: pendulum.DateTime
) -> list[Spent]:
    """Return the credits of each of the last 31 days; the service remembers some, landings and ledgers the rest.

    :param rows: the exports.
    :param landings: what landed.
    :param entries: what ledgers tell, by export.
    :param now: the present moment.
    """
    used: dict[str, tuple[pendulum.Date, int]] = {}
    for landing in landings:
        export_id = landing.manifest.source.get("export_id")
        if export_id and landing.manifest.exported is not None:
            used[str(export_id)] = _day(landing.manifest.created_at), landing.manifest.exported
    for export_id, entry in entries.items():
        if entry.credits is not None and entry.bought is not None:
            used[export_id] = _day(entry.bought.at), entry.credits
    for row in rows:
        if row.created and row.credits is not None:
            used[row.id] = row.created.in_timezone("UTC").date(), row.credits
    by_day: Counter[pendulum.Date] = Counter()
    for day, credits in used.values():
        by_day[day] += credits
    today = now.in_timezone("UTC").date()
    days = [today.subtract(days=back) for back in range(30, -1, -1)]
    return [Spent(day, by_day[day]) for day in days]


def counts(rows: Iterable[Export]) -> dict[str, int]:
    """Count the exports by status, those that may still cost, and by what is wrong with them."""
    found: Counter[str] = Counter()
    for row in rows:
        found[row.status] += 1
        found["unfinished"] += row.is_unfinished
        found.update(str(flag) for flag in row.flags)
    return dict(found)


def _into_the_same(tasks: Iterable[ExportTask]) -> frozenset[str]:
    """Return paid exports that share a collector of ours: it is named by what was ordered, so that is the same."""
    paid: defaultdict[str, list[str]] = defaultdict(list)
    for task in tasks:
        if (
            task.collector_id
            and task.collector_id.startswith(PREFIX)
            and count(task) != 0
            and window_in(task.collector_id)
        ):
            paid[task.collector_id].append(task.id)
    return frozenset(export_id for ids in paid.values() if len(ids) > 1 for export_id in ids)


def _flags(
    task: ExportTask, found: Sequence[Landing], orphan: Orphan | None, twice: bool, landed: Landed
) -> Iterable[Flag]:
    status = task.raw_status.casefold()
    is_lost = status in (ExportStatus.FAILED, ExportStatus.ABORTED, ExportStatus.DELETED)
    if status == ExportStatus.RESULT_LIMIT_REACHED or any(it.manifest.truncated for it in found):
        yield Flag.TRUNCATED
    if (found and not any(it.manifest.complete for it in found)) or (is_lost and count(task)):
        yield Flag.PARTIAL
    # where nobody said what has landed, everything would seem to be left behind
    if landed.places and orphan and orphan.state in _LEFT_BEHIND:
        yield Flag.ORPHANED
        if orphan.is_urgent:
            yield Flag.EXPIRES_SOON
    if twice:
        yield Flag.BOUGHT_TWICE


def _held(
    collector: Collector,
    filled: Sequence[ExportTask],
    states: Sequence[Orphan],
    is_drained: bool,
    now: pendulum.DateTime,
) -> CollectorRow:
    results = [count(task) for task in filled]
    untils = [until for task in filled if (until := task.readable_until) and until > now]
    known = [number for number in results if number is not None]
    state = ", ".join(dict.fromkeys(str(orphan.state) for orphan in states))
    return CollectorRow(
        collector=collector,
        exports=tuple(task.id for task in filled),
        results=sum(known) if len(known) == len(results) else None,
        readable_until=min(untils, default=None),
        state=state or ("in use" if filled else "empty"),
        is_drained=is_drained,
    )


def _at_most(*counts: int | None) -> int | None:
    return min((it for it in counts if it is not None), default=None)


def _order(task: ExportTask, landed: Landed, found: Sequence[Landing]) -> Mapping[str, Any]:
    if (entry := landed.entries.get(task.id)) and entry.order:
        return entry.order
    return found[0].manifest.source if found else {}


def _window(task: ExportTask) -> Window | None:
    told = window_in(task.collector_id or "")
    return told and told[1]


def _day(text: str) -> pendulum.Date:
    moment: Any = pendulum.parse(text)
    return moment.in_timezone("UTC").date()  # type: ignore[no-any-return]
