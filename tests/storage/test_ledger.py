"""The ledger: facts that many processes tell at once, and what a reader makes of them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.storage import discovery
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.landing import Landing
from airflow_provider_twexport.storage.ledger import (
    EntryKind,
    ExportHistory,
    LedgerEntry,
    LedgerReader,
    TaskRef,
    read,
    record,
)
from tests.storage.stream import SOURCE, each_once, land, landed_records, stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.object_stores import Place

WRITERS, EXPORTS = 4, 12
JANUARY = {"start": "2024-01-01T00:00:00Z", "stop": "2024-02-01T00:00:00Z"}


def told(
    kind: EntryKind, run: str = "first", minute: int = 0, task: str = "t", **details: Any
) -> LedgerEntry:
    """A fact of the export ``e1``."""
    by = TaskRef("coffee", run, task)
    return LedgerEntry(kind=kind, export_id="e1", by=by, at=f"2024-06-01T00:{minute:02}:00Z", details=details)


def ordered(run: str = "first", minute: int = 0, adopted: bool = False) -> LedgerEntry:
    """Somebody ordered it, or found it."""
    return told(EntryKind.ORDERED, run, minute, adopted=adopted, window=JANUARY, limit=500)


def entry(*facts: LedgerEntry) -> ExportHistory:
    """What these facts come to."""
    return ExportHistory("e1", facts)


def test_a_second_look_reads_only_what_is_new(tmp_path: Path) -> None:
    """Entries never change, so what was read is not read again; what was removed is forgotten."""
    record(tmp_path, ordered())
    (file,) = tmp_path.iterdir()
    reader = LedgerReader(tmp_path)
    first = reader.read()
    file.write_bytes(b"nobody looks at this again")
    assert reader.read() is first
    record(tmp_path, told(EntryKind.ENDED, minute=1, status="finished"))
    (entry,) = reader.read().exports
    assert entry.entries[0] is first.exports[0].entries[0]
    assert [fact.kind for fact in entry.entries] == ["ordered", "ended"]
    file.unlink()
    assert [fact.kind for fact in reader.read().exports[0].entries] == ["ended"]
    for other in tmp_path.iterdir():
        other.unlink()
    assert reader.read().exports == ()


def test_what_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    """It may have been half written."""
    record(tmp_path, ordered())
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:20])
    reader = LedgerReader(tmp_path)
    assert len(reader.read().problems) == 1
    file.write_bytes(whole)
    assert (len(reader.read().exports), reader.read().problems) == (1, ())


@pytest.mark.parametrize("store", ["file", "s3"], indirect=True)
def test_many_writers_never_meet(store: Place, run_program: Callable[..., Any]) -> None:
    """Processes that tell of the same exports at once lose nothing, and what they repeat counts once."""
    place, options = f"{store.address}/lake/_ledger", json.dumps(store.options)

    def tell(writer: int) -> None:
        run_program("tests.storage.recording", place, options, f"run-{writer % (WRITERS - 1)}", EXPORTS)

    with ThreadPoolExecutor(WRITERS) as writers:
        # two of them are the same run, as a task and its retry that overlap
        list(writers.map(tell, range(WRITERS)))
    found = read(store / "lake/_ledger")
    assert found.problems == ()
    assert len(found.exports) == EXPORTS
    assert found.credits == EXPORTS * 10
    for it in found.exports:
        paid = int(it.export_id[1:]) % 2 == 0
        assert (it.bought is not None) is paid
        assert len(it.adopted_by) == (WRITERS - 2 if paid else WRITERS - 1)
    assert len(Directory(store / "lake/_ledger").names()) == 2 * EXPORTS * (WRITERS - 1)


def test_what_was_told_first_stays(tmp_path: Path) -> None:
    """A retry that tells it again, later, changes no byte."""
    record(tmp_path, ordered(minute=1))
    (file,) = tmp_path.iterdir()
    before = file.read_bytes()
    record(tmp_path, ordered(minute=9))
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() == before


def test_any_export_id_names_a_file(tmp_path: Path) -> None:
    """The service's ids are its own affair."""
    record(tmp_path, replace(ordered(), export_id="../a b/ü"))
    (file,) = tmp_path.iterdir()
    assert file.is_file()
    assert read(tmp_path).exports[0].export_id == "../a b/ü"


