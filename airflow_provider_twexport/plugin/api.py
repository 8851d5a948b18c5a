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
from airflow_provider_twexport.plugin import rows as plugin_rows
from airflow_provider_twexport.plugin import serializers, settings
from airflow_provider_twexport.plugin.accounts.base import Account, Orders, Rows
from airflow_provider_twexport.plugin.accounts.talkwalker import TalkwalkerAccount
from airflow_provider_twexport.plugin.accounts.x import XAccount
from airflow_provider_twexport.plugin.authorization import LOOK, VisitorDep, refuse_other_sites
from airflow_provider_twexport.plugin.landed import Landed, place_in
from airflow_provider_twexport.plugin.responses import (
    CollectorsAnswer,
    CoverageAnswer,
    DoneAnswer,
    ExportsAnswer,
    LandingAnswer,
    LandingsAnswer,
    PartsAnswer,
    SpendingsAnswer,
)
from airflow_provider_twexport.plugin.state import PATIENT, watch
from airflow_provider_twexport.plugin.usage import belonging

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_twexport.coverage.coverage import LandedSpan
    from airflow_provider_twexport.plugin.authorization import Visitor
    from airflow_provider_twexport.plugin.landed import Landing
    from airflow_provider_twexport.plugin.usage import Uses
    from airflow_provider_twexport.storage.ledger import TaskRef

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "static" / "exports.js"
STATUS = {NotFoundError: 404, AlreadyEndedError: 409}
app = FastAPI(title="twexport", docs_url=None, redoc_url=None, openapi_url=None)
look = APIRouter(dependencies=LOOK)

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0)]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a tab of a DAG, a run or a task instance asks for; the page in the navigation asks for all.

    :param names: the exports, and the places of the landings, that belong there; ``None`` for all.
    """

    names: set[str] | None

    def has(self, *names: str) -> bool:
        """Tell whether an export or a landing belongs there."""
        return self.names is None or not self.names.isdisjoint(names)


def _scope(
    dag_id: str | None = None, run_id: str | None = None, task_id: str | None = None, map_index: int = -1
) -> Scope:
    if dag_id is None:
        return Scope(None)
    return Scope(belonging(watch().uses(), dag_id, run_id, task_id, map_index))


ScopeDep = Annotated[Scope, Depends(_scope)]


@app.middleware("http")
async def keep_to_itself(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    """Let no browser keep an answer, or take it for something else."""
    response = await go_on(request)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


@app.exception_handler(TwexportError)
async def tell(request: Request, error: TwexportError) -> JSONResponse:
    """Tell what a service refused; these texts hold no secret."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 502)
    return JSONResponse({"detail": str(error)}, status)


@app.get("/static/exports.js", dependencies=[Depends(get_user), Depends(refuse_other_sites)])
def page() -> FileResponse:
    """Return the page itself."""
    return FileResponse(PAGE, media_type="text/javascript")


