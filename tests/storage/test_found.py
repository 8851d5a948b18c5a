"""Finding manifests, whatever the directories are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.storage.found import manifests_below
from airflow_provider_twexport.storage.landing import Landing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import Bucket


def land(directory: Any, collector_id: str) -> None:
    """Land nothing of a collector."""
    with Landing.open(directory, source={"collector_id": collector_id}) as landing:
        landing.commit(exported=0, truncated=False, estimated_total=0, status="finished", complete=True)


def test_manifests_are_found_at_any_depth(tmp_path: Path) -> None:
    """Each with its address; other files are left alone."""
    (tmp_path / "notes.json").write_text("{}")
    land(tmp_path / "year=2024" / "month=01", "january")
    land(tmp_path / "february", "february")
    found = [(place, it.source["collector_id"]) for place, it in manifests_below(tmp_path)]
    assert found == [
        (f"file://{tmp_path}/february/_manifest.json", "february"),
        (f"file://{tmp_path}/year=2024/month=01/_manifest.json", "january"),
    ]


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    """A directory that does not exist yet holds no landing."""
    assert list(manifests_below(tmp_path / "no")) == []


def test_manifests_are_found_on_s3(bucket: Bucket) -> None:
    """An object store has no directories; its keys are listed."""
    land(bucket / "lake/january", "january")
    (found,) = manifests_below(bucket / "lake")
    assert found[0].endswith("/lake/january/_manifest.json")
    assert found[1].source["collector_id"] == "january"
