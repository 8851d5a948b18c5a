"""The ends of a Parquet file: whether it is whole, and how many rows it has."""

from __future__ import annotations

import io

import pyarrow
import pytest
from pyarrow import parquet

from airflow_provider_twexport.storage.file_ends import FileEnds

BLOCKS = (1, 3, 7, 1_000, 10**9)


def parquet_file(rows: int, columns: int = 3) -> bytes:
    """Return a Parquet file with nested columns."""
    record = {f"c{n}": {"list": [n], "map": [("k", None)], "text": "é" * n} for n in range(columns)}
    inner = pyarrow.struct(
        {
            "list": pyarrow.list_(pyarrow.int64()),
            "map": pyarrow.map_(pyarrow.string(), pyarrow.timestamp("ms", tz="UTC")),
            "text": pyarrow.string(),
        }
    )
    schema = pyarrow.schema(dict.fromkeys(record, inner))
    written = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist([record] * rows, schema), written, row_group_size=5)
    return written.getvalue()


def ends_of(content: bytes, block: int) -> FileEnds:
    """Return the ends of a file that comes in blocks."""
    ends = FileEnds(is_parquet=True)
    for start in range(0, len(content), block):
        ends.add(content[start : start + block])
    return ends


@pytest.mark.parametrize("rows", [0, 1, 37, 300])
@pytest.mark.parametrize("block", BLOCKS)
def test_the_rows_are_those_of_the_footer(rows: int, block: int) -> None:
    """As many as were written, whatever the blocks are."""
    ends = ends_of(parquet_file(rows, columns=1 + rows % 20), block)
    assert (ends.problem, ends.rows) == (None, rows)


@pytest.mark.parametrize("block", BLOCKS)
def test_what_is_not_whole_parquet_is_a_problem(block: int) -> None:
    """A page, a file without its end, and a file without its start."""
    whole = parquet_file(10)
    for content in (b"<html>502</html>", b"x", whole[:-1], whole[1:], b"PAR1" + bytes(100)):
        ends = ends_of(content, block)
        assert ends.problem == "does not begin and end as Parquet does"
        assert ends.rows is None or ends.rows == 10


@pytest.mark.parametrize(
    "content", [b"", b"PAR1PAR1", b"PAR1\xff\xff\xff\x7fPAR1", b"PAR1" + bytes(40) + b"\x10\0\0\0PAR1"]
)
def test_a_footer_that_cannot_be_read_counts_nothing(content: bytes) -> None:
    """The file may be whole, but its rows are unknown."""
    ends = ends_of(content, 5)
    assert (ends.problem, ends.rows) == (None, None)


def test_other_files_are_not_looked_at() -> None:
    """Only what is named Parquet must be Parquet."""
    ends = FileEnds(is_parquet=False)
    ends.add(b"a,b\n")
    assert (ends.problem, ends.rows) == (None, None)
