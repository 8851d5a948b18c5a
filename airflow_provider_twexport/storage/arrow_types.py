"""The types of a schema for Arrow, ``msgspec`` and Parquet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_twexport.core.schema import Column, Schema

RAW = "raw"
INT64 = (-(2**63), 2**63 - 1)
# The years 1 to 9999: what the timestamps of all readers support.
TIMESTAMP_MS = (-62_135_596_800_000, 253_402_300_799_999)

# Texts and URLs rarely repeat, so a dictionary does not help.
_UNIQUE = re.compile(r"(^|\.)(content|title|text|\w*snippet|\w*url|external_\w*id)$")


def arrow_schema(schema: Schema) -> Any:
    """Return the Arrow schema of a schema's files."""
    import pyarrow as pa

    metadata = {"schema": schema.name, "schema_version": str(schema.version)}
    fields = [(column.name, arrow_type(column.type)) for column in schema.columns]
    return pa.schema([*fields, (RAW, pa.string())], metadata=metadata)


def arrow_type(of: Any) -> Any:
    """Return the Arrow type of a declared type."""
    import pyarrow as pa

    if isinstance(of, tuple):
        return pa.struct([(column.name, arrow_type(column.type)) for column in of])
    if isinstance(of, list):
        return pa.list_(arrow_type(of[0]))
    if isinstance(of, dict):
        return pa.struct([(name, arrow_type(inner)) for name, inner in of.items()])
    if is_map(of):
        return pa.map_(pa.string(), arrow_type(map_value(of)))
    if date_format(of):
        return arrow_type("timestamp")
    return {
        "string": pa.string(),
        "int64": pa.int64(),
        "double": pa.float64(),
        "timestamp": pa.timestamp("ms", "UTC"),
    }[of]


def document_type(schema: Schema) -> Any:
    """Return the type of a whole document: all columns at their paths."""
    return _document_type(schema.columns)


def _document_type(columns: Sequence[Column]) -> Any:
    places = [(steps, column.type_at(steps)) for column in columns for steps in column.places]
    return _merged(
        [_nested(steps, _document_type(of) if isinstance(of, tuple) else of) for steps, of in places]
    )


def strict_type(of: Any) -> Any:
    """Return the type with which ``msgspec`` accepts only what matches exactly."""
    if isinstance(of, list):
        return list[strict_type(of[0]) | None]  # type: ignore[misc]
    if isinstance(of, dict):
        fields = [(name, strict_type(inner) | None, None) for name, inner in of.items()]
        return msgspec.defstruct("Document", fields, gc=False)
    if is_map(of):
        return dict[str, strict_type(map_value(of)) | None]  # type: ignore[misc]
    if date_format(of):
        return str
    least, most = TIMESTAMP_MS if of == "timestamp" else INT64
    whole = Annotated[int, msgspec.Meta(ge=least, le=most)]
    return {"string": str, "double": float}.get(of, whole)


def only_maps(of: Any) -> Any:
    """Return a document type reduced to its maps; ``None`` if it has none."""
    if is_map(of):
        return of
    inner = {name: only_maps(one) for name, one in of.items()} if isinstance(of, dict) else {}
    return {name: one for name, one in inner.items() if one is not None} or None


def is_map(of: Any) -> bool:
    """Return whether a declared type is a map."""
    return isinstance(of, str) and of.startswith("map<")


def map_value(of: str) -> str:
    """Return the declared type of a map's values."""
    return of.removeprefix("map<").removesuffix(">")


def date_format(of: Any) -> str | None:
    """Return the format of a timestamp that is parsed from a text; ``None`` for any other type."""
    is_text = isinstance(of, str) and of.startswith("timestamp<")
    return of.removeprefix("timestamp<").removesuffix(">") if is_text else None


def leaves(schema: Schema) -> list[str]:
    """Return Parquet's names of the leaves of all columns."""
    return [leaf for column in schema.columns for leaf in _leaves(column.name, column.type)]


def repetitive(schema: Schema) -> list[str]:
    """Return the leaves whose values repeat."""
    return [leaf for leaf in leaves(schema) if not _UNIQUE.search(leaf)]


def _nested(steps: Sequence[str], of: Any) -> Any:
    *outer, last = steps
    of = {last.removesuffix("[]"): of}
    for step in reversed(outer):
        of = {step.removesuffix("[]"): [of] if step.endswith("[]") else of}
    return of


def _merged(types: Sequence[Any]) -> Any:
    if isinstance(types[0], list):
        return [_merged([one[0] for one in types])]
    if isinstance(types[0], dict):
        names = dict.fromkeys(name for one in types for name in one)
        return {name: _merged([one[name] for one in types if name in one]) for name in names}
    return types[0]


def _leaves(path: str, of: Any) -> list[str]:
    if isinstance(of, list):
        return _leaves(f"{path}.list.element", of[0])
    if isinstance(of, tuple):
        return [leaf for column in of for leaf in _leaves(f"{path}.{column.name}", column.type)]
    if isinstance(of, dict):
        return [leaf for name, inner in of.items() for leaf in _leaves(f"{path}.{name}", inner)]
    return [f"{path}.key_value.key", f"{path}.key_value.value"] if is_map(of) else [path]
