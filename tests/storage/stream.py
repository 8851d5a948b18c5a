"""A made-up service that delivers at least once, and what landing it should come to."""

from __future__ import annotations

import random
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.core.schema import Column, Schema
from airflow_provider_twexport.storage import formats, manifest
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.landing import Landing
from airflow_provider_twexport.storage.part_options import PartOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SOURCE = {"system": "made-up", "owner": "twx-one", "export_id": "export-1"}
SCHEMA = Schema("made-up", 1, (Column("id", "int64", "id"), Column("text", "string", "text")))
PARTS = tuple(it.name for it in fields(PartOptions))


def open_landing(directory: Any, *, source: Any = SOURCE, schema: Schema = SCHEMA, **options: Any) -> Landing:
    """Open a landing; options are those of ``Landing.open`` and, flat, those of ``PartOptions``."""
    parts = PartOptions(**{name: options.pop(name) for name in PARTS if name in options})
    return Landing.open(directory, source=source, schema=schema, parts=parts, **options)


def stream(batches: int, per_batch: int = 5) -> list[Batch]:
    """Return batches that each begin with the last record of the one before, and now and then have no cursor."""
    first = [range(number * per_batch - bool(number), (number + 1) * per_batch) for number in range(batches)]
    return [
        Batch([record(number) for number in numbers], None if at % 4 == 2 else str(at + 1), foreign=1)
        for at, numbers in enumerate(first)
    ]


def large_stream(batches: int) -> list[Batch]:
    """Return batches of 1 MiB, so that a part takes several blocks of an upload."""
    chance = random.Random("large")
    return [Batch([chance.randbytes(2**19).hex().encode()], str(at + 1)) for at in range(batches)]


def record(number: int) -> bytes:
    """Return one document, awkward where documents are: wide numbers, a line separator in the text."""
    return f'{{"id":{2**53 + number},"text":"café \u2028 {number}"}}'.encode()


def read_from(batches: Sequence[Batch], cursor: str | None) -> Iterator[Batch]:
    """Yield what the service has after a cursor; cursors are positions."""
    yield from batches[int(cursor or 0) :]


def land(directory: Any, batches: Sequence[Batch], **options: Any) -> manifest.Manifest:
    """Land a stream from wherever an earlier try came to."""
    with open_landing(directory, **options) as landing:
        if landing.committed:
            return landing.committed
        for batch in read_from(batches, landing.cursor):
            landing.write(batch)
        return landing.commit(exported=landing.results)


def landed_records(directory: Any) -> list[bytes]:
    """Return the records of all parts that the manifest lists, in order."""
    place, landed = Directory(directory), manifest.read(directory)
    decode = formats.by_name(landed.file_format).decode
    lines: list[bytes] = []
    for part in landed.parts:
        with place.open(part.name) as file:
            lines += [line for lines_read in decode(file) for line in lines_read]
    return lines


def each_once(batches: Sequence[Batch]) -> list[bytes]:
    """Return the records of a stream, each once, in the order of their first delivery."""
    return list(dict.fromkeys(line for batch in batches for line in batch.records))


def assert_landed_exactly_once(directory: Any, batches: Sequence[Batch]) -> None:
    """Check the records, the counts, the parts, and that nothing else lies around."""
    landed = manifest.read(directory)
    expected = each_once(batches)
    assert landed.complete
    assert landed_records(directory) == expected
    assert landed.results == sum(part.results for part in landed.parts) == len(expected)
    assert landed.bytes == sum(part.bytes for part in landed.parts)
    assert landed.duplicates_dropped == sum(len(batch.records) for batch in batches) - len(expected)
    assert landed.foreign_dropped == sum(batch.foreign for batch in batches)
    assert manifest.verify(directory) == []
    assert Directory(directory).names() == sorted(["_manifest.json", *(part.name for part in landed.parts)])
