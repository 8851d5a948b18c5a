"""Finding landings, in every store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from upath import UPath

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.exceptions import CorruptManifestError
from airflow_provider_twexport.storage.discovery import Known, find_landings
from airflow_provider_twexport.storage.landing import Landing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import Bucket


def land(directory: Any, collector_id: str, results: int = 3, complete: bool = True) -> None:
    """Write a landing."""
    with Landing.open(directory, source={"owner": collector_id}) as landing:
        landing.write(Batch([b'{"n":%d}' % number for number in range(results)], "end"))
        landing.commit(exported=results, complete=complete)


def test_all_below_are_found(tmp_path: Path) -> None:
    """However deep, and in memory as on disk; a directory that is not there holds none."""
    memory = UPath("memory://lake")
    land(tmp_path / "year=2024" / "month=01", "a")
    land(memory / "deep" / "down", "b")
    found = find_landings([tmp_path, memory, tmp_path / "not-there"])
    assert set(found.by_owner) == {"a", "b"}
    assert found.problems == ()


def test_the_best_landing_of_a_collector_counts(tmp_path: Path) -> None:
    """A complete one, else the one with most results."""
    land(tmp_path / "1", "a", 5, complete=False)
    land(tmp_path / "2", "a", 3)
    land(tmp_path / "3", "a", 9, complete=False)
    assert find_landings([tmp_path]).by_owner["a"].results == 3


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """The others are found all the same."""
    land(tmp_path / "1", "a")
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "_manifest.json").write_text('{"schema_version": 99}')
    found = find_landings([tmp_path])
    assert len(found.manifests) == 1
    assert "upgrade" in found.problems[0]
    with pytest.raises(CorruptManifestError, match=r"2/_manifest\.json has schema version 99.*upgrade"):
        found.check_read(lambda directory: directory == "2")
    found.check_read(lambda directory: directory == "1")


@pytest.mark.parametrize(
    "change",
    [
        {"created_at": "yesterday"},
        {"source": {"window": {"start": "2024-01-01"}}},
        {"source": {"window": {"start": "2024-01-02T00:00:00Z", "stop": "2024-01-01T00:00:00Z"}}},
        {"source": {"window": {"start": "one", "stop": "two"}}},
        {"source": {"limit": "many"}},
        {"source": {"topics": "all"}},
        {"source": {"remainder_of": 5}},
        {"source": {"ordered_at": "soon"}},
        {"source": []},
        {"results": "7"},
    ],
)
def test_what_nobody_could_use_is_broken(change: dict[str, Any], tmp_path: Path) -> None:
    """Nobody who reads a manifest fails on what is in it: it is listed by its name, and does not stop the others."""
    land(tmp_path / "1", "a")
    land(tmp_path / "2", "b")
    file = tmp_path / "2" / "_manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    found = find_landings([tmp_path])
    assert set(found.by_owner) == {"a"}
    assert "/2/_manifest.json cannot be read" in found.problems[0]


def test_only_what_has_changed_is_read_again(tmp_path: Path) -> None:
    """What was known stays the same; what was landed anew, or is new, is read."""
    land(tmp_path / "1", "a")
    land(tmp_path / "2", "b", complete=False)
    known: Known = {}
    first = find_landings([tmp_path], known).by_owner
    land(tmp_path / "2", "b", 5)
    land(tmp_path / "3", "c")
    second = find_landings([tmp_path], known).by_owner
    assert second["a"] is first["a"]
    assert (second["b"].results, second["c"].results) == (5, 3)
    (tmp_path / "1" / "_manifest.json").unlink()
    assert set(find_landings([tmp_path], known).by_owner) == {"b", "c"}


def test_ledgers_are_found_beside_landings(tmp_path: Path) -> None:
    """However deep they are."""
    land(tmp_path / "january", "a")
    for place in ("_ledger", "deep/_ledger/"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "fact.json").touch()
    assert {it.path for it in find_landings([tmp_path]).ledgers} == {
        f"{tmp_path}/_ledger",
        f"{tmp_path}/deep/_ledger",
    }


def test_they_are_found_on_s3(bucket: Bucket) -> None:
    """An object store has no directories; its keys are listed."""
    land(bucket / "lake/january", "january")
    (address,) = find_landings([bucket / "lake"]).manifests
    assert address.endswith("/lake/january/_manifest.json")


@pytest.mark.slow
def test_ten_thousand_are_read(tmp_path: Path) -> None:
    """Years of hours, each with a part beside its manifest."""
    land(tmp_path / "0", "a")
    text = (tmp_path / "0" / "_manifest.json").read_bytes()
    for number in range(1, 10_000):
        place = tmp_path / str(number)
        place.mkdir()
        (place / "_manifest.json").write_bytes(text)
        (place / "part-00000.jsonl.gz").touch()
    assert len(find_landings([tmp_path]).manifests) == 10_000
