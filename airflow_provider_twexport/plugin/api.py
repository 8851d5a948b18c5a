"""The routes of the page, all behind Airflow's login and permissions."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable  # noqa: TC003 - FastAPI reads annotations
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pendulum
from airflow.api_fastapi.core_api.security import get_user
from airflow.api_fastapi.logging.decorators import action_logging
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from airflow_provider_twexport.coverage.coverage import coverage, landed_span
from airflow_provider_twexport.exceptions import AlreadyEndedError, NotFoundError, TwexportError
from airflow_provider_twexport.plugin import serializers, settings
from airflow_provider_twexport.plugin.accounts import KINDS, kind_of
from airflow_provider_twexport.plugin.accounts.base import (
    Account,
    ChargedAccount,
    ExportAccount,
    Rows,
    UsageAccount,
)
from airflow_provider_twexport.plugin.authorization import MAY_READ, VisitorDep, refuse_other_sites
from airflow_provider_twexport.plugin.landed import Landed, location_of
from airflow_provider_twexport.plugin.responses import (
    CollectorsResponse,
    CoverageResponse,
    DoneResponse,
    ExportsResponse,
    LandingResponse,
    LandingsResponse,
    PartsResponse,
    SpendingResponse,
)
from airflow_provider_twexport.plugin.rows import daily_credits
from airflow_provider_twexport.plugin.state import PATIENT, server_state
from airflow_provider_twexport.plugin.usage import keys_used_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_twexport.coverage.coverage import LandedSpan
    from airflow_provider_twexport.plugin.authorization import Visitor
    from airflow_provider_twexport.plugin.landed import Landing
    from airflow_provider_twexport.plugin.rows import DailyCredits
    from airflow_provider_twexport.plugin.state import AccountState
    from airflow_provider_twexport.plugin.usage import Usage
    from airflow_provider_twexport.storage.ledger import TaskRef

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "static" / "exports.js"
STATUS = {NotFoundError: 404, AlreadyEndedError: 409}
app = FastAPI(title="twexport", docs_url=None, redoc_url=None, openapi_url=None)
router = APIRouter(dependencies=MAY_READ)

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0)]


@dataclass(frozen=True, slots=True)
class Scope:
    """What the tab of a DAG, a run or a task instance shows; the page in the navigation shows everything.

    :param keys: of the exports and landings that belong there; ``None`` for all.
    """

    keys: set[str] | None

    def has(self, *keys: str) -> bool:
        """Return whether an export or a landing belongs there."""
        return self.keys is None or not self.keys.isdisjoint(keys)


EVERYTHING = Scope(None)


def _scope(
    dag_id: str | None = None, run_id: str | None = None, task_id: str | None = None, map_index: int = -1
) -> Scope:
    if dag_id is None:
        return EVERYTHING
    return Scope(keys_used_by(server_state().usage(), dag_id, run_id, task_id, map_index))


ScopeDep = Annotated[Scope, Depends(_scope)]


@app.middleware("http")
async def add_security_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Let no browser keep a response, or take it for something else."""
    response = await call_next(request)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


