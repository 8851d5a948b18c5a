"""Parquet parts: what is written, what drifts, and what other tools read back."""

from __future__ import annotations

import io
import json
import math
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.exceptions import CorruptPartError
from airflow_provider_twexport.storage.arrow_types import arrow_schema
from airflow_provider_twexport.storage.landing import Landing
from airflow_provider_twexport.storage.parquet import ParquetEncoder, decode
from airflow_provider_twexport.storage.part_options import ROW_GROUP_BYTES, PartOptions
from airflow_provider_twexport.talkwalker.schema import SCHEMA
from tests import captured

if TYPE_CHECKING:
    from collections.abc import Sequence

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ARROW_SCHEMA = arrow_schema(SCHEMA)
MS = 1_697_152_666_059
MOMENT = datetime.fromtimestamp(MS // 1000, UTC).replace(microsecond=59_000)
FULL = {
    "data": {
        "url": "https://a.example/1",
        "published": MS,
        "sentiment": -5,
        "reach": 2**60 + 1,
        "source_type": ["BLOG", None],
        "images": [{"url": "u", "width": 3}, {"legend": "né"}],
        "article_extended_attributes": {"likes": 3, "shares": None},
        "source_extended_attributes": {"ave": 1.5, "visits": 2},
        "extra_author_attributes": {"name": "A", "world_data": {"longitude": 6, "latitude": 49.61}},
        "matched": {"task_id": "t", "appearance": "NEW"},
        "matched_profile": ["p"],
        "customer_entities": [{"type": "x", "id": ["1", "2"]}],
        "never_seen": {"deep": [1]},
    },
    "highlighted_data": [
        {"title_snippet": "<b>", "matched": {"project_profiles": [{"id": "1"}, {"id": "2"}]}},
        {"matched": {"rule_id": 1}},
        {"matched": {"project_profiles": [{"id": "3", "title": "T"}]}},
    ],
}


def encoded(records: Sequence[bytes], **options: Any) -> tuple[bytes, dict[str, int]]:
    """Write records as a part; return its bytes and what did not fit."""
    encoder = ParquetEncoder(SCHEMA, level=3, **{"row_group_bytes": ROW_GROUP_BYTES, **options})
    data = b"".join([encoder.encode([record]) for record in records])
    return data + encoder.finish(), encoder.coercion_failures


def table(data: bytes) -> Any:
    """Read a part with pyarrow, checking that it is as declared."""
    read = pq.read_table(io.BytesIO(data))
    assert read.schema.equals(ARROW_SCHEMA)
    read.validate(full=True)
    return read


def rows(*records: bytes) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Write records, check that nothing is lost, and return the rows without ``raw``."""
    data, coercion_failures = encoded(records)
    read = table(data)
    assert [raw.encode() for raw in read["raw"].to_pylist()] == list(records)
    assert [record for batch in decode(io.BytesIO(data)) for record in batch] == list(records)
    return read.drop_columns(["raw"]).to_pylist(maps_as_pydicts="strict"), coercion_failures


def test_each_column_is_filled_from_its_place() -> None:
    """Renamed, nested and gathered values arrive, with exact integers."""
    (row,), coercion_failures = rows(json.dumps(FULL).encode())
    assert coercion_failures == {}
    assert row["published"] == MOMENT
    assert (row["sentiment"], row["reach"], row["source_type"]) == (-5, 2**60 + 1, ["BLOG", None])
    assert row["images"][1] == {"url": None, "legend": "né", "width": None, "height": None}
    assert row["article_metrics"] == {"likes": 3, "shares": None}
    assert row["source_metrics"] == {"ave": 1.5, "visits": 2.0}
    assert row["author"]["world_data"]["longitude"] == 6.0
    assert (row["task_id"], row["appearance"], row["matched_profile"]) == ("t", "NEW", ["p"])
    assert [topic["id"] for topic in row["topics"]] == ["1", "2", "3"]
    assert [one["title_snippet"] for one in row["highlights"]] == ["<b>", None, None]
    assert row["customer_entities"] == [{"type": "x", "id": ["1", "2"]}]
    assert row["docscore"] is None


# field, value as JSON, column, what the column then holds, whether it is counted
DRIFT = [
    ("source_type", '"BLOG"', "source_type", ["BLOG"], False),
    ("source_type", "{}", "source_type", None, True),
    ("source_type", '["a",{"b":1}]', "source_type", ["a", None], True),
    ("source_type", "null", "source_type", None, False),
    ("tags_customer", "[7]", "tags_customer", ["7"], False),
    (
        "images",
        '{"url":"u","width":"5"}',
        "images",
        [{"url": "u", "legend": None, "width": 5, "height": None}],
        False,
    ),
    ("images", '"u"', "images", None, True),
    ("reach", "5.0", "reach", 5, False),
    ("reach", '"5"', "reach", 5, False),
    ("reach", '"5x"', "reach", None, True),
    ("reach", '"5\\n"', "reach", None, True),
    ("reach", "5.5", "reach", None, True),
    ("reach", "true", "reach", None, True),
    ("reach", "[5]", "reach", None, True),
    ("reach", "{}", "reach", None, True),
    ("reach", "9223372036854775807", "reach", 2**63 - 1, False),
    ("reach", "9223372036854775808", "reach", None, True),
    ("reach", "1e300", "reach", None, True),
    ("reach", "1e999", "reach", None, True),
    ("reach", "9007199254740993.0", "reach", None, True),
    ("reach", "7" * 5000, "reach", None, True),
    ("external_id", "1842841513048371000123456789", "external_id", "1842841513048371000123456789", False),
    ("external_id", "9007199254740993", "external_id", "9007199254740993", False),
    ("external_id", "1.5", "external_id", None, True),
    ("external_id", "false", "external_id", None, True),
    ("title", '"\\ud800"', "title", None, True),
    ("title", '"a\\u0000\u2028"', "title", "a\0\u2028", False),
    ("title", '["a"]', "title", None, True),
    ("published", "0", "published", None, False),
    ("published", "-1", "published", None, False),
    ("published", "-1.0", "published", None, False),
    ("published", f'"{MS}"', "published", MOMENT, False),
    ("published", f"{MS}.0", "published", MOMENT, False),
    ("published", "1e18", "published", None, True),
    ("published", '"2023-10-17"', "published", None, True),
    (
        "article_extended_attributes",
        '{"a":5.0,"b":"6","c":"x"}',
        "article_metrics",
        {"a": 5, "b": 6, "c": None},
        True,
    ),
    ("article_extended_attributes", "[]", "article_metrics", None, True),
    ("article_extended_attributes", "{}", "article_metrics", {}, False),
    ("source_extended_attributes", '{"ave":"1.5"}', "source_metrics", {"ave": 1.5}, False),
    ("source_extended_attributes", '{"ave":1e999}', "source_metrics", {"ave": None}, True),
    ("source_extended_attributes", '{"\\ud800":1,"b":2}', "source_metrics", {"b": 2.0}, True),
    ("extra_source_attributes", '"s"', "source", None, True),
    ("matched", '"x"', "task_id", None, True),
    ("matched", '"x"', "appearance", None, True),
    ("never_seen", "[[1e999]]", "title", None, False),
]


@pytest.mark.parametrize(("field", "value", "column", "held", "counted"), DRIFT)
def test_drift(field: str, value: str, column: str, held: Any, counted: bool) -> None:
    """What fits without loss is turned; the rest is null and counted; the neighbours are whole and in order."""
    before, after = b'{"data":{"lang":"en"}}', b'{"data":{"lang":"de"}}'
    read, coercion_failures = rows(before, f'{{"data":{{"lang":"fr","{field}":{value}}}}}'.encode(), after)
    assert [row["lang"] for row in read] == ["en", "fr", "de"]
    assert read[1][column] == held
    assert coercion_failures.get(column, 0) == int(counted)
    assert set(coercion_failures) <= {column, "task_id", "appearance"}


@pytest.mark.parametrize(
    "record", [b"5", b"[]", b'"x"', b"[" * 3000 + b"]" * 3000, b'{"data":5}', b"{", b'{"data":NaN}']
)
def test_what_is_no_document_is_kept_and_counted(record: bytes) -> None:
    """No column holds anything, and each that would lie within is counted."""
    (row,), coercion_failures = rows(record)
    assert set(row.values()) == {None}
    assert coercion_failures["title"] == 1


def test_one_topic_without_its_lists() -> None:
    """Scalars where `highlighted_data` and `project_profiles` are lists are one-element lists."""
    (row,), coercion_failures = rows(
        b'{"data":{},"highlighted_data":{"matched":{"project_profiles":{"id":7}}}}'
    )
    assert row["topics"] == [{"id": "7", "title": None, "category": None, "type": None}]
    assert coercion_failures == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = sorted({column.path.split(".")[1] for column in SCHEMA.columns if column.path.startswith("data.")})
DOCUMENTS = JSON | st.fixed_dictionaries(
    {"data": st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6) | JSON},
    optional={"highlighted_data": JSON},
)


@pytest.mark.slow
@settings(max_examples=80)
@given(st.lists(DOCUMENTS, max_size=5), st.booleans())
def test_any_document_lands_and_comes_back(documents: list[Any], ascii_only: bool) -> None:
    """Nothing fails, changes a type or loses a byte."""
    rows(*[json.dumps(one, ensure_ascii=ascii_only).encode("utf-8", "replace") for one in documents])


def test_bytes_come_as_row_groups_end() -> None:
    """A part is never whole in memory, and its row groups end by size."""
    record = json.dumps(FULL).encode()
    encoder = ParquetEncoder(SCHEMA, level=3, row_group_bytes=200_000, frame_bytes=50_000)
    pieces = [encoder.encode([record] * 100) for _ in range(40)]
    assert sum(map(bool, pieces)) > 5
    part = pq.ParquetFile(io.BytesIO(b"".join(pieces) + encoder.finish()))
    assert part.metadata.num_rows == 4000
    assert part.num_row_groups > 10
    assert part.metadata.row_group(0).column(0).compression == "ZSTD"
    assert part.schema_arrow.metadata[b"schema_version"] == str(SCHEMA.version).encode()


def test_closing_lets_go_at_any_time() -> None:
    """A part that is given up leaves no thread behind; closing twice does no harm."""
    before = threading.active_count()
    encoder = ParquetEncoder(SCHEMA, level=3, row_group_bytes=ROW_GROUP_BYTES, frame_bytes=1)
    encoder.encode([b'{"data":{}}'] * 1000)
    assert encoder.pending_bytes > 0
    encoder.close()
    encoder.close()
    assert threading.active_count() == before


def test_a_part_without_records() -> None:
    """An empty part is a valid file."""
    data, _ = encoded([])
    assert table(data).num_rows == 0
    assert list(decode(io.BytesIO(data))) == []


@pytest.mark.parametrize("cut", [0, 3, 1000, -1])
def test_a_cut_part_is_damaged(cut: int) -> None:
    """Half a file is refused by name."""
    data, _ = encoded([json.dumps(FULL).encode()])
    with pytest.raises(CorruptPartError, match="is not complete Parquet"):
        list(decode(io.BytesIO(data[:cut])))


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """Write a part of good and drifting documents."""
    records = [
        json.dumps(FULL).encode(),
        b'{"data":{"source_type":"BLOG","published":-1,"reach":"x"}}',
        b"{}",
    ] * 100
    path = tmp_path / "part-00000.parquet"
    path.write_bytes(encoded(records)[0])
    return path


def test_duckdb_reads_it(part: Path) -> None:
    """DuckDB sees rows, maps, structs and lists as such."""
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.execute("set timezone='UTC'")
    connection.read_parquet(str(part)).create_view("part")
    types = dict(connection.execute("select column_name, column_type from (describe part)").fetchall())
    assert types["published"] == "TIMESTAMP WITH TIME ZONE"
    assert types["article_metrics"] == "MAP(VARCHAR, BIGINT)"
    assert types["source_metrics"] == "MAP(VARCHAR, DOUBLE)"
    assert types["topics"] == 'STRUCT(id VARCHAR, title VARCHAR, category VARCHAR, "type" VARCHAR)[]'
    assert types["raw"] == "VARCHAR"
    found = connection.execute(
        "select count(*), sum(article_metrics['likes']), max(epoch_ms(published)), min(topics[3].id),"
        " count(*) filter (source_type = ['BLOG']), sum(length(raw)) from part"
    ).fetchone()
    raw = pq.read_table(part)["raw"].to_pylist()
    assert found == (300, 300, MS, "3", 100, sum(map(len, raw)))


def test_polars_reads_it(part: Path) -> None:
    """Polars sees rows, types and maps as such."""
    polars = pytest.importorskip("polars")
    frame = polars.read_parquet(part)
    assert frame.height == 300
    assert frame.schema["published"] == polars.Datetime("ms", "UTC")
    assert frame.schema["reach"] == polars.Int64
    assert frame["raw"].to_list() == pq.read_table(part)["raw"].to_pylist()
    metrics = frame["article_metrics"].to_list()[0]
    # Polars 2 has a map type; before, a map is a list of structs
    pairs = metrics if isinstance(metrics, dict) else {one["key"]: one["value"] for one in metrics}
    assert pairs == {"likes": 3, "shares": None}
    assert frame["source_type"].to_list()[:2] == [["BLOG", None], ["BLOG"]]


def test_pandas_reads_it(part: Path) -> None:
    """Pandas sees UTC times, and maps as pairs."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(part)
    assert len(frame) == 300
    assert str(frame["published"].dtype) == "datetime64[ms, UTC]"
    assert frame["published"][0].to_pydatetime() == MOMENT
    assert frame["published"][1] is pandas.NaT
    assert frame["article_metrics"][0] == [("likes", 3), ("shares", None)]
    assert list(frame["raw"]) == pq.read_table(part)["raw"].to_pylist()


RENAMED = {
    "spam_level": "DEPRECATED_spam_level",
    "article_metrics": "article_extended_attributes",
    "source_metrics": "source_extended_attributes",
    "author": "extra_author_attributes",
    "source": "extra_source_attributes",
    "article": "extra_article_attributes",
}


def test_a_lake_with_an_empty_window_can_be_read(tmp_path: Path) -> None:
    """A window without results has a part with the columns; every reader takes both windows as one table."""
    duckdb, polars, pandas = (pytest.importorskip(name) for name in ("duckdb", "polars", "pandas"))
    for month, records in (("01", []), ("02", [json.dumps(FULL).encode()])):
        directory = tmp_path / f"month={month}"
        source = {"owner": month, "window": None}
        parts = PartOptions("parquet")
        with Landing.open(directory, source=source, parts=parts, schema=SCHEMA) as landing:
            landing.write(Batch(records, "end"))
            landing.commit()
    for pattern, count in (("month=01", 0), ("*", 1)):
        files = f"{tmp_path}/{pattern}/*.parquet"
        assert len(duckdb.read_parquet(files).fetchall()) == count
        assert polars.scan_parquet(files).select("url").collect().height == count
    assert list(pandas.read_parquet(tmp_path / "month=01").columns[:1]) == ARROW_SCHEMA.names[:1]


def without_nulls(value: Any) -> Any:
    """Leave out what a document would not hold."""
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


@captured.is_needed
def test_the_real_capture_has_every_value_in_its_column() -> None:
    """Put together again from the columns, each of the 334 documents is what it was."""
    documents = captured.results(captured.text())
    read, coercion_failures = rows(*[json.dumps(one, ensure_ascii=False).encode() for one in documents])
    assert coercion_failures == {}
    assert len(read) == 334
    for row, document in zip(read, documents, strict=True):
        again = {
            RENAMED.get(name, name): without_nulls(value) for name, value in row.items() if value is not None
        }
        for name in ("published", "indexed", "search_indexed"):
            again[name] = math.floor(again[name].timestamp()) * 1000 + again[name].microsecond // 1000
        again["matched"] = {"task_id": again.pop("task_id")}
        assert {"data": again} == document


def test_the_docs_have_each_column() -> None:
    """The table is the schema's own, with a line for each column of the file."""
    lines = SCHEMA.markdown().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == ARROW_SCHEMA.names
    assert SCHEMA.markdown() in (Path(__file__).parents[2] / "docs/parquet_columns.md").read_text(
        encoding="utf-8"
    )
