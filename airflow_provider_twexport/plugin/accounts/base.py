"""The connections that this server polls, for all its visitors."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_twexport.exceptions import ConnectionConfigError
from airflow_provider_twexport.plugin import settings
from airflow_provider_twexport.plugin.polling import Poll

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from airflow_provider_twexport.coverage.coverage import LandedSpan
    from airflow_provider_twexport.plugin.landed import Landed
    from airflow_provider_twexport.plugin.rows import CollectorRow, CreditsRow, ExportRow, UsageRow
    from airflow_provider_twexport.storage.manifest import Manifest

_ENV = "AIRFLOW_CONN_"


@dataclass(frozen=True, eq=False)
class Context:
    """What else is known while an account is polled.

    :param landed: what has landed.
    :param in_use: the keys of exports that an active DAG run uses.
    """

    landed: Landed
    in_use: frozenset[str]


@dataclass(frozen=True, eq=False)
class Rows:
    """All exports and collectors of a connection, made into rows in the background.

    :param exports: running ones first, then the newest.
    :param collectors: sorted by when their results are deleted; none where the service has no collectors.
    :param unlanded: the windows that were bought and that no manifest contains.
    """

    exports: tuple[ExportRow, ...] = ()
    collectors: tuple[CollectorRow, ...] = ()
    unlanded: tuple[LandedSpan, ...] = ()


class Account:
    """One connection, which is read again for each poll, so that a new password takes effect.

    :param conn_id: its id.
    :param context: returns what else is known.
    """

    conn_type: ClassVar[str]
    # its name for people
    service: ClassVar[str] = ""
    # the names that manifests have for it
    systems: ClassVar[tuple[str, ...]] = ()
    # the fields of a task's result and of a manifest's source that identify an export, all together
    key_fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, conn_id: str, context: Callable[[], Context]) -> None:
        self.conn_id = conn_id
        self._context = context

    @classmethod
    def key(cls, facts: Mapping[str, Any]) -> str | None:
        """Return what identifies an export among those of all connections; ``None`` if it is not identified.

        :param facts: a task's result, or the source of a manifest.
        """
        values = [facts.get(name) for name in cls.key_fields]
        return "/".join(map(str, values)) if values and all(values) else None

    @classmethod
    def requests(cls, manifest: Manifest) -> int | None:
        """Return how many requests a landing took; ``None`` where they are not counted.

        :param manifest: of the landing.
        """
        return None


class ExportAccount(Account):
    """A connection to a service that lists its exports."""

    def __init__(self, conn_id: str, context: Callable[[], Context]) -> None:
        super().__init__(conn_id, context)
        self.rows = Poll(self._read_rows, settings.poll_seconds())

    def abort(self, export_id: str) -> str:
        """End an export and say what that means.

        :raises AlreadyEndedError: it has ended already.
        """
        raise NotImplementedError

    def _read_rows(self) -> Rows:
        raise NotImplementedError


class ChargedAccount(ExportAccount):
    """A connection to a service that charges each result, and keeps results in collectors."""

    credits: Poll[CreditsRow]

    def delete_collector(self, collector_id: str) -> None:
        """Delete a collector, whatever it holds."""
        raise NotImplementedError


class UsageAccount(Account):
    """A connection to a service that has no exports to list, and counts what is used of a contract."""

    usage: Poll[UsageRow]


class UnknownAccount(ExportAccount):
    """A connection that the settings name, of a type that the page cannot show."""

    conn_type = ""

    def abort(self, export_id: str) -> str:
        """Refuse to."""
        raise self._error()

    def _read_rows(self) -> Rows:
        raise self._error()

    def _error(self) -> ConnectionConfigError:
        conn_type = connection(self.conn_id).conn_type
        return ConnectionConfigError(
            f"The connection {self.conn_id!r} is of type {conn_type!r}, which has no exports. "
            "Remove it from the option connections of the section [twexport]."
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
    of_environment = (name.removeprefix(_ENV).lower() for name in os.environ if name.startswith(_ENV))
    # a connection of the environment takes precedence over one of the database
    found |= {conn_id: _type_of(conn_id) for conn_id in of_environment}
    return {conn_id: found[conn_id] for conn_id in sorted(found) if found[conn_id] in known}


def _type_of(conn_id: str) -> str:
    # whatever is wrong with a connection of somebody else is not for this page to report
    with suppress(Exception):
        return str(connection(conn_id).conn_type)
    return ""


def connection(conn_id: str) -> Any:
    """Return a connection.

    :raises ConnectionConfigError: there is none.
    """
    from airflow.models import Connection

    from airflow_provider_twexport.compat import AirflowNotFoundException

    try:
        return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        raise ConnectionConfigError(f"There is no Airflow connection {conn_id!r}. Create it.") from None
