"""Reading landings back: which results they hold, and of which hours; and landing what they do not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.already_landed import AlreadyLanded, landed_hours, read
from airflow_provider_twexport.storage.formats import FORMATS
from tests.storage.stream import open_landing, record

if TYPE_CHECKING:
    from pathlib import Path

from airflow_provider_twexport.exceptions import CorruptLandingError, ManifestNotFoundError
from airflow_provider_twexport.storage.landing import Dedup

HOUR = 3_600_000


def source(name: str) -> dict[str, Any]:
    """Where results come from."""
    return {"owner": name, "export_id": f"export-of-{name}"}


def batch(first: int, stop: int) -> Batch:
    """Some records and the cursor after them."""
    return Batch([record(number) for number in range(first, stop)], str(stop))


def land(path: Path, name: str, *batches: Batch, complete: bool = True, **options: Any) -> manifest.Manifest:
    """Land batches and return the manifest."""
    with open_landing(path, source=source(name), **options) as landing:
        for each in batches:
            landing.write(each)
        return landing.commit(exported=landing.arrived, complete=complete)


def excluding(*paths: Path) -> Dedup:
    """Drop what other landings hold."""
    return Dedup(exclude=AlreadyLanded(paths))


def records(path: Path) -> list[bytes]:
    """Return what a landing holds."""
    found: list[bytes] = []
    read(path, found.extend)
    return found


@pytest.mark.parametrize("file_format", FORMATS)
def test_results_are_counted_by_the_hour(file_format: str, tmp_path: Path) -> None:
    """Whatever the format; those whose date is not sure apart, those without any not at all."""
    land(tmp_path, "a", batch(0, 100), file_format=file_format)
    numbers = {record(number): number for number in range(100)}

    def moment_of(result: bytes) -> tuple[int | None, bool]:
        number = numbers[result]
        return (None, False) if number == 99 else (number * HOUR // 10, number % 10 != 0)

    hours = landed_hours(tmp_path, moment_of)
    epoch = pendulum.from_timestamp(0)
    assert hours.within(Window(epoch, epoch.add(hours=2))) == (18, 2)
    assert hours.within(Window(epoch, epoch.add(days=1))) == (89, 10)


@pytest.mark.parametrize("file_format", FORMATS)
def test_what_landed_elsewhere_is_left_out_and_counted(file_format: str, tmp_path: Path) -> None:
    """Each result is there once over all landings; left out and landed make what came."""
    land(tmp_path / "a", "a", batch(0, 60), file_format="jsonl.gz")
    land(tmp_path / "b", "b", batch(100, 120), file_format="parquet")
    landed = land(
        tmp_path / "c",
        "c",
        batch(40, 110),
        dedup=excluding(tmp_path / "a", tmp_path / "b"),
        file_format=file_format,
    )
    assert (landed.results, landed.excluded, landed.exported) == (40, 30, 70)
    assert records(tmp_path / "c") == [record(number) for number in range(60, 100)]
    assert manifest.read(tmp_path / "c").excluded == 30


def test_a_retry_gives_the_same(tmp_path: Path) -> None:
    """Broken off after a checkpoint, with results delivered again: nothing is counted twice."""
    land(tmp_path / "a", "a", batch(0, 50))
    options: dict[str, Any] = {"dedup": excluding(tmp_path / "a"), "max_part_results": 10}
    broken = open_landing(tmp_path / "b", source=source("b"), **options)
    for each in (batch(30, 70), batch(70, 80)):
        broken.write(each)
    broken.discard()
    with open_landing(tmp_path / "b", source=source("b"), **options) as again:
        assert again.cursor is None
        for each in (batch(30, 60), batch(40, 80)):
            again.write(each)
        landed = again.commit(exported=again.arrived)
    assert (landed.results, landed.excluded, landed.exported) == (30, 20, 50)
    assert list(manifest.verify(tmp_path / "b")) == []


def test_a_retry_goes_on_where_nothing_was_left_out_yet(tmp_path: Path) -> None:
    """Then nothing of it is unknown."""
    land(tmp_path / "a", "a", batch(0, 50))
    options: dict[str, Any] = {"dedup": excluding(tmp_path / "a"), "max_part_results": 10}
    broken = open_landing(tmp_path / "b", source=source("b"), **options)
    broken.write(batch(60, 80))
    broken.discard()
    with open_landing(tmp_path / "b", source=source("b"), **options) as again:
        assert again.cursor == "80"
        again.write(batch(40, 60))
        assert (again.results, again.arrived) == (30, 40)


def test_only_whole_landings_can_be_left_out(tmp_path: Path) -> None:
    """One that is not there, not whole, or damaged is told before anything is read."""
    with pytest.raises(ManifestNotFoundError):
        land(tmp_path / "b", "b", dedup=excluding(tmp_path / "no"))
    land(tmp_path / "part", "a", batch(0, 5), complete=False)
    with pytest.raises(CorruptLandingError, match="does not hold all results"):
        land(tmp_path / "b", "b", dedup=excluding(tmp_path / "part"))
    land(tmp_path / "a", "a", batch(0, 5))
    (tmp_path / "a" / "part-00000.jsonl.gz").write_bytes(b"something else")
    with pytest.raises(CorruptLandingError, match="Restore it"):
        land(tmp_path / "b", "b", dedup=excluding(tmp_path / "a"))
