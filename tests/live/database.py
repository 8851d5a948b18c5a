"""Airflow's database, read as somebody who stole it would."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import psycopg2
from psycopg2 import sql

if TYPE_CHECKING:
    from typing import Any

    from demo.stack import AirflowStack


def trigger_arguments(stack: AirflowStack) -> list[str]:
    """Return the arguments of every trigger; Airflow 3.3 keeps them in clear text."""
    return [kept for (kept,) in _rows(stack, "SELECT kwargs FROM trigger")]


def tables_with(stack: AirflowStack, text: str) -> dict[str, list[str]]:
    """Return the rows that hold a text in any column, by table."""
    tables = _rows(stack, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    found = {name: _rows_with(stack, name, text) for (name,) in tables}
    return {name: rows for name, rows in found.items() if rows}


def _rows_with(stack: AirflowStack, table: str, text: str) -> list[str]:
    # a row as text shows bytes in hexadecimal
    query = sql.SQL("SELECT t::text FROM {} t WHERE t::text LIKE ANY (%s)").format(sql.Identifier(table))
    return [row for (row,) in _rows(stack, query, ([f"%{text}%", f"%{text.encode().hex()}%"],))]


def _rows(stack: AirflowStack, query: Any, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    address = _settings(stack)["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return cursor.fetchall()


def _settings(stack: AirflowStack) -> dict[str, str]:
    return psutil.Process(stack.pids["scheduler"]).environ()
