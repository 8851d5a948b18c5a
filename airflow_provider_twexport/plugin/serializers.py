"""From what this server knows to what one visitor may know of it."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING

from airflow_provider_twexport.plugin.accounts import kind_of
from airflow_provider_twexport.plugin.accounts.base import ChargedAccount
from airflow_provider_twexport.plugin.responses import (
    AccountResponse,
    CollectorResponse,
    DailyCreditsResponse,
    ExportResponse,
    LandingResponse,
    RunResponse,
    SeriesResponse,
    UsageResponse,
)
from airflow_provider_twexport.plugin.rows import Flag, UsageRow, WindowRow, counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_provider_twexport.coverage.coverage import SeriesCoverage
    from airflow_provider_twexport.plugin.accounts.base import UsageAccount
    from airflow_provider_twexport.plugin.authorization import Visitor
    from airflow_provider_twexport.plugin.landed import Landing
    from airflow_provider_twexport.plugin.rows import CollectorRow, CreditsRow, DailyCredits, ExportRow
    from airflow_provider_twexport.plugin.state import AccountState
    from airflow_provider_twexport.storage.ledger import TaskRef
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.storage.part import Part

# an export that every backfill adopts has hundreds
MAX_RUNS = 8


def account(state: AccountState, visible: Sequence[ExportRow], visitor: Visitor) -> AccountResponse:
    """Return one connection."""
    return AccountResponse(
        conn_id=state.account.conn_id,
        service=state.account.service,
        is_charged=isinstance(state.account, ChargedAccount),
        age=state.rows.age,
        problem=state.rows.problem or state.credits.problem,
        credits=_credits(state, visitor),
        exports=len(visible),
        counts=counts(visible),
    )


def export(conn_id: str, row: ExportRow, tasks: Sequence[TaskRef], visitor: Visitor) -> ExportResponse:
    """Return one export."""
    may_abort = row.is_unfinished and visitor.may_act(conn_id, tasks)
    return ExportResponse(**dict(row), conn_id=conn_id, used_by=_runs(tasks, visitor), may_abort=may_abort)


def collector(
    conn_id: str, row: CollectorRow, tasks: Sequence[TaskRef], visitor: Visitor
) -> CollectorResponse:
    """Return one collector."""
    may_delete = row.is_drained and visitor.may_act(conn_id, tasks)
    return CollectorResponse(
        **dict(row), conn_id=conn_id, used_by=_runs(tasks, visitor), may_delete=may_delete
    )


def landing(
    found: Landing, is_bought_twice: bool, tasks: Sequence[TaskRef], visitor: Visitor
) -> LandingResponse:
    """Return one landing, with what its manifest and the manifest's ``source`` say under the names of the row.

    :param found: the landing.
    :param is_bought_twice: whether another export holds some of its days.
    :param tasks: those that use it.
    :param visitor: who asks.
    """
    manifest, kind = found.manifest, kind_of(found.manifest.source)
    gaps = None if manifest.report is None else len(manifest.report.get("gaps", ()))
    rules = (
        (Flag.TRUNCATED, manifest.truncated),
        (Flag.PARTIAL, not manifest.complete),
        (Flag.GAPS, gaps),
        (Flag.BOUGHT_TWICE, is_bought_twice),
    )
    return LandingResponse.model_validate(
        manifest.source
        | {it.name: getattr(manifest, it.name) for it in fields(manifest)}
        | {
            "id": found.id,
            "address": found.address,
            "scope": manifest.source.get("scope"),
            "topics": tuple(manifest.source.get("topics") or ()),
            "window": _window(manifest),
            "parts": len(manifest.parts),
            **_counts(manifest),
            "requests": kind.requests(manifest) if kind else None,
            "gaps": gaps,
            "flags": tuple(flag for flag, holds in rules if holds),
            "used_by": _runs(tasks, visitor),
        }
    )


def part(found: Part) -> Part:
    """Return a part with what it holds as results; of a file of the service, its rows, where these are known."""
    return found if found.rows is None else replace(found, results=found.rows)


def _window(manifest: Manifest) -> WindowRow | None:
    """Return the window that was ordered; of a stream the time that it was read."""
    window = manifest.source.get("window") or manifest.report or {}
    return WindowRow.model_validate(window) if window.get("start") and window.get("stop") else None


def series(covered: SeriesCoverage) -> SeriesResponse:
    """Return one series, a letter for each day."""
    return SeriesResponse(
        **asdict(covered.series),
        first=covered.days[0].window.start.date(),
        states="".join(str(day.state)[0] for day in covered.days),
        results=[day.results for day in covered.days],
        bought_twice=[number for number, day in enumerate(covered.days) if day.bought_twice],
        counts=covered.counts,
    )


def daily_credits(
    state: AccountState, days: Iterable[DailyCredits], visitor: Visitor
) -> DailyCreditsResponse:
    """Return one connection's days."""
    return DailyCreditsResponse(
        conn_id=state.account.conn_id,
        age=state.credits.age,
        problem=state.credits.problem,
        credits=_credits(state, visitor),
        days=list(days),
    )


def usage(account: UsageAccount, visitor: Visitor) -> UsageResponse:
    """Return what one connection used; like a balance it is the sum of what everybody does."""
    known = account.usage.latest()
    row = (known.value if visitor.reads_all else None) or UsageRow()
    return UsageResponse(
        **dict(row), conn_id=account.conn_id, service=account.service, age=known.age, problem=known.problem
    )


def _credits(state: AccountState, visitor: Visitor) -> CreditsRow | None:
    # a balance is the sum of what everybody does
    return state.credits.value if visitor.reads_all else None


def _runs(tasks: Sequence[TaskRef], visitor: Visitor) -> list[RunResponse]:
    runs = dict.fromkeys(task.run for task in visitor.visible(tasks))
    return [RunResponse(dag_id=dag_id, run_id=run_id) for dag_id, run_id in list(runs)[:MAX_RUNS]]


def _counts(manifest: Manifest) -> dict[str, int | None]:
    """Return what landed and what was exported; of files, the rows in them, where these are known."""
    exported = manifest.exported if manifest.rows is None else manifest.rows
    return {"results": manifest.records, "exported": exported}