@app.exception_handler(TwexportError)
async def report(request: Request, error: TwexportError) -> JSONResponse:
    """Return why a service refused; these messages hold no secret."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 502)
    return JSONResponse({"detail": str(error), "kind": error.kind}, status)


@app.get("/static/exports.js", dependencies=[Depends(get_user), Depends(refuse_other_sites)])
def page() -> FileResponse:
    """Return the page itself."""
    return FileResponse(PAGE, media_type="text/javascript")


@router.get("/exports")
def list_exports(
    visitor: VisitorDep,
    scope: ScopeDep,
    conn_id: str | None = None,
    only: str | None = None,
    search: str = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> ExportsResponse:
    """Return exports; ``only`` keeps those with a status or a flag."""
    usage, accounts, found = server_state().usage(), [], []
    for state in server_state().account_states():
        visible = [row for row in state.exports if _may_see(visitor, scope, [row.key], usage)]
        accounts.append(serializers.account(state, visible, visitor))
        if conn_id in (None, state.account.conn_id):
            found += [(state.account.conn_id, row) for row in visible if row.matches(only, search)]
    found.sort(key=lambda it: not it[1].is_unfinished)
    return ExportsResponse(
        accounts=accounts,
        services=[kind.service for kind in KINDS if issubclass(kind, ExportAccount)],
        directories=len(settings.landings()),
        total=len(found),
        rows=[
            serializers.export(name, row, usage.get(row.key, ()), visitor)
            for name, row in found[offset : offset + limit]
        ],
    )


@router.get("/collectors")
def list_collectors(
    visitor: VisitorDep, scope: ScopeDep, limit: Limit = 100, offset: Offset = 0
) -> CollectorsResponse:
    """Return collectors, with the time left until their results are deleted."""
    usage, accounts, found = server_state().usage(), [], []
    for state in server_state().account_states(ChargedAccount):
        accounts.append(serializers.account(state, (), visitor))
        found += [
            (state.account.conn_id, row, _tasks(row.exports, usage))
            for row in state.collectors
            if _may_see(visitor, scope, row.exports, usage)
        ]
    never = pendulum.datetime(9999, 1, 1)
    found.sort(key=lambda it: (it[1].readable_until or never, it[1].id))
    return CollectorsResponse(
        accounts=accounts,
        total=len(found),
        rows=[serializers.collector(*it, visitor) for it in found[offset : offset + limit]],
    )


@router.get("/landings")
def list_landings(
    visitor: VisitorDep, scope: ScopeDep, limit: Limit = 50, offset: Offset = 0, manifest: str = ""
) -> LandingsResponse:
    """Return the latest landings, and the one whose manifest has an address."""
    known, usage = server_state().landed(), server_state().usage()
    landed = known.value or Landed()
    found = [it for it in landed.landings if _may_see(visitor, scope, it.keys, usage)]
    selected = landed.by_location.get(location_of(manifest))

    def row(it: Landing) -> LandingResponse:
        is_bought_twice = it.manifest.source.get("export_id") in landed.bought_twice
        return serializers.landing(it, is_bought_twice, _tasks(it.keys, usage), visitor)

    return LandingsResponse(
        age=known.age,
        problem=known.problem,
        directories=list(landed.directories),
        problems=list(landed.problems) if visitor.reads_all else [],
        total=len(found),
        rows=[row(it) for it in found[offset : offset + limit]],
        selected=row(selected) if selected and _may_see(visitor, EVERYTHING, selected.keys, usage) else None,
    )


@router.get("/landings/{landing_id}")
def list_parts(landing_id: str, visitor: VisitorDep, limit: Limit = 100, offset: Offset = 0) -> PartsResponse:
    """Return the files of a landing."""
    found = _landed().by_id.get(landing_id)
    if found is None or not _may_see(visitor, EVERYTHING, found.keys, server_state().usage()):
        raise HTTPException(404, "There is no such landing.")
    parts = found.manifest.parts
    return PartsResponse(
        total=len(parts), rows=[serializers.part(it) for it in parts[offset : offset + limit]]
    )


@router.get("/coverage")
def show_coverage(visitor: VisitorDep, scope: ScopeDep) -> CoverageResponse:
    """Return what is there of each day."""
    known = server_state().landed()
    landed = known.value or Landed()
    if visitor.reads_all and scope == EVERYTHING:
        found = server_state().coverage()
    else:
        found = coverage(_spans(visitor, scope, landed))
    return CoverageResponse(
        age=known.age,
        problem=known.problem,
        directories=list(landed.directories),
        series=[serializers.series(it) for it in found],
    )


@router.get("/spending")
def show_spending(visitor: VisitorDep, scope: ScopeDep) -> SpendingResponse:
    """Return each connection's credits, day by day, of the exports that the visitor may see, and contracts' usage."""
    states = server_state().account_states(ChargedAccount)
    # manifests and ledgers name no connection: of several, only what the service itself lists is certain
    landed = _landed() if len(states) == 1 else Landed()
    credits = [
        serializers.daily_credits(state, _days(state, landed, visitor, scope), visitor) for state in states
    ]
    usage = server_state().accounts(UsageAccount) if scope == EVERYTHING else []
    return SpendingResponse(credits=credits, usage=[serializers.usage(it, visitor) for it in usage])


def _days(state: AccountState, landed: Landed, visitor: Visitor, scope: Scope) -> list[DailyCredits]:
    usage = server_state().usage()
    return daily_credits(
        [row for row in state.exports if _may_see(visitor, scope, [row.key], usage)],
        [
            it.manifest
            for it in landed.landings
            if kind_of(it.manifest.source) is type(state.account) and _may_see(visitor, scope, it.keys, usage)
        ],
        {
            export_id: history
            for export_id, history in landed.histories.items()
            if _may_see(visitor, scope, [export_id], usage)
        },
        pendulum.now("UTC"),
    )


def _may_abort(conn_id: str, export_id: str, visitor: VisitorDep) -> None:
    account = server_state().account(conn_id, ExportAccount)
    known = account.rows.latest(first=PATIENT).value or Rows()
    _check_may_act(visitor, account, [row.key for row in known.exports if row.id == export_id])


def _may_delete(conn_id: str, collector_id: str, visitor: VisitorDep) -> None:
    account = server_state().account(conn_id, ChargedAccount)
    known = account.rows.latest(first=PATIENT).value or Rows()
    exports = next((it.exports for it in known.collectors if it.id == collector_id), ())
    _check_may_act(visitor, account, exports)


def _check_may_act(visitor: Visitor, account: Account, keys: Sequence[str]) -> None:
    tasks = _tasks(keys, server_state().usage(first=PATIENT))
    if not visitor.may_see(tasks) or not visitor.may_act(account.conn_id, tasks):
        raise HTTPException(403, "Forbidden")


@router.post(
    "/connections/{conn_id}/exports/{export_id}/abort",
    dependencies=[Depends(_may_abort), Depends(action_logging("twexport.abort_export"))],
)
def abort_export(conn_id: str, export_id: str, visitor: VisitorDep) -> DoneResponse:
    """Abort an export, or cancel a job; what it has exported stays charged."""
    done = server_state().account(conn_id, ExportAccount).abort(export_id)
    log.info("%s aborted export %s on the Exports page.", visitor.name, export_id)
    return DoneResponse(done=done)


@router.post(
    "/connections/{conn_id}/collectors/{collector_id}/delete",
    dependencies=[Depends(_may_delete), Depends(action_logging("twexport.delete_collector"))],
)
def delete_collector(conn_id: str, collector_id: str, visitor: VisitorDep) -> DoneResponse:
    """Delete a collector, unless it holds results that have not landed."""
    account = server_state().account(conn_id, ChargedAccount)
    rows = server_state().refreshed(account)
    row = next((it for it in rows.collectors if it.id == collector_id), None)
    if row is None:
        raise HTTPException(404, f"There is no collector {collector_id}.")
    if not row.is_drained:
        raise HTTPException(409, f"Collector {collector_id} may hold results that have not landed.")
    account.delete_collector(collector_id)
    log.info("%s deleted collector %s on the Exports page.", visitor.name, collector_id)
    return DoneResponse(done=f"Collector {collector_id} was deleted.")


def _landed() -> Landed:
    return server_state().landed().value or Landed()


def _may_see(visitor: Visitor, scope: Scope, keys: Sequence[str], usage: Usage) -> bool:
    """Return whether an export or a landing belongs there, and the visitor may read a DAG that uses it."""
    return scope.has(*keys) and visitor.may_see(_tasks(keys, usage))


def _spans(visitor: Visitor, scope: Scope, landed: Landed) -> Iterator[LandedSpan]:
    """Yield the windows that were bought, landed or not."""
    usage = server_state().usage()
    for landing in landed.landings:
        if _may_see(visitor, scope, landing.keys, usage) and (span := landed_span(landing.manifest)):
            yield span
    for state in server_state().account_states() if landed.directories else ():
        for span in state.unlanded:
            if _may_see(visitor, scope, [span.export_id], usage):
                yield span


def _tasks(keys: Sequence[str], usage: Usage) -> list[TaskRef]:
    return [task for key in keys for task in usage.get(key, ())]


app.include_router(router)
