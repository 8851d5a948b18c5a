"""The address that a connection leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Connection


def address_of(connection: Connection, default: str) -> str:
    """Return the base URL of a connection, whose host may be a name or a whole address.

    :param default: the service's own address, for a connection without host.
    """
    host = connection.host or default
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    # named or not, the usual port is the same address
    is_usual = connection.port == 443 and host.startswith("https:")
    return f"{host.rstrip('/')}:{connection.port}" if connection.port and not is_usual else host
