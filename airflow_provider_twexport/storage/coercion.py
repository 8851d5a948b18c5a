"""One document that is not as declared, fitted value by value.

What can be turned without loss is; the rest becomes null, and its columns are named.
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

    from airflow_provider_twexport.core.schema import Schema

# Beyond this a double is not exact.
EXACT = 2**53
MOST_DIGITS = 4000

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Coercer:
    """Fits documents to a schema.

    :param schema: what they should be.
    """

    def __init__(self, schema: Schema) -> None:
        self._type = document_type(schema)
        self._columns = _columns_by_path(schema)

    def fit(self, record: bytes) -> tuple[bytes, set[str]]:
        """Return a document that is as declared, and the columns in which a value of the record is missing."""
        misses: set[str] = set()
        try:
            document = json.loads(record, parse_int=_integer)
        except (ValueError, RecursionError):
            document = record
        fitted = _fit(document, self._type, "", misses) or {}
        return msgspec.json.encode(fitted), {column for path in misses for column in self._columns[path]}


def _columns_by_path(schema: Schema) -> dict[str, set[str]]:
    """Return the columns that draw on each place in a document."""
    found: dict[str, set[str]] = {}
    for column in schema.columns:
        for leaf in _leaves(column.path.replace("[]", ""), column.type):
            steps = leaf.split(".")
            for depth in range(len(steps) + 1):
                found.setdefault(".".join(steps[:depth]), set()).add(column.name)
    return found


def _leaves(path: str, of: Any) -> list[str]:
    if isinstance(of, list):
        return _leaves(path, of[0])
    if isinstance(of, dict):
        return [leaf for name, inner in of.items() for leaf in _leaves(f"{path}.{name}", inner)]
    return [path]


def _fit(value: Any, of: Any, path: str, misses: set[str]) -> Any:
    """Return the value as its declared type; where it is none, ``None``, and its path is a miss."""
    if value is None:
        return None
    if isinstance(of, list):
        if isinstance(value, list):
            return [_fit(one, of[0], path, misses) for one in value]
        only = _fit(value, of[0], path, misses)
        return None if only is None else [only]
    if isinstance(value, dict) and isinstance(of, dict):
        return {
            name: _fit(value[name], inner, f"{path}.{name}".lstrip("."), misses)
            for name, inner in of.items()
            if name in value
        }
    if isinstance(value, dict) and is_map(of):
        if any(map(_SURROGATE.search, value)):
            misses.add(path)
        return {
            name: _fit(one, map_value(of), path, misses)
            for name, one in value.items()
            if not _SURROGATE.search(name)
        }
    try:
        text_format = date_format(of)
        return _fit_date(value, text_format) if text_format else _SCALARS[of](value)
    except (TypeError, KeyError, ValueError, OverflowError):
        misses.add(path)
        return None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else math.inf


def _fit_string(value: Any) -> str:
    if isinstance(value, str) and not _SURROGATE.search(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError


def _fit_int64(value: Any, least: int = INT64[0], most: int = INT64[1]) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise ValueError


def _fit_timestamp(value: Any) -> int:
    return _fit_int64(value, *TIMESTAMP_MS)


def _fit_date(value: Any, text_format: str) -> str:
    date = datetime.strptime(value, text_format).replace(tzinfo=UTC)
    if date.year < 1000:  # would be written without its zeros
        raise ValueError
    return date.strftime(text_format)


def _fit_double(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (is_number or (isinstance(value, str) and _NUMBER.fullmatch(value))) and math.isfinite(float(value)):
        return float(value)
    raise ValueError


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "string": _fit_string,
    "int64": _fit_int64,
    "double": _fit_double,
    "timestamp": _fit_timestamp,
}
