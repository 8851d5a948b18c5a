"""Where a connection points to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Connection


def address_of(connection: Connection, default_host: str) -> str:
    """Return the address that a connection's host, schema and port stand for.

    :param default_host: the service's own, for a connection without a host.
    """
    host = connection.host or default_host
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    return f"{host.rstrip('/')}:{connection.port}" if connection.port else host
