"""A Talkwalker connection on the page: its exports, collectors and credits."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.core.timing import ONCE
from airflow_provider_twexport.exceptions import AlreadyEndedError
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook, client_for, default_project
from airflow_provider_twexport.plugin.accounts.base import ChargedAccount, Rows, connection
from airflow_provider_twexport.plugin.polling import Poll
from airflow_provider_twexport.plugin.rows import (
    CollectorRow,
    CreditsRow,
    ExportRow,
    Flag,
    WindowRow,
    in_order,
)
from airflow_provider_twexport.talkwalker.models import UNLIMITED, ExportStatus, credits_text
from airflow_provider_twexport.talkwalker.orphans import Orphan, OrphanState, disposable, orphans
from airflow_provider_twexport.talkwalker.purchasing.collector_names import PREFIX, is_helper, window_in
from airflow_provider_twexport.talkwalker.unlanded import unlanded

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from airflow_provider_twexport.plugin.accounts.base import Context
    from airflow_provider_twexport.plugin.landed import Landed, Landing
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import Collector, ExportTask

# the service allows 10 requests for credits a minute, and there may be several servers
CREDITS_SECONDS = 60.0
SPEED_OVER_SECONDS = 120.0
_UNLANDED = (OrphanState.READABLE, OrphanState.OVERDUE, OrphanState.EXPIRED, OrphanState.LOST)


class TalkwalkerAccount(ChargedAccount):
    """A Talkwalker connection."""

    conn_type = TalkwalkerHook.conn_type
    service = TalkwalkerHook.hook_name
    systems = ("talkwalker",)
    key_fields = ("export_id",)

    def __init__(self, conn_id: str, context: Callable[[], Context]) -> None:
        super().__init__(conn_id, context)
        self.credits = Poll(self._read_credits, CREDITS_SECONDS)
        self._speeds = Speeds()

    def abort(self, export_id: str) -> str:
        """Abort an export and say what that means."""
        client = self._client()
        task = client.get_export(export_id)
        if not task.is_unfinished:
            raise AlreadyEndedError(f"Export {export_id} has ended already: it is {task.raw_status}.")
        client.abort_export(export_id)
        self.rows.expire()
        self.credits.expire()
        paid = task.exported()
        results = "What it had" if paid is None else f"The {paid:,} results that it had"
        return f"Export {export_id} was aborted. {results} exported are paid for and stay in its collector."

    def delete_collector(self, collector_id: str) -> None:
        """Delete a collector, whatever it holds."""
        self._client().delete_collector(collector_id)
        self.rows.expire()

    def _client(self) -> TalkwalkerClient:
        return client_for(connection(self.conn_id), ONCE)

    def _read_rows(self) -> Rows:
        client, context = self._client(), self._context()
        tasks = client.list_exports()
        per_second = self._speeds.update(tasks, time.monotonic())
        # requested after the exports, so that whatever an export writes into is among them
        collectors = [it for it in client.list_collectors() if not is_helper(it.id)]
        now, landed = pendulum.now("UTC"), context.landed
        found = find_orphans(tasks, collectors, landed, now)
        existing = {collector.id for collector in collectors}
        exports = export_rows(
            tasks, existing, landed, found, per_second=per_second, in_use=context.in_use, now=now
        )
        project_id = default_project(connection(self.conn_id))
        spans = unlanded(tasks, [it.manifest for it in landed.landings], project_id)
        return Rows(tuple(exports), tuple(collector_rows(tasks, collectors, found, now)), tuple(spans))

    def _read_credits(self) -> CreditsRow:
        credits = self._client().get_credits()
        remaining = credits.remaining
        return CreditsRow(
            remaining=None if remaining == UNLIMITED else remaining,
            left=credits_text(remaining),
            next_billing_period=credits.next_billing_period,
        )


class Speeds:
    """Measures how fast exports are, from one poll to the next."""

    def __init__(self) -> None:
        self._polls: deque[tuple[float, dict[str, int]]] = deque()

    def update(self, tasks: Iterable[ExportTask], now: float) -> dict[str, float]:
        """Return results a second, by export, over the last two minutes.

        :param tasks: the service's list at the moment.
        :param now: seconds of any clock that only goes forward.
        """
        counts = {task.id: task.exported() or 0 for task in tasks if task.status is ExportStatus.RUNNING}
        while self._polls and now - self._polls[0][0] > SPEED_OVER_SECONDS:
            self._polls.popleft()
        self._polls.append((now, counts))
        speeds = {}
        for export_id, count in counts.items():
            at, before = next((at, polled[export_id]) for at, polled in self._polls if export_id in polled)
            if now > at:
                speeds[export_id] = max(0.0, (count - before) / (now - at))
        return speeds


def find_orphans(
    tasks: Iterable[ExportTask], collectors: Iterable[Collector], landed: Landed, now: pendulum.DateTime
) -> list[Orphan]:
    """Return the exports that no manifest contains, and the collectors that nobody needs.

    :param tasks: the service's list of exports.
    :param collectors: those that exist.
    :param landed: what has landed.
    :param now: the present moment.
    """
    documented = [task for task in tasks if task.status.is_documented]
    listed = list(collectors)
    created = {it.id: it.created for it in listed}
    return orphans(documented, listed, (it.manifest for it in landed.landings), created=created.get, now=now)


def export_rows(
    tasks: Sequence[ExportTask],
    existing: Container[str],
    landed: Landed,
    found: Iterable[Orphan],
    *,
    per_second: Mapping[str, float],
    in_use: Container[str],
    now: pendulum.DateTime,
) -> list[ExportRow]:
    """Return a row for each export: running ones first, then the newest.

    :param tasks: the service's list.
    :param existing: the ids of the collectors that exist.
    :param landed: what has landed.
    :param found: the orphans.
    :param per_second: how fast exports are, by export.
    :param in_use: exports that an active DAG run uses, and may land.
    :param now: the present moment.
    """
    orphaned = {it.export_id: it for it in found if it.export_id not in in_use}
    twice = landed.bought_twice | _of_one_order(tasks)
    rows = []
    for task in tasks:
        landings = landed.by_export.get(task.id) or landed.by_export.get(task.collector_id or "") or ()
        limit, until = _order(task, landed, landings).get("limit"), task.readable_until
        done, estimated_total = task.exported(limit), task.estimated_total(limit)
        rows.append(
            ExportRow(
                id=task.id,
                key=task.id,
                status=task.raw_status.casefold(),
                is_unfinished=task.is_unfinished,
                created=task.created,
                messages=task.messages,
                exported=done,
                expected=_lowest(estimated_total, limit) if task.is_unfinished else done,
                estimated_total=estimated_total,
                credits=done,
                collector_id=task.collector_id,
                window=WindowRow.of(_window(task)),
                per_second=per_second.get(task.id),
                readable_until=until if until and until > now and task.collector_id in existing else None,
                landings=tuple(it.address for it in landings),
                flags=tuple(_flags(task, landings, orphaned.get(task.id), task.id in twice, landed)),
            )
        )
    return in_order(rows, now)


def collector_rows(
    tasks: Iterable[ExportTask],
    collectors: Iterable[Collector],
    found: Sequence[Orphan],
    now: pendulum.DateTime,
) -> list[CollectorRow]:
    """Return a row for each collector, sorted by when its results are deleted.

    :param tasks: the service's list of exports.
    :param collectors: those that exist.
    :param found: the orphans.
    :param now: the present moment.
    """
    states: defaultdict[str, list[OrphanState]] = defaultdict(list)
    for orphan in found:
        states[orphan.collector_id].append(orphan.state)
    drained = {it.collector_id for it in disposable(found)}
    written: defaultdict[str, list[ExportTask]] = defaultdict(list)
    for task in tasks:
        written[task.collector_id or ""].append(task)
    rows = [
        _collector_row(it.id, written.get(it.id, ()), states.get(it.id, ()), it.id in drained, now)
        for it in collectors
    ]
    never = pendulum.DateTime.max.replace(tzinfo=pendulum.UTC)
    return sorted(rows, key=lambda row: (row.readable_until or never, row.id))


def _collector_row(
    collector_id: str,
    tasks: Sequence[ExportTask],
    states: Iterable[OrphanState],
    is_drained: bool,
    now: pendulum.DateTime,
) -> CollectorRow:
    results = [task.exported() for task in tasks]
    known = [number for number in results if number is not None]
    state = ", ".join(dict.fromkeys(map(str, states)))
    return CollectorRow(
        id=collector_id,
        state=state or ("in use" if tasks else "empty"),
        exports=tuple(task.id for task in tasks),
        results=sum(known) if len(known) == len(results) else None,
        readable_until=min(
            (until for it in tasks if (until := it.readable_until) and until > now), default=None
        ),
        is_drained=is_drained,
    )


def _of_one_order(tasks: Iterable[ExportTask]) -> frozenset[str]:
    """Return paid exports that share a collector of ours: its name is made from the order, so the order is the same."""
    paid: defaultdict[str, list[str]] = defaultdict(list)
    for task in tasks:
        collector_id = task.collector_id or ""
        if collector_id.startswith(PREFIX) and window_in(collector_id) and task.exported() != 0:
            paid[collector_id].append(task.id)
    return frozenset(export_id for ids in paid.values() if len(ids) > 1 for export_id in ids)


def _flags(
    task: ExportTask, landings: Sequence[Landing], orphan: Orphan | None, twice: bool, landed: Landed
) -> Iterable[Flag]:
    if task.status.is_truncated or any(it.manifest.truncated for it in landings):
        yield Flag.TRUNCATED
    if (landings and not any(it.manifest.complete for it in landings)) or (
        task.status.is_lost and task.exported()
    ):
        yield Flag.PARTIAL
    # where no directory of landings is configured, every export would seem to be orphaned
    if landed.directories and orphan and orphan.state in _UNLANDED:
        yield Flag.ORPHANED
        if orphan.is_urgent:
            yield Flag.EXPIRES_SOON
    if twice:
        yield Flag.BOUGHT_TWICE


def _order(task: ExportTask, landed: Landed, landings: Sequence[Landing]) -> Mapping[str, Any]:
    if (history := landed.histories.get(task.id)) and history.order:
        return history.order
    return landings[0].manifest.source if landings else {}


def _window(task: ExportTask) -> Any:
    named = window_in(task.collector_id or "")
    return named and named[1]


def _lowest(*counts: int | None) -> int | None:
    return min((it for it in counts if it is not None), default=None)
