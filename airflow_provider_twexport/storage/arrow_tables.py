"""Builds Arrow tables from frames of records, with Arrow's own JSON reader if all records match the schema.

That reader releases the GIL, and refuses a frame in which one document does not match; then that document is coerced.
It does not support maps: ``msgspec`` reads these, and also checks that each record is one complete JSON document.
"""

from __future__ import annotations

import operator
from array import array
from collections import Counter
from itertools import accumulate, chain, compress
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.storage.arrow_types import (
    TIMESTAMP_MS,
    arrow_schema,
    arrow_type,
    date_format,
    document_type,
    is_map,
    only_maps,
    strict_type,
)
from airflow_provider_twexport.storage.coercion import Coercer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_twexport.core.schema import Column, Schema

NO_DATE = (0, -1)

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _MismatchError(ValueError):
    """A document of a frame does not match the schema."""


class ArrowTableBuilder:
    """Builds tables of a schema.

    :param schema: the columns.
    """

    def __init__(self, schema: Schema) -> None:
        import pyarrow as pa
        import pyarrow.compute
        import pyarrow.json

        of = document_type(schema)
        maps = only_maps(of)
        self._columns = schema.columns
        self._schema = arrow_schema(schema)
        self._read_schema = pa.schema(list(_read_type(of)))
        self._strict = msgspec.json.Decoder(strict_type(of))
        self._maps = msgspec.json.Decoder(msgspec.Raw if maps is None else strict_type(maps))
        self._coercer = Coercer(schema)

    def table(self, records: Sequence[bytes]) -> tuple[Any, Counter[str]]:
        """Return the table of some records, and for each column how many values could not be coerced."""
        import pyarrow as pa

        joined = b"".join(records)
        for lines, coercion_failures in self._attempts(records):
            try:
                columns = self._columns_of(lines, joined if lines is records else b"".join(lines))
            except _MismatchError:
                continue
            raw = _strings(records, joined)
            return pa.Table.from_arrays([*columns, raw], schema=self._schema), coercion_failures
        msg = "a coerced document does not match the schema"
        raise AssertionError(msg)

    def _attempts(self, records: Sequence[bytes]) -> Iterator[tuple[Sequence[bytes], Counter[str]]]:
        """Yield the records unchanged, then with those coerced that do not match, then with all coerced."""
        yield records, Counter()
        yield self._coerced(records, [not self._matches(record) for record in records])
        yield self._coerced(records, [True] * len(records))

    def _matches(self, record: bytes) -> bool:
        try:
            self._strict.decode(record)
        except _UNREADABLE:
            return False
        return True

    def _coerced(self, records: Sequence[bytes], which: Sequence[bool]) -> tuple[list[bytes], Counter[str]]:
        lines, coercion_failures = list(records), Counter[str]()
        for at in compress(range(len(records)), which):
            lines[at], columns = self._coercer.coerce(records[at])
            coercion_failures.update(columns)
        return lines, coercion_failures

    def _columns_of(self, documents: Sequence[bytes], frame: bytes) -> list[Any]:
        # a null crashes Arrow's reader, and the process with it
        if not all(one.startswith(b"{") for one in documents):
            raise _MismatchError
        try:
            with_maps = list(map(self._maps.decode, documents))
        except _UNREADABLE as error:
            raise _MismatchError from error
        found = ColumnExtractor(self._read(frame))
        if len(documents) != len(found.documents):
            raise _MismatchError
        return [
            _map_array(_reached(with_maps, column.places[0]), column.type)
            if is_map(column.type)
            else _column_array(found, column)
            for column in self._columns
        ]

    def _read(self, frame: bytes) -> Any:
        import pyarrow as pa
        from pyarrow import json

        try:
            table = json.read_json(
                pa.BufferReader(frame),
                read_options=json.ReadOptions(use_threads=False, block_size=len(frame) + 1),
                parse_options=json.ParseOptions(
                    explicit_schema=self._read_schema, unexpected_field_behavior="ignore"
                ),
            )
        except pa.ArrowInvalid as error:
            raise _MismatchError from error
        return table.to_struct_array().chunk(0)


def _read_type(of: Any) -> Any:
    """Return the types for Arrow's reader: without maps, and with timestamps as numbers or texts."""
    import pyarrow as pa

    if isinstance(of, list):
        return pa.list_(_read_type(of[0]))
    if isinstance(of, dict):
        return pa.struct([(name, _read_type(inner)) for name, inner in of.items() if not is_map(inner)])
    if date_format(of):
        return pa.string()
    return pa.int64() if of == "timestamp" else arrow_type(of)


class ColumnExtractor:
    """Extracts the values at a path, one for each document; a struct is flattened once for all its fields.

    :param documents: an array of structs.
    """

    def __init__(self, documents: Any) -> None:
        self.documents = documents
        self._flattened: dict[str, dict[str, Any]] = {}

    def at(self, steps: Sequence[str]) -> Any:
        """Return the values at a path; nested lists on the path become one list."""
        *outer, last = steps
        listed = next((at for at, step in enumerate(outer) if step.endswith("[]")), None)
        if listed is not None:
            lists = self.at([*steps[:listed], steps[listed].removesuffix("[]")])
            return _flat(lists, ColumnExtractor(lists.values).at(steps[listed + 1 :]))
        path = ".".join(outer)
        if path not in self._flattened:
            struct = self.at(outer) if outer else self.documents
            self._flattened[path] = dict(zip(struct.type.names, struct.flatten(), strict=True))
        return self._flattened[path][last.removesuffix("[]")]


