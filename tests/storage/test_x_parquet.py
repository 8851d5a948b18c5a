"""Posts and counts of X as typed columns."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.x.schema import COUNTS, POSTS
from tests import captured
from tests.service_clients import x_client_of
from tests.storage.stream import open_landing
from tests.x.search.test_client import everything

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_twexport.core.schema import Schema
    from tests.simulator_process import Simulator


def landed(
    path: Path, records: list[bytes], schema: Schema = POSTS
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the rows of a Parquet part, and what did not fit."""
    with open_landing(path, source={"owner": "one"}, file_format="parquet", schema=schema) as landing:
        landing.write(Batch(records, "end"))
        (part,) = landing.commit().parts
    return pq.read_table(path / part.name).to_pylist(), part.coercion_failures


def test_posts_keep_their_ids_and_get_dates(simulator: Simulator, tmp_path: Path) -> None:
    """Ids beyond 2 to the 53 are exact, dates are dates, and each post is there as it came."""
    records = everything(x_client_of(simulator))
    rows, coercion_failures = landed(tmp_path, records)
    assert coercion_failures == {}
    assert [row["raw"].encode() for row in rows] == records
    for row, record in zip(rows, records, strict=True):
        post = json.loads(record)
        assert row["id"] == str(post["id"])
        assert row["created_at"] == datetime.strptime(post["created_at"], "%a %b %d %H:%M:%S %z %Y")
        assert row["user"]["id_str"] == str(post["user"]["id"])
        assert row["hashtags"] == ["café"]
        assert row["full_text"] == post.get("extended_tweet", {}).get("full_text")
    assert {len(row["longitude_latitude"]) for row in rows if row["longitude_latitude"]} == {2}


@pytest.mark.parametrize(
    ("date", "read"),
    [
        ("Fri Nov 02 17:18:31 +0000 2018", datetime(2018, 11, 2, 17, 18, 31, tzinfo=UTC)),
        ("2018-11-02T17:18:31.000Z", None),
        ("Fri Nov 32 17:18:31 +0000 2018", None),
        (7, None),
        (None, None),
    ],
)
def test_a_date_that_is_none_is_null_and_counted(date: Any, read: datetime | None, tmp_path: Path) -> None:
    """It stays in the column raw."""
    rows, coercion_failures = landed(tmp_path, [json.dumps({"id_str": "1", "created_at": date}).encode()])
    assert rows[0]["created_at"] == read
    assert coercion_failures == ({} if read or date is None else {"created_at": 1})


def test_counts_have_dates(tmp_path: Path) -> None:
    """The first moment of each bucket, in UTC."""
    rows, coercion_failures = landed(tmp_path, [b'{"timePeriod":"201801022300","count":7}'], COUNTS)
    assert (rows[0]["period"], rows[0]["count"]) == (datetime(2018, 1, 2, 23, tzinfo=UTC), 7)
    assert coercion_failures == {}


@captured.is_needed
def test_captured_posts_fit(tmp_path: Path) -> None:
    """Real posts of the same format lose nothing."""
    posts = captured.posts()
    rows, coercion_failures = landed(tmp_path, [json.dumps(post).encode() for post in posts])
    assert coercion_failures == {}
    assert [row["id"] for row in rows] == [str(post["id"]) for post in posts]