@look.get("/exports")
def list_exports(
    visitor: VisitorDep,
    scope: ScopeDep,
    conn_id: str | None = None,
    only: str | None = None,
    search: str = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> ExportsAnswer:
    """Return exports; ``only`` keeps those of a status or with a flag."""
    uses, accounts, found = watch().uses(), [], []
    for seen in watch().seen():
        mine = [row for row in seen.exports if _may_see(visitor, scope, [row.known_as], uses)]
        accounts.append(serializers.account(seen, mine, visitor))
        if conn_id in (None, seen.account.conn_id):
            found += [(seen.account.conn_id, row) for row in mine if serializers.matches(row, only, search)]
    found.sort(key=lambda it: not it[1].is_unfinished)
    return ExportsAnswer(
        accounts=accounts,
        places=len(settings.landings()),
        total=len(found),
        rows=[
            serializers.export(name, row, uses.get(row.known_as, ()), visitor)
            for name, row in found[offset : offset + limit]
        ],
    )


@look.get("/collectors")
def list_collectors(
    visitor: VisitorDep, scope: ScopeDep, limit: Limit = 100, offset: Offset = 0
) -> CollectorsAnswer:
    """Return collectors, with the time left until their rows vanish."""
    uses, accounts, found = watch().uses(), [], []
    for seen in watch().seen(TalkwalkerAccount):
        accounts.append(serializers.account(seen, (), visitor))
        found += [
            (seen.account.conn_id, row, _tellers(row.exports, uses))
            for row in seen.collectors
            if _may_see(visitor, scope, row.exports, uses)
        ]
    never = pendulum.datetime(9999, 1, 1)
    found.sort(key=lambda it: (it[1].readable_until or never, it[1].collector.id))
    return CollectorsAnswer(
        accounts=accounts,
        places=len(settings.landings()),
        total=len(found),
        rows=[serializers.collector(*it, visitor) for it in found[offset : offset + limit]],
    )


@look.get("/landings")
def list_landings(
    visitor: VisitorDep, scope: ScopeDep, limit: Limit = 50, offset: Offset = 0, manifest: str = ""
) -> LandingsAnswer:
    """Return the latest landings, and the one whose manifest has an address."""
    known, uses = watch().landed(), watch().uses()
    landed = known.value or _landed()
    found = [it for it in landed.landings if _may_see(visitor, scope, it.known_as, uses)]
    sought = landed.by_place.get(place_in(manifest))

    def row(it: Landing) -> LandingAnswer:
        return serializers.landing(it, landed, _tellers(it.known_as, uses), visitor)

    return LandingsAnswer(
        age=known.age,
        problem=known.problem,
        places=list(landed.places),
        problems=list(landed.problems) if visitor.reads_all else [],
        total=len(found),
        rows=[row(it) for it in found[offset : offset + limit]],
        sought=row(sought) if sought and _may_see(visitor, Scope(None), sought.known_as, uses) else None,
    )


@look.get("/landings/{landing_id}")
def list_parts(landing_id: str, visitor: VisitorDep, limit: Limit = 100, offset: Offset = 0) -> PartsAnswer:
    """Return the files of a landing."""
    found = _landed().by_id.get(landing_id)
    if found is None or not _may_see(visitor, Scope(None), found.known_as, watch().uses()):
        raise HTTPException(404, "There is no such landing.")
    parts = found.manifest.parts
    return PartsAnswer(total=len(parts), rows=[serializers.part(it) for it in parts[offset : offset + limit]])


@look.get("/coverage")
def show_coverage(visitor: VisitorDep, scope: ScopeDep) -> CoverageAnswer:
    """Return what is there of each day."""
    known = watch().landed()
    landed = known.value or _landed()
    if visitor.reads_all and scope.names is None:
        tracks = watch().coverage()
    else:
        tracks = coverage(_pieces(visitor, scope, landed))
    return CoverageAnswer(
        age=known.age,
        problem=known.problem,
        places=list(landed.places),
        tracks=[serializers.track(it) for it in tracks],
    )


@look.get("/spending")
def show_spending(visitor: VisitorDep, scope: ScopeDep) -> SpendingsAnswer:
    """Return the credits of each day and connection, of the exports that the visitor may see, and X's usage."""
    landed, uses, now = _landed(), watch().uses(), pendulum.now("UTC")
    seen, credits = watch().seen(TalkwalkerAccount), []
    for account in seen:
        mine = [row for row in account.exports if _may_see(visitor, scope, [row.known_as], uses)]
        # manifests and ledgers tell no connection: with several, only the services' own lists are certain
        visible = [
            it for it in landed.landings if len(seen) == 1 and _may_see(visitor, scope, it.known_as, uses)
        ]
        entries = {
            export_id: entry
            for export_id, entry in landed.entries.items()
            if len(seen) == 1 and _may_see(visitor, scope, [export_id], uses)
        }
        days = plugin_rows.spent(mine, visible, entries, now)
        credits.append(serializers.spending(account, days, visitor))
    usage = watch().accounts(XAccount) if scope.names is None else []
    return SpendingsAnswer(credits=credits, usage=[serializers.usage(it, visitor) for it in usage])


def _may_abort(conn_id: str, export_id: str, visitor: VisitorDep) -> None:
    account = watch().account(conn_id, Orders)
    known = account.rows.look(first=PATIENT).value or Rows()
    _check_may_act(visitor, account, [row.known_as for row in known.exports if row.id == export_id])


def _may_delete(conn_id: str, collector_id: str, visitor: VisitorDep) -> None:
    account = watch().account(conn_id, TalkwalkerAccount)
    known = account.rows.look(first=PATIENT).value or Rows()
    filled = next((it.exports for it in known.collectors if it.collector.id == collector_id), ())
    _check_may_act(visitor, account, filled)


def _check_may_act(visitor: VisitorDep, account: Account, names: Sequence[str]) -> None:
    uses = _tellers(names, watch().uses(first=PATIENT))
    if not visitor.may_see(uses) or not visitor.may_act(account.conn_id, uses):
        raise HTTPException(403, "Forbidden")


@look.post(
    "/connections/{conn_id}/exports/{export_id}/abort",
    dependencies=[Depends(_may_abort), Depends(action_logging("twexport.abort_export"))],
)
def abort_export(conn_id: str, export_id: str, visitor: VisitorDep) -> DoneAnswer:
    """Abort an export, or cancel a job; what it has exported stays charged."""
    done = watch().account(conn_id, Orders).abort(export_id)
    log.info("%s aborted export %s on the Exports page.", visitor.name, export_id)
    return DoneAnswer(done=done)


@look.post(
    "/connections/{conn_id}/collectors/{collector_id}/delete",
    dependencies=[Depends(_may_delete), Depends(action_logging("twexport.delete_collector"))],
)
def delete_collector(conn_id: str, collector_id: str, visitor: VisitorDep) -> DoneAnswer:
    """Delete a collector that holds nothing that has not landed."""
    account = watch().account(conn_id, TalkwalkerAccount)
    row = next((it for it in watch().renewed(account).collectors if it.collector.id == collector_id), None)
    if row is None:
        raise HTTPException(404, f"There is no collector {collector_id}.")
    if not row.is_drained:
        raise HTTPException(409, f"Collector {collector_id} may hold results that have not landed.")
    account.delete_collector(collector_id)
    log.info("%s deleted collector %s on the Exports page.", visitor.name, collector_id)
    return DoneAnswer(done=f"Collector {collector_id} was deleted.")


def _landed() -> Landed:
    return watch().landed().value or Landed()


def _may_see(visitor: Visitor, scope: Scope, names: Sequence[str], uses: Uses) -> bool:
    """Tell whether what is known by these names belongs there, and the visitor may read the DAGs that use it."""
    return scope.has(*names) and visitor.may_see(_tellers(names, uses))


def _pieces(visitor: Visitor, scope: Scope, landed: Landed) -> Iterator[LandedSpan]:
    """Yield what there is of tracks, landed or not."""
    uses = watch().uses()
    for landing in landed.landings:
        if _may_see(visitor, scope, landing.known_as, uses) and (piece := landed_span(landing.manifest)):
            yield piece
    for seen in watch().seen(TalkwalkerAccount) if landed.places else ():
        for piece in seen.unlanded:
            if _may_see(visitor, scope, [piece.export_id], uses):
                yield piece


def _tellers(names: Sequence[str], uses: Uses) -> list[TaskRef]:
    return [teller for name in names for teller in uses.get(name, ())]


app.include_router(look)
