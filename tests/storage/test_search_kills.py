"""A search whose every page is billed, through kill -9."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.exceptions import DirectoryInUseError
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.landing import Dedup, Landing
from airflow_provider_twexport.x.search.pages import post_id
from tests.storage import stream
from tests.storage.dying_search import SEARCH
from tests.storage.stream import landed_records
from tests.x.search.test_client import truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.simulator_process import Simulator

SOURCE = {"system": "made-up", "owner": "one"}


def test_100_000_posts_through_kills_cost_each_page_once(
    simulator: Simulator, tmp_path: Path, run_program: Callable[..., Any]
) -> None:
    """But for the pages in flight at a kill, none is billed twice; each post lands once."""
    simulator.settings(x_posts_per_day=3_600)
    told = run_program("tests.storage.dying_search", tmp_path, simulator.url, 7)
    expected = truth(simulator, SEARCH.query, SEARCH.window)
    assert len(expected) > 100_000
    assert told["deaths"] > 3
    assert [post_id(record).decode() for record in landed_records(tmp_path)] == expected
    assert manifest.verify(tmp_path) == []
    billed = Counter(page["before"] for page in simulator.ledger()["x"]["pages"])
    assert billed.total() - len(billed) == told["in_flight"]
    assert told["parts"] == len(manifest.read(tmp_path).parts)


def batches(count: int) -> list[Batch]:
    """Return batches of three posts, each beginning with the last post of the one before, whose likes have changed."""
    return [
        Batch(
            [b'{"id":%d,"likes":%d}' % (3 * at + more - bool(at), at) for more in range(3 + bool(at))],
            f"c{at}",
        )
        for at in range(count)
    ]


def open_landing(path: Path, **options: Any) -> Landing:
    """Open a landing whose batches cost."""
    return stream.open_landing(path, source=SOURCE, dedup=Dedup(post_id), durable_batches=True, **options)


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    """Without any part being whole, and in whatever size parts are to be from now on."""
    for number, batch in enumerate(batches(9)):
        with open_landing(tmp_path, max_part_results=50 if number < 5 else 4) as landing:
            assert landing.cursor == (f"c{number - 1}" if number else None)
            landing.write(batch)
    with open_landing(tmp_path) as landing:
        landed = landing.commit()
    assert (landed.results, landed.duplicates_dropped) == (27, 8)
    assert [post_id(record) for record in landed_records(tmp_path)] == [
        b"%d" % number for number in range(27)
    ]
    assert {path.name for path in tmp_path.iterdir()} == {
        "_manifest.json",
        *(part.name for part in landed.parts),
    }


def test_no_more_lands_than_is_wanted(tmp_path: Path) -> None:
    """Exactly so many, in parts and through tries."""
    for batch in batches(4):
        with open_landing(tmp_path, max_results=8, max_part_results=4) as landing:
            landing.write(batch)
    with open_landing(tmp_path, max_results=8) as landing:
        assert landing.commit().results == 8


def test_paid_batches_are_not_replaced(tmp_path: Path) -> None:
    """Another search, another format or a damaged part is an error, and nothing is removed."""
    with open_landing(tmp_path, max_part_results=1) as landing:
        for batch in batches(3):
            landing.write(batch)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(DirectoryInUseError, match="paid for"):
        open_landing(tmp_path, file_format="jsonl")
    with pytest.raises(DirectoryInUseError, match=r"'one'.*'two'"):
        Landing.open(tmp_path, source={"owner": "two"}, durable_batches=True)
    (tmp_path / "part-00001.jsonl.gz").write_bytes(b"")
    with pytest.raises(DirectoryInUseError, match="paid for"):
        open_landing(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