def _column_array(found: ColumnExtractor, column: Column) -> Any:
    """Return the values of a column: for each document, those at the first place where there are any."""
    import pyarrow.compute as pc

    arrays = [_place_array(found, steps, column.type) for steps in column.places]
    return pc.coalesce(*arrays) if len(arrays) > 1 else arrays[0]


def _place_array(found: ColumnExtractor, steps: Sequence[str], of: Any) -> Any:
    import pyarrow as pa

    values = found.at(steps)
    if not isinstance(of, tuple):
        return _conformed(values, of)
    parts = ColumnExtractor(values)
    fields = [_column_array(parts, column) for column in of]
    return pa.StructArray.from_arrays(fields, names=[column.name for column in of], mask=values.is_null())


def _flat(lists: Any, inner: Any) -> Any:
    """Return the lists with the values found in their elements; inner lists are concatenated."""
    import pyarrow as pa

    offsets = lists.offsets
    if pa.types.is_list(inner.type):
        offsets, inner = inner.offsets.take(offsets), inner.values
    return pa.ListArray.from_arrays(offsets, inner, mask=lists.is_null())


def _conformed(found: Any, of: Any) -> Any:
    """Return an array as its declared type, without the fields of other columns.

    :raises _MismatchError: a number does not fit its type.
    """
    import pyarrow as pa

    if isinstance(of, list):
        held = found.values
        values = _conformed(held, of[0])
        if values is held:
            return found
        return pa.ListArray.from_arrays(found.offsets, values, mask=found.is_null())
    if isinstance(of, dict):
        children = [found.field(name) for name in of]
        fields = [_conformed(child, inner) for child, inner in zip(children, of.values(), strict=True)]
        if found.type.names == list(of) and all(map(operator.is_, fields, children)):
            return found
        return pa.StructArray.from_arrays(fields, names=list(of), mask=found.is_null())
    if of == "double":
        _check_finite(found)
    if text_format := date_format(of):
        return _dates(found, text_format)
    return _timestamps(found) if of == "timestamp" else found


def _check_finite(found: Any) -> None:
    import pyarrow.compute as pc

    if not pc.all(pc.is_finite(found), min_count=0).as_py():
        raise _MismatchError


def _dates(found: Any, text_format: str) -> Any:
    import pyarrow.compute as pc

    dates = pc.strptime(found, format=text_format, unit="ms", error_is_null=True)
    if dates.null_count != found.null_count:
        raise _MismatchError
    return dates.cast(arrow_type("timestamp"))


def _timestamps(found: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    span = pc.min_max(found).as_py()
    if span["min"] is not None and not TIMESTAMP_MS[0] <= span["min"] <= span["max"] <= TIMESTAMP_MS[1]:
        raise _MismatchError
    is_date = pc.invert(pc.is_in(found, _numbers(NO_DATE, pa.int64())))
    return pc.if_else(is_date, found, pa.nulls(1, found.type)[0]).cast(arrow_type("timestamp"))


def _reached(documents: Sequence[Any], steps: Sequence[str]) -> list[dict[str, Any] | None]:
    for step in steps:
        documents = [None if one is None else getattr(one, step) for one in documents]
    return list(documents)


def _map_array(maps: Sequence[dict[str, Any] | None], of: str) -> Any:
    import pyarrow as pa

    kind = arrow_type(of)
    if maps.count(None) == len(maps):
        return pa.nulls(len(maps), kind)
    held = [one or {} for one in maps]
    keys = [key.encode() for key in chain.from_iterable(held)]
    values = _numbers(list(chain.from_iterable(map(dict.values, held))), kind.item_type)
    ends = _numbers(list(accumulate(map(len, held), initial=0)), pa.int32())
    return pa.MapArray.from_arrays(
        ends, _strings(keys, b"".join(keys)), values, type=kind, mask=_bools([one is None for one in maps])
    )


# Arrays are built from buffers: pa.array is slower, and imports pandas if it is installed.


def _strings(texts: Sequence[bytes], joined: bytes) -> Any:
    """Return an array of texts, checked to be UTF-8.

    :param joined: the same texts, concatenated.
    """
    import pyarrow as pa

    ends = array("i", accumulate(map(len, texts), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(joined)]
    return pa.Array.from_buffers(pa.binary(), len(texts), buffers).cast(pa.string())


def _numbers(values: Sequence[float | None], kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    codes = {pa.int32(): "i", pa.int64(): "q", pa.float64(): "d"}
    held = array(codes[kind], [0 if one is None else one for one in values])
    numbers = pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(held)])
    return (
        pc.if_else(_bools([one is not None for one in values]), numbers, None) if None in values else numbers
    )


def _bools(values: Sequence[bool]) -> Any:
    import pyarrow as pa

    return pa.Array.from_buffers(pa.uint8(), len(values), [None, pa.py_buffer(bytes(values))]).cast(
        pa.bool_()
    )