def test_who_paid() -> None:
    """The run that bought it, whatever its retries adopted; all others adopted it."""
    it = entry(ordered("first"), ordered("first", 1, adopted=True), ordered("second", 2, adopted=True))
    assert it.bought is not None
    assert it.bought.by.run_id == "first"
    assert [teller.run_id for teller in it.adopted_by] == ["second"]


def test_a_purchase_that_was_not_told_is_nobodys() -> None:
    """A worker died between the order and the ledger: nobody is named who may not have paid."""
    it = entry(ordered("first", adopted=True))
    assert it.bought is None
    assert it.to_json()["bought_by"] is None
    assert len(it.adopted_by) == 1


ENDED = told(EntryKind.ENDED, minute=1, status="finished", exported=500, credits=500)
BROKEN = told(EntryKind.ENDED, minute=1, status="aborted", exported=200, credits=200)
PART = told(EntryKind.LANDED, minute=2, manifest="m", results=200, truncated=False, complete=False)
WHOLE = told(EntryKind.LANDED, minute=3, manifest="m", results=500, truncated=False, complete=True)
CUT = told(EntryKind.LANDED, minute=3, manifest="m", results=500, truncated=True, complete=True)


@pytest.mark.parametrize(
    ("facts", "state", "credits"),
    [
        ((), "ordered", None),
        ((told(EntryKind.ABORTED, minute=1),), "broken off", None),
        ((ENDED,), "ended", 500),
        ((BROKEN,), "broken off", 200),
        ((BROKEN, PART), "partial", 200),
        ((ENDED, PART, WHOLE), "landed", 500),
        ((ENDED, CUT), "truncated", 500),
    ],
)
def test_state(facts: tuple[LedgerEntry, ...], state: str, credits: int | None) -> None:
    """What has become of an export, and what it cost."""
    it = entry(ordered(), *facts)
    assert (str(it.state), it.credits) == (state, credits)


def test_one_place_is_told_once() -> None:
    """A landing that went on where an earlier one broke off is as it was last told."""
    assert [landing["results"] for landing in entry(ordered(), PART, WHOLE).landings.values()] == [500]


@pytest.mark.parametrize("store", ["file", "s3"], indirect=True)
def test_what_cannot_be_read_is_told(store: Place) -> None:
    """Half written, empty, of a later version: the rest is read all the same."""
    record(store / "_ledger", ordered())
    directory = Directory(store / "_ledger")
    directory.write("e2.ordered.0.json", ordered().to_json()[:-40])
    directory.write("e3.ordered.0.json", b"")
    directory.write("e4.ordered.0.json", b'{"schema_version": 99}')
    odd = [
        {"at": "noon"},
        {"details": {"window": {"start": "x", "stop": "y"}}},
        {"details": {"credits": "ten"}},
    ]
    for number, change in enumerate(odd):
        text = json.dumps(json.loads(ordered().to_json()) | change)
        directory.write(f"e6.ordered.{number}.json", text.encode())
    directory.write(".e5.ordered.0.json.abcd.tmp", b"{")
    found = read(store / "_ledger")
    assert [it.export_id for it in found.exports] == ["e1"]
    assert len(found.problems) == 6
    assert "upgrade" in found.problems[2]
    assert all("_ledger/e6.ordered." in problem for problem in found.problems[3:])


def test_no_ledger_tells_nothing(tmp_path: Path) -> None:
    """It is no error to look."""
    assert read(tmp_path / "nowhere").exports == ()


@pytest.mark.parametrize("store", ["file", "s3"], indirect=True)
def test_landings_and_ledger_share_a_directory(store: Place) -> None:
    """Neither takes the other for its own, and landing again removes no fact."""
    record(store / "lake/_ledger", ordered())
    land(store / "lake", stream(12))
    assert len(discovery.find_landings([store / "lake"]).manifests) == 1
    assert discovery.find_landings([store / "lake"]).problems == ()
    with Landing.open(store / "lake", source=SOURCE | {"export_id": "another"}) as landing:
        for batch in stream(12):
            landing.write(batch)
        landing.commit(exported=12)
    assert landed_records(store / "lake") == each_once(stream(12))
    assert [it.export_id for it in read(store / "lake/_ledger").exports] == ["e1"]
