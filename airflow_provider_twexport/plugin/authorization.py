"""Who may look, and who may act: Airflow's own login, its own permissions, and no other site's requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.configuration import conf
from airflow.models import Connection, DagModel
from airflow.utils.session import create_session
from fastapi import Depends, HTTPException, Request
from sqlalchemy import select

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

    from airflow_provider_twexport.storage.ledger import TaskRef

_OWN_PAGES = "same-origin"
_TYPED = "none"


def refuse_other_sites(request: Request) -> None:
    """Refuse what a page of another site asks for, and actions of which no browser says that our page asked."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    acts = request.method not in ("GET", "HEAD")
    if site is not None and site != _OWN_PAGES and (acts or site != _TYPED):
        raise HTTPException(403, "Requests of other sites are refused.")
    if origin is not None and urlsplit(origin).netloc not in _own_hosts(request):
        raise HTTPException(403, "Requests of other sites are refused.")
    # a cookie goes along with anything; a token is added by whoever means it
    if acts and site is None and origin is None and "authorization" not in request.headers:
        raise HTTPException(403, "Actions are taken on the page, or with an API token.")


def _own_hosts(request: Request) -> set[str]:
    named = request.headers.get("host", ""), urlsplit(conf.get("api", "base_url", fallback="") or "").netloc
    # an origin of "null" has no host
    return {host for host in named if host}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in and may read DAGs.

    :param user: as Airflow's auth manager knows them.
    :param name: what the log calls them.
    :param readable: the DAGs that they may read.
    :param editable: the DAGs that they may edit.
    :param reads_all: whether they may read every DAG, and so also what belongs to none.
    """

    user: BaseUser
    name: str
    readable: frozenset[str]
    editable: frozenset[str]
    reads_all: bool

    def may_see(self, uses: Iterable[TaskRef]) -> bool:
        """Tell whether they may see what these tasks use."""
        return self.reads_all or any(use.dag_id in self.readable for use in uses)

    def seen(self, uses: Iterable[TaskRef]) -> list[TaskRef]:
        """Return those of the tasks that they may know of."""
        return [use for use in uses if use.dag_id in self.readable]

    def may_act(self, conn_id: str, uses: Sequence[TaskRef]) -> bool:
        """Tell whether they may end what these tasks use: they edit all their DAGs, or else the connection."""
        if uses and all(use.dag_id in self.editable for use in uses):
            return True
        return self._may_edit_connection(conn_id)

    def _may_edit_connection(self, conn_id: str) -> bool:
        team = Connection.get_team_name(conn_id) if conf.getboolean("core", "multi_team") else None
        details = ConnectionDetails(conn_id=conn_id, team_name=team)
        return get_auth_manager().is_authorized_connection(method="PUT", details=details, user=self.user)


def _visitor(user: GetUserDep) -> Visitor:
    readable, editable = _dags(user, "GET"), _dags(user, "PUT")
    with create_session() as session:
        every = set(session.scalars(select(DagModel.dag_id)))
    return Visitor(user, user.get_name(), readable, editable, reads_all=every <= readable)


def _dags(user: BaseUser, method: ResourceMethod) -> frozenset[str]:
    return frozenset(get_auth_manager().get_authorized_dag_ids(user=user, method=method))


# the login comes first: whoever is not logged in learns nothing else
VisitorDep = Annotated[Visitor, Depends(_visitor)]
LOOK = [Depends(requires_access_dag("GET")), Depends(refuse_other_sites)]
