"""From what is known to what one visitor is answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_provider_twexport.plugin.responses import (
    AccountAnswer,
    CollectorAnswer,
    CreditsAnswer,
    DayAnswer,
    ExportAnswer,
    LandingAnswer,
    PartAnswer,
    SpendingAnswer,
    TrackAnswer,
    UsageAnswer,
    UseAnswer,
    WindowAnswer,
)
from airflow_provider_twexport.plugin.rows import Flag, counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.coverage.coverage import SeriesCoverage
    from airflow_provider_twexport.plugin.accounts.x import XAccount
    from airflow_provider_twexport.plugin.authorization import Visitor
    from airflow_provider_twexport.plugin.landed import Landed, Landing
    from airflow_provider_twexport.plugin.rows import CollectorRow, Export, Spent
    from airflow_provider_twexport.plugin.state import AccountState
    from airflow_provider_twexport.storage.ledger import TaskRef
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.storage.part import Part

# an export that is adopted by every backfill has hundreds
MOST_USES = 8
_SCOPES = ("project_id", "stream_id", "product", "stream", "dataset_id")
# what one service calls so, another calls so
_ALIKE = {"succeeded": "finished", "cancelled": "aborted", "cancelling": "aborted"}
_SEARCH = "x_enterprise_search"


def matches(row: Export, only: str | None, search: str) -> bool:
    """Tell whether an export has a status or flag, and a text in its ids."""
    wanted = search.strip().casefold()
    texts = (row.id, row.collector_id or "", row.dataset_id or "", *(it.address for it in row.landings))
    if wanted and not any(wanted in text.casefold() for text in texts):
        return False
    if not only:
        return True
    if only == "unfinished":
        return row.is_unfinished
    if only == "flagged":
        return bool(row.flags)
    return only in (row.status, _ALIKE.get(row.status)) or only in row.flags


def account(seen: AccountState, mine: Sequence[Export], visitor: Visitor) -> AccountAnswer:
    """Return one connection."""
    return AccountAnswer(
        conn_id=seen.account.conn_id,
        conn_type=seen.account.conn_type,
        age=seen.rows.age,
        problem=seen.rows.problem or seen.credits.problem,
        credits=_credits(seen, visitor),
        exports=len(mine),
        counts=counts(mine),
    )


def export(conn_id: str, row: Export, uses: Sequence[TaskRef], visitor: Visitor) -> ExportAnswer:
    """Return one export."""
    return ExportAnswer(
        id=row.id,
        conn_id=conn_id,
        collector_id=row.collector_id,
        dataset_id=row.dataset_id,
        segments=row.segments,
        status=row.status,
        is_unfinished=row.is_unfinished,
        window=_window(row.window),
        created=row.created,
        exported=row.exported,
        expected=row.expected,
        matching=row.matching,
        credits=row.credits,
        per_second=row.per_second,
        seconds_left=row.seconds_left,
        readable_until=row.readable_until,
        landings=[it.address for it in row.landings],
        flags=[str(flag) for flag in row.flags],
        uses=_uses(uses, visitor),
        messages=list(row.messages),
        may_abort=row.is_unfinished and visitor.may_act(conn_id, uses),
    )


def collector(conn_id: str, row: CollectorRow, uses: Sequence[TaskRef], visitor: Visitor) -> CollectorAnswer:
    """Return one collector."""
    return CollectorAnswer(
        id=row.collector.id,
        conn_id=conn_id,
        state=row.state,
        exports=list(row.exports),
        results=row.results,
        readable_until=row.readable_until,
        uses=_uses(uses, visitor),
        is_drained=row.is_drained,
        may_delete=row.is_drained and visitor.may_act(conn_id, uses),
    )


def landing(found: Landing, landed: Landed, uses: Sequence[TaskRef], visitor: Visitor) -> LandingAnswer:
    """Return one landing."""
    manifest, source = found.manifest, found.manifest.source
    gaps = None if manifest.report is None else len(manifest.report.get("gaps", ()))
    rules = (
        (Flag.TRUNCATED, manifest.truncated),
        (Flag.PARTIAL, not manifest.complete),
        (Flag.GAPS, gaps),
        (Flag.BOUGHT_TWICE, source.get("export_id") in landed.bought_twice),
    )
    return LandingAnswer(
        id=found.id,
        address=found.address,
        system=str(source.get("system") or "talkwalker"),
        export_id=source.get("export_id"),
        collector_id=source.get("collector_id"),
        scope=next((source[name] for name in _SCOPES if source.get(name)), None),
        query=source.get("query"),
        topics=list(source.get("topics") or ()),
        window=_told_window(manifest),
        file_format=manifest.file_format,
        results=manifest.results,
        exported=manifest.exported,
        matching=manifest.estimated_total,
        bytes=manifest.bytes,
        parts=len(manifest.parts),
        duplicates_dropped=manifest.duplicates_dropped,
        foreign_dropped=manifest.foreign_dropped,
        requests=_requests(manifest),
        gaps=gaps,
        created=manifest.created_at,  # type: ignore[arg-type]  # pydantic reads it
        flags=[str(flag) for flag, holds in rules if holds],
        uses=_uses(uses, visitor),
    )


def _told_window(manifest: Manifest) -> WindowAnswer | None:
    """Return the window that was ordered; of a stream the time that it was read for."""
    told = manifest.source.get("window") or manifest.report or {}
    if told.get("start") and told.get("stop"):
        return WindowAnswer(start=told["start"], stop=told["stop"])
    return None


def _requests(manifest: Manifest) -> int | None:
    """Return how many requests a search took: its cursor counts them."""
    if manifest.source.get("system") != _SEARCH or manifest.final_cursor is None:
        return None
    requests: int | None = json.loads(manifest.final_cursor).get("requests")
    return requests


def part(found: Part) -> PartAnswer:
    """Return one file of a landing."""
    return PartAnswer(
        name=found.name,
        results=found.results,
        bytes=found.bytes,
        sha256=found.sha256,
        coercion_failures=sum(found.coercion_failures.values()),
    )


def track(covered: SeriesCoverage) -> TrackAnswer:
    """Return one track, a letter for each day."""
    return TrackAnswer(
        scope=covered.series.scope,
        topic=covered.series.topic,
        query=covered.series.query,
        first=covered.days[0].window.start.date(),
        states="".join(str(day.state)[0] for day in covered.days),
        results=[day.results for day in covered.days],
        bought_twice=[number for number, day in enumerate(covered.days) if day.bought_twice],
        counts=covered.counts,
    )


def spending(seen: AccountState, days: Iterable[Spent], visitor: Visitor) -> SpendingAnswer:
    """Return one connection's days."""
    return SpendingAnswer(
        conn_id=seen.account.conn_id,
        age=seen.credits.age,
        problem=seen.credits.problem,
        credits=_credits(seen, visitor),
        days=[DayAnswer(day=it.day, used=it.used) for it in days],
    )


def usage(account: XAccount, visitor: Visitor) -> UsageAnswer:
    """Return what one connection used; like a balance it is the sum of what everybody does."""
    known = account.usage.look()
    value = known.value if visitor.reads_all else None
    return UsageAnswer(
        conn_id=account.conn_id,
        age=known.age,
        problem=known.problem,
        month=value.month if value else None,
        used=value.used if value else {},
    )


def _credits(seen: AccountState, visitor: Visitor) -> CreditsAnswer | None:
    # a balance is the sum of what everybody does
    if seen.credits.value is None or not visitor.reads_all:
        return None
    known = seen.credits.value
    return CreditsAnswer(
        left=known.remaining, used_monthly=known.used_monthly, next_billing=known.next_billing_period
    )


def _window(window: Window | None) -> WindowAnswer | None:
    return WindowAnswer(start=window.start, stop=window.stop) if window else None


def _uses(uses: Sequence[TaskRef], visitor: Visitor) -> list[UseAnswer]:
    runs = dict.fromkeys(use.run for use in visitor.seen(uses))
    return [UseAnswer(dag_id=dag_id, run_id=run_id) for dag_id, run_id in list(runs)[:MOST_USES]]
