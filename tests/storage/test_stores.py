"""What a landing promises on every kind of store: a directory, S3, Azure Blob and Google Cloud Storage."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.formats import FORMATS
from airflow_provider_twexport.storage.landing import Landing
from tests.object_stores import Place
from tests.storage.dying import LARGE_PART_BYTES, LARGE_STREAM
from tests.storage.stream import SOURCE, assert_landed_exactly_once, land, open_landing, stream

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = b"x" * 2**20
LARGE: dict[str, Any] = {"file_format": "jsonl", "max_part_bytes": LARGE_PART_BYTES}


def visible(directory: Any) -> list[str]:
    """Return the names that a reader sees; hidden ones, and the files of tries, are the writer's own."""
    return [name for name in Directory(directory).names() if not name.startswith((".", "_try-"))]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_landing_is_read_back(file_format: str, store: Place) -> None:
    """Parts of one block and of several arrive whole, and what is landed is left as it is."""
    land(store / "some/small", stream(12), file_format=file_format, max_part_bytes=300)
    assert_landed_exactly_once(store / "some/small", stream(12))
    landed = land(store / "large", LARGE_STREAM, file_format=file_format, max_part_bytes=LARGE_PART_BYTES)
    assert_landed_exactly_once(store / "large", LARGE_STREAM)
    assert Landing.open(store / "large", source=SOURCE).committed == landed


def test_a_part_is_not_visible_before_its_end(store: Place) -> None:
    """However much of it has been sent, and also after it was discarded and collected."""
    directory = Directory(store / "landing")
    part = directory.create("part-00000.jsonl")
    for _ in range(20):
        part.write(BLOCK)
    assert visible(store / "landing") == []
    part.discard()
    del part
    gc.collect()
    assert directory.names() == []


@pytest.mark.parametrize("blocks", [1, 20])
def test_a_forgotten_part_does_not_become_visible(blocks: int, store: Place) -> None:
    """Python closes a file that it collects; that publishes nothing."""
    part = Directory(store / "landing").create("part-00000.jsonl")
    for _ in range(blocks):
        part.write(BLOCK)
    del part
    gc.collect()
    assert visible(store / "landing") == []


@pytest.mark.parametrize("batches", [1, 20])
def test_an_error_leaves_what_was_whole(batches: int, store: Place) -> None:
    """In a first part, nothing; in a later one, the parts before it and the checkpoint."""
    landing = open_landing(store / "landing", **LARGE)
    with pytest.raises(ZeroDivisionError), landing:  # noqa: PT012
        for batch in LARGE_STREAM[:batches]:
            landing.write(batch)
        1 / 0  # noqa: B018
    del landing
    gc.collect()
    assert visible(store / "landing") == ([] if batches == 1 else ["_checkpoint.json", "part-00000.jsonl"])


def test_a_part_replaces_what_a_dead_try_left_under_its_name(store: Place) -> None:
    """Whole, and not before its end."""
    directory = Directory(store / "landing")
    directory.write("part-00000.jsonl", b"old")
    part = directory.create("part-00000.jsonl")
    part.write(BLOCK * 10)
    assert directory.read("part-00000.jsonl") == b"old"
    part.commit()
    assert directory.read("part-00000.jsonl") == BLOCK * 10


@pytest.mark.parametrize(("batches", "done"), [(14, 0), (28, 16)])
def test_a_kill_in_the_middle_of_a_part_costs_nothing(
    batches: int, done: int, store: Place, run_program: Callable[..., Any]
) -> None:
    """Only whole parts are visible; the next try goes on after them and lands each record exactly once."""
    options = json.dumps(store.options)
    assert run_program("tests.storage.dying", "inside", f"{store.address}/landing", options, batches) == -9
    assert visible(store / "landing") == (["_checkpoint.json", "part-00000.jsonl"] if done else [])
    assert open_landing(store / "landing", **LARGE).cursor == (str(done) if done else None)
    land(store / "landing", LARGE_STREAM, **LARGE)
    assert_landed_exactly_once(store / "landing", LARGE_STREAM)


def test_memory_does_not_grow_with_the_export(store: Place, run_program: Callable[..., Any]) -> None:
    """Landing 300 MB in parts of several blocks takes less than half of that, also where a store is slow."""
    options = json.dumps(store.options)
    assert run_program("tests.storage.measuring", store.address, "jsonl", 20 * 2**20, options) < 150


@pytest.mark.parametrize("store", ["s3", "azure", "gcs"], indirect=True)
def test_a_missing_bucket_is_an_error(store: Place) -> None:
    """It surfaces where the first part is sent, and nothing is landed."""
    with pytest.raises(Exception, match=r"(?i)exist|not found|nowhere"):
        land(Place(f"{store.address}-nowhere", store.options) / "landing", stream(3))


def test_what_is_landed_can_be_verified(store: Place) -> None:
    """A part that was changed or removed is told."""
    land(store / "landing", stream(12), max_part_bytes=300)
    directory = Directory(store / "landing")
    directory.write("part-00000.jsonl.gz", b"changed")
    directory.remove("part-00001.jsonl.gz")
    assert len(manifest.verify(store / "landing")) == 2
