"""What reads a lake of Parquet landings: DuckDB, Polars, pandas, pyarrow and Spark, as docs/lake.md shows them.

The lake has partitions, payloads that drift, a window without results, a landing of an older version that has a column
less, one that is not complete yet, and a ledger.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.core.schema import Schema
from airflow_provider_twexport.storage.landing import Landing
from airflow_provider_twexport.storage.part_options import PartOptions
from airflow_provider_twexport.talkwalker.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADDED = "docscore"
OLDER = Schema(SCHEMA.name, SCHEMA.version, tuple(it for it in SCHEMA.columns if it.name != ADDED))
MONTHS = {1: 3, 2: 0, 3: 4}
LIKES = 7
QUERY = (
    "select year, cast(month as int), count(*), count(docscore), sum(article_metrics['likes'])"
    " from lake group by 1, 2 order by 1, 2"
)
ANSWER = [(2024, 1, 3, 0, LIKES), (2024, 3, 4, 1, LIKES)]
HAS_SPARK = shutil.which("java") is not None and importlib.util.find_spec("pyspark") is not None


def documents(month: int) -> list[bytes]:
    """Return a month's documents: as documented, drifted, empty, and with the added field."""
    full = {
        "url": f"https://example.com/{month}",
        "published": 1_704_067_200_000,
        "reach": 1,
        "source_type": ["BLOG"],
        "article_extended_attributes": {"likes": LIKES},
        "docscore": {"a": 0.5},
    }
    drifted = {
        "url": f"https://example.com/{month}/drifted",
        "published": -1,
        "reach": "many",
        "source_type": "BLOG",
        "article_extended_attributes": [],
        "new": {"deep": [1]},
    }
    found = [{"data": full}, {"data": drifted}, {}, {"data": {"title": "é\u2028"}}]
    return [json.dumps(it).encode() for it in found[: MONTHS[month]]]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three months as landings leave them."""
    root = tmp_path_factory.mktemp("lake")
    for month in MONTHS:
        directory = root / "year=2024" / f"month={month:02}"
        schema = OLDER if month == 1 else SCHEMA
        source, parts = {"owner": str(month), "window": None}, PartOptions("parquet")
        with Landing.open(directory, source=source, parts=parts, schema=schema) as landing:
            landing.write(Batch(documents(month), "end"))
            landing.commit()
    (root / "year=2024" / "month=03" / "_checkpoint.json").write_text("{}")
    (root / "_ledger").mkdir()
    (root / "_ledger" / "0.json").write_text("{}")
    return root


def newest(lake: Path) -> Path:
    """Return a part that has all columns."""
    return lake / "year=2024/month=03/part-00000.parquet"


def test_duckdb(lake: Path) -> None:
    """With partitions as columns, and null where an older part lacks a column."""
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    whole = connection.read_parquet(f"{lake}/**/*.parquet", hive_partitioning=True, union_by_name=True)
    whole.create_view("lake")
    assert connection.execute(QUERY).fetchall() == ANSWER
    assert connection.execute("select count(*) from lake where month = 2").fetchone() == (0,)
    assert connection.execute("select count(*) from lake where month = 3").fetchone() == (4,)


def test_polars(lake: Path) -> None:
    """By the columns of a part that has all."""
    polars = pytest.importorskip("polars")
    months = {"year": polars.Int64, "month": polars.Int64}
    frame = polars.scan_parquet(
        f"{lake}/**/*.parquet",
        schema=polars.read_parquet_schema(newest(lake)),
        missing_columns="insert",
        hive_partitioning=True,
        hive_schema=months,
    )
    counted = frame.group_by("year", "month").agg(polars.len(), polars.col(ADDED).count())
    assert counted.collect().sort("month").rows() == [(2024, 1, 3, 0), (2024, 3, 4, 1)]
    assert frame.filter(polars.col("month") == 2).collect().height == 0


def test_pyarrow(lake: Path) -> None:
    """A directory is a dataset; names that begin with an underscore are none of its files."""
    dataset, parquet, pa = (pytest.importorskip(f"pyarrow{name}") for name in (".dataset", ".parquet", ""))
    months = pa.schema([("year", pa.int16()), ("month", pa.int8())])
    partitions = dataset.partitioning(months, flavor="hive")
    schema = pa.unify_schemas([parquet.read_schema(newest(lake)), months])
    found = dataset.dataset(lake, schema=schema, partitioning=partitions)
    assert len(found.files) == 3
    rows = found.to_table(columns=["month", ADDED]).to_pylist()
    assert sorted(row["month"] for row in rows) == [1, 1, 1, 3, 3, 3, 3]
    assert [row["month"] for row in rows if row[ADDED]] == [3]
    assert found.to_table(filter=dataset.field("month") == 2).num_rows == 0


def test_pandas(lake: Path) -> None:
    """The directory as it is: with the columns of its first part, unless a schema says more."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(lake)
    assert frame.groupby("month", observed=True).size().to_dict() == {1: 3, 3: 4}
    assert ADDED not in frame
    assert len(pandas.read_parquet(lake, filters=[("month", "==", 3)])) == 4
    parquet = pytest.importorskip("pyarrow.parquet")
    whole = pandas.read_parquet(lake, schema=parquet.read_schema(newest(lake)))
    assert (len(whole), whole[ADDED].count()) == (7, 1)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """Spark in a Java of its own; it takes a minute and half a gigabyte of memory."""
    if not HAS_SPARK:
        pytest.skip(
            "Spark is not installed: `make spark` installs it where there is Java (default-jre-headless)."
        )
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "512m",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.session.timeZone": "UTC",
    }
    session = SparkSession.builder.master("local[1]").config(map=settings).getOrCreate()
    yield session
    session.stop()


@pytest.mark.slow
def test_spark(lake: Path, spark: Any) -> None:
    """A directory is a table; names that begin with an underscore are none of its files."""
    frame = spark.read.option("mergeSchema", "true").parquet(str(lake))
    frame.createOrReplaceTempView("lake")
    assert [tuple(row) for row in spark.sql(QUERY).collect()] == ANSWER
    (row,) = frame.where("month = 1 and reach = 1").collect()
    assert (row["source_type"], row["published"].year) == (["BLOG"], 2024)
    # the window without results alone
    assert spark.read.parquet(f"{lake}/year=2024/month=02").count() == 0
