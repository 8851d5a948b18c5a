"""Posts and counts of X as typed columns."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
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


@pytest.mark.slow
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
        whole = post.get("retweeted_status") or post
        assert row["text"] == whole.get("extended_tweet", {}).get("full_text", whole["text"])
        assert row["urls"][0]["unwound"]["url"] == "https://example.com/a"
        assert row["user"]["derived"]["locations"][0]["country_code"] == "CL"
        assert row["edit_history"]["edit_tweet_ids"] == [row["id"]]
        assert row["editable_until_ms"] == post["edit_controls"]["editable_until_ms"]
        assert (row["retweeted"] or {}).get("id") == row["retweeted_status_id"]
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


def entities(name: str) -> dict[str, Any]:
    """Return entities of a made-up post."""
    return {
        "hashtags": [{"text": name}],
        "urls": [{"url": name, "expanded_url": f"{name}/e", "unwound": {"url": f"{name}/u", "status": 200}}],
        "user_mentions": [{"id_str": "1", "screen_name": name, "name": name}],
        "symbols": [],
        "media": [{"id_str": name, "type": "photo"}],
    }


def long_post(post_id: str, **more: Any) -> dict[str, Any]:
    """Return a post whose text is shortened, and whole in `extended_tweet`."""
    whole = {"full_text": f"whole {post_id}", "entities": entities(f"whole {post_id}")}
    whole["extended_entities"] = {
        "media": [{"id_str": "a", "type": "photo"}, {"id_str": "b", "type": "video"}]
    }
    cut = {"id_str": post_id, "text": f"cut {post_id}…", "entities": entities("cut"), "truncated": True}
    return cut | {"extended_tweet": whole} | more


@pytest.mark.parametrize(
    ("post", "whole"),
    [
        (long_post("1"), "1"),
        (
            {"id_str": "1", "text": "RT", "entities": {"hashtags": []}, "retweeted_status": long_post("2")},
            "2",
        ),
        (long_post("1", quoted_status=long_post("3")), "1"),
        (
            {"id_str": "1", "text": "RT", "retweeted_status": long_post("2", quoted_status=long_post("3"))},
            "2",
        ),
    ],
    ids=["long", "retweet", "quote", "retweet of a quote"],
)
def test_a_text_is_whole_with_all_that_is_in_it(post: dict[str, Any], whole: str, tmp_path: Path) -> None:
    """Text, hashtags, addresses, mentions and media are those of the whole text, also in the quoted post."""
    # beside a short post in the same frame
    rows, coercion_failures = landed(tmp_path, [b'{"id_str":"9","text":"short"}', json.dumps(post).encode()])
    assert coercion_failures == {}
    short, row = rows
    assert (short["text"], short["hashtags"], short["quoted"], short["retweeted"]) == (
        "short",
        None,
        None,
        None,
    )
    quoted = post.get("quoted_status") or post.get("retweeted_status", {}).get("quoted_status")
    for found, number in ((row, whole), *(((row["quoted"], "3"),) if quoted else ())):
        assert found["text"] == f"whole {number}"
        assert found["hashtags"] == [f"whole {number}"]
        assert found["urls"][0]["unwound"]["url"] == f"whole {number}/u"
        assert found["user_mentions"][0]["screen_name"] == f"whole {number}"
        assert [one["id_str"] for one in found["media"]] == ["a", "b"]
    assert (row["retweeted"] or {}).get("text") == ("whole 2" if whole == "2" else None)


def test_what_does_not_fit_is_counted_at_the_column_that_reads_it(tmp_path: Path) -> None:
    """Within a post that is put together, too; the rest of the post keeps its values."""
    post = long_post("1", quoted_status=long_post("3", quote_count="many"), withheld_in_countries=["DE"])
    rows, coercion_failures = landed(tmp_path, [json.dumps(post).encode()])
    assert coercion_failures == {"quoted": 1}
    assert (rows[0]["quoted"]["quote_count"], rows[0]["quoted"]["text"]) == (None, "whole 3")
    assert rows[0]["withheld_in_countries"] == ["DE"]


@pytest.mark.parametrize("record", [b"null", b"[1]", b'"text"', b"7", b'{"id_str":"1","text":"\\ud83d"}'])
def test_no_document_ends_the_process(record: bytes, tmp_path: Path) -> None:
    """A null once crashed Arrow's reader; whatever lands is there again in the column raw."""
    rows, _ = landed(tmp_path, [b'{"id_str":"9","text":"short"}', record])
    assert [row["raw"].encode() for row in rows] == [b'{"id_str":"9","text":"short"}', record]
    assert rows[0]["text"] == "short"


@captured.x_search_is_needed
def test_the_vendors_own_example_value_for_value(tmp_path: Path) -> None:
    """Each column has what the example has at the place that the schema names."""
    post = captured.x_search_example()
    rows, coercion_failures = landed(tmp_path, [json.dumps(post).encode()])
    assert coercion_failures == {}
    (row,) = rows
    original = post["retweeted_status"]
    whole = original["extended_tweet"]
    assert row["id"] == post["id_str"]
    assert row["text"] == row["retweeted"]["text"] == whole["full_text"]
    assert row["text"].endswith("https://t.co/ivAFtanfje")
    assert row["retweeted_status_id"] == row["retweeted"]["id"] == original["id_str"]
    for found in (row, row["retweeted"]):
        assert found["hashtags"] == found["symbols"] == []
        assert [one["unwound"] for one in found["urls"]] == [
            one["unwound"] for one in whole["entities"]["urls"]
        ]
        assert [one["expanded_url"] for one in found["urls"]] == [
            one["expanded_url"] for one in whole["entities"]["urls"]
        ]
        assert [one["screen_name"] for one in found["user_mentions"]] == [
            one["screen_name"] for one in whole["entities"]["user_mentions"]
        ]
    for found, source in ((row, post), (row["retweeted"], original)):
        assert {name: source["user"][name] for name in found["user"] if name in source["user"]} == {
            name: value for name, value in found["user"].items() if name in source["user"]
        }
        for name in ("lang", "quote_count", "reply_count", "retweet_count", "favorite_count"):
            assert found[name] == source[name]
        assert found["created_at"] == datetime.strptime(source["created_at"], "%a %b %d %H:%M:%S %z %Y")
    assert row["source"] == post["source"]
    assert row["matching_tags"] == [None]
    empty = ("quoted", "media", "place", "edit_history", "editable_until_ms", "withheld_in_countries")
    assert [row[name] for name in empty] == [None] * len(empty)
    assert json.loads(row["raw"]) == post


def test_the_docs_have_each_column() -> None:
    """The table is the schema's own."""
    page = (Path(__file__).parents[2] / "docs/x_columns.md").read_text(encoding="utf-8")
    assert POSTS.markdown() in page


@captured.is_needed
def test_captured_posts_fit(tmp_path: Path) -> None:
    """Real posts of the same format lose nothing."""
    posts = captured.posts()
    rows, coercion_failures = landed(tmp_path, [json.dumps(post).encode() for post in posts])
    assert coercion_failures == {}
    assert [row["id"] for row in rows] == [str(post["id"]) for post in posts]
