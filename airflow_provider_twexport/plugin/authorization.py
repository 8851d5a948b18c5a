"""Who may read and who may act: Airflow's login and permissions, and no requests from other sites."""

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

_OUR_PAGE = "same-origin"
_ADDRESS_BAR = "none"


def refuse_other_sites(request: Request) -> None:
    """Refuse requests of other sites' pages, and actions that no browser marks as sent by our page."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    acts = request.method not in ("GET", "HEAD")
    if site is not None and site != _OUR_PAGE and (acts or site != _ADDRESS_BAR):
        raise HTTPException(403, "Requests from other sites are refused.")
    if origin is not None and urlsplit(origin).netloc not in _own_hosts(request):
        raise HTTPException(403, "Requests from other sites are refused.")
    # browsers send a cookie with any request; a token is added on purpose
    if acts and site is None and origin is None and "authorization" not in request.headers:
        raise HTTPException(403, "Use the page, or send an API token.")


def _own_hosts(request: Request) -> set[str]:
    named = request.headers.get("host", ""), urlsplit(conf.get("api", "base_url", fallback="") or "").netloc
    # an origin of "null" has no host
    return {host for host in named if host}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in and may read DAGs.

    :param user: as Airflow's auth manager knows them.
    :param name: for the log.
    :param readable: the DAGs that they may read.
    :param editable: the DAGs that they may edit.
    :param reads_all: whether they may read every DAG, and therefore also see what belongs to none.
    """

    user: BaseUser
    name: str
    readable: frozenset[str]
    editable: frozenset[str]
    reads_all: bool

    def may_see(self, tasks: Iterable[TaskRef]) -> bool:
        """Return whether they may see what these tasks use."""
        return self.reads_all or any(task.dag_id in self.readable for task in tasks)

    def visible(self, tasks: Iterable[TaskRef]) -> list[TaskRef]:
        """Return those of the tasks that they may see."""
        return [task for task in tasks if task.dag_id in self.readable]

    def may_act(self, conn_id: str, tasks: Sequence[TaskRef]) -> bool:
        """Return whether they may end what these tasks use: they may edit all their DAGs, or the connection."""
        if tasks and all(task.dag_id in self.editable for task in tasks):
            return True
        return self._may_edit_connection(conn_id)

    def _may_edit_connection(self, conn_id: str) -> bool:
        team = Connection.get_team_name(conn_id) if conf.getboolean("core", "multi_team") else None
        details = ConnectionDetails(conn_id=conn_id, team_name=team)
        return get_auth_manager().is_authorized_connection(method="PUT", details=details, user=self.user)


def _visitor(user: GetUserDep) -> Visitor:
    readable, editable = _dags(user, "GET"), _dags(user, "PUT")
    with create_session() as session:
        existing = set(session.scalars(select(DagModel.dag_id)))
    return Visitor(user, user.get_name(), readable, editable, reads_all=existing <= readable)


def _dags(user: BaseUser, method: ResourceMethod) -> frozenset[str]:
    return frozenset(get_auth_manager().get_authorized_dag_ids(user=user, method=method))


# the login is checked first, so that nobody learns anything without it
VisitorDep = Annotated[Visitor, Depends(_visitor)]
MAY_READ = [Depends(requires_access_dag("GET")), Depends(refuse_other_sites)]
