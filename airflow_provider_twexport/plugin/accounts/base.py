"""The connections that this server looks at, for all its visitors."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_twexport.exceptions import ConnectionConfigError
from airflow_provider_twexport.plugin import settings
from airflow_provider_twexport.plugin.polling import Poll

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from airflow_provider_twexport.coverage.coverage import LandedSpan
    from airflow_provider_twexport.plugin.landed import Landed
    from airflow_provider_twexport.plugin.rows import CollectorRow, Export
    from airflow_provider_twexport.talkwalker.models import Credits

_ENV = "AIRFLOW_CONN_"


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What else is known while an account is looked at.

    :param landed: what lies in object storage.
    :param busy: exports that a run is at work on.
    """

    landed: Landed
    busy: frozenset[str]


@dataclass(frozen=True, eq=False)
class Rows:
    """All exports and collectors of a connection, made into rows where nobody waits for it.

    :param exports: those that run first, then the newest.
    :param collectors: those whose results vanish first, first; none where the service has no such thing.
    :param unlanded: the windows that were bought, and that no manifest tells of.
    """

    exports: tuple[Export, ...] = ()
    collectors: tuple[CollectorRow, ...] = ()
    unlanded: tuple[LandedSpan, ...] = ()


class Account:
    """One connection, which is read anew for each look, so that a new password is taken up.

    :param conn_id: its id.
    :param surroundings: tells what else is known.
    """

    conn_type: ClassVar[str]

    def __init__(self, conn_id: str, surroundings: Callable[[], Surroundings]) -> None:
        self.conn_id = conn_id
        self._surroundings = surroundings


class Orders(Account):
    """A connection to a service that has exports, or jobs; it has credits if it charges by the result."""

    credits: Poll[Credits] | None = None

    def __init__(self, conn_id: str, surroundings: Callable[[], Surroundings]) -> None:
        super().__init__(conn_id, surroundings)
        self.rows = Poll(self._ask_rows, settings.poll_seconds())

    def abort(self, export_id: str) -> str:
        """End an export and say what that means.

        :raises AlreadyEndedError: it has ended already.
        """
        raise NotImplementedError

    def _ask_rows(self) -> Rows:
        raise NotImplementedError


class Unreadable(Orders):
    """A connection that the settings name, and that is none of those that the page can show."""

    conn_type = ""

    def abort(self, export_id: str) -> str:
        """Refuse to."""
        raise self._error()

    def _ask_rows(self) -> Rows:
        raise self._error()

    def _error(self) -> ConnectionConfigError:
        told = connection(self.conn_id).conn_type
        return ConnectionConfigError(
            f"The connection {self.conn_id!r} is of type {told!r}, which has no exports."
        )


def connections(known: Container[str]) -> dict[str, str]:
    """Return the types of the connections that this server can list, by id; those it cannot read have type "".

    :param known: the types that the page shows.
    """
    named = settings.connections()
    if named:
        return {conn_id: _type_of(conn_id) for conn_id in named}
    from airflow.models import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        stored = session.execute(select(Connection.conn_id, Connection.conn_type))
        found = {row.conn_id: row.conn_type for row in stored}
    set_here = (name.removeprefix(_ENV).lower() for name in os.environ if name.startswith(_ENV))
    # a connection of the environment goes before one of the database
    found |= {conn_id: _type_of(conn_id) for conn_id in set_here}
    return {conn_id: found[conn_id] for conn_id in sorted(found) if found[conn_id] in known}


def _type_of(conn_id: str) -> str:
    # what other connections hold is not ours to judge
    with suppress(Exception):
        return str(connection(conn_id).conn_type)
    return ""


def connection(conn_id: str) -> Any:
    """Return a connection.

    :raises ConnectionConfigError: there is none.
    """
    from airflow.models import Connection
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    try:
        return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        raise ConnectionConfigError(f"There is no Airflow connection {conn_id!r}.") from None
