"""Coerces a document that does not match its schema, value by value.

A value that converts without loss is converted; any other becomes null, and its column is reported.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.storage.arrow_types import (
    INT64,
    TIMESTAMP_MS,
    date_format,
    document_type,
    is_map,
    map_value,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_twexport.core.schema import Column, Schema

# Beyond this a double is not exact.
EXACT = 2**53
MOST_DIGITS = 4000

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Coercer:
    """Coerces documents to a schema.

    :param schema: the columns.
    """

    def __init__(self, schema: Schema) -> None:
        self._type = document_type(schema)
        self._columns = _columns_by_path(schema)

    def coerce(self, record: bytes) -> tuple[bytes, set[str]]:
        """Return a document that matches the schema, and the columns that lack a value of the record."""
        failures: set[str] = set()
        try:
            document = json.loads(record, parse_int=_integer)
        except (ValueError, RecursionError):
            document = record
        coerced = _coerce(document, self._type, "", failures) or {}
        return msgspec.json.encode(coerced), {column for path in failures for column in self._columns[path]}


def _columns_by_path(schema: Schema) -> dict[str, set[str]]:
    """Return the columns that read each path of a document."""
    found: dict[str, set[str]] = {}
    for column in schema.columns:
        for leaf in _column_leaves(column):
            steps = leaf.split(".")
            for depth in range(len(steps) + 1):
                found.setdefault(".".join(steps[:depth]), set()).add(column.name)
    return found


def _column_leaves(column: Column) -> list[str]:
    """Return the paths of all values that a column reads."""
    return [
        leaf for steps in column.places for leaf in _leaves(".".join(steps).replace("[]", ""), column.type)
    ]


def _leaves(path: str, of: Any) -> list[str]:
    if isinstance(of, tuple):
        return [f"{path}.{leaf}" for column in of for leaf in _column_leaves(column)]
    if isinstance(of, list):
        return _leaves(path, of[0])
    if isinstance(of, dict):
        return [leaf for name, inner in of.items() for leaf in _leaves(f"{path}.{name}", inner)]
    return [path]


def _coerce(value: Any, of: Any, path: str, failures: set[str]) -> Any:
    """Return the value as its declared type; ``None`` if it has another one, and then its path is a failure."""
    if value is None:
        return None
    if isinstance(of, list):
        if isinstance(value, list):
            return [_coerce(one, of[0], path, failures) for one in value]
        only = _coerce(value, of[0], path, failures)
        return None if only is None else [only]
    if isinstance(value, dict) and isinstance(of, dict):
        return {
            name: _coerce(value[name], inner, f"{path}.{name}".lstrip("."), failures)
            for name, inner in of.items()
            if name in value
        }
    if isinstance(value, dict) and is_map(of):
        if any(map(_SURROGATE.search, value)):
            failures.add(path)
        return {
            name: _coerce(one, map_value(of), path, failures)
            for name, one in value.items()
            if not _SURROGATE.search(name)
        }
    try:
        text_format = date_format(of)
        return _coerce_date(value, text_format) if text_format else _SCALARS[of](value)
    except (TypeError, KeyError, ValueError, OverflowError):
        failures.add(path)
        return None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else math.inf


def _coerce_string(value: Any) -> str:
    if isinstance(value, str) and not _SURROGATE.search(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError


def _coerce_int64(value: Any, least: int = INT64[0], most: int = INT64[1]) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise ValueError


def _coerce_timestamp(value: Any) -> int:
    return _coerce_int64(value, *TIMESTAMP_MS)


def _coerce_date(value: Any, text_format: str) -> str:
    date = datetime.strptime(value, text_format).replace(tzinfo=UTC)
    if date.year < 1000:  # strftime omits the leading zeros of the year
        raise ValueError
    return date.strftime(text_format)


def _coerce_double(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (is_number or (isinstance(value, str) and _NUMBER.fullmatch(value))) and math.isfinite(float(value)):
        return float(value)
    raise ValueError


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "string": _coerce_string,
    "int64": _coerce_int64,
    "double": _coerce_double,
    "timestamp": _coerce_timestamp,
}
