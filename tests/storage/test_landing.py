"""What a landing promises on a local disk."""

from __future__ import annotations

import errno
import json
import logging
import os
import resource
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.exceptions import (
    DirectoryInUseError,
    InvalidRequestError,
    LandingClosedError,
    UnsupportedFormatError,
)
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.formats import FORMATS
from airflow_provider_twexport.storage.landing import Dedup, Landing
from tests.storage.stream import (
    SOURCE,
    assert_landed_exactly_once,
    each_once,
    land,
    landed_records,
    open_landing,
    read_from,
    record,
    stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCHES = stream(12)


def names(directory: Path) -> list[str]:
    """Return the names of the files in a directory."""
    return sorted(path.name for path in directory.iterdir())


def begin(directory: Path, batches: list[Batch], file_format: str = "jsonl") -> None:
    """Land some batches in parts as small as possible, and break off."""
    with open_landing(directory, file_format=file_format, max_part_bytes=1) as landing:
        for batch in batches:
            landing.write(batch)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("max_part_bytes", [1, 300, 1_000_000])
def test_each_record_is_landed_once(tmp_path: Path, file_format: str, max_part_bytes: int) -> None:
    """Whatever format and part size, each record is there once, byte for byte, in order."""
    land(tmp_path / "new" / "directory", BATCHES, file_format=file_format, max_part_bytes=max_part_bytes)
    assert_landed_exactly_once(tmp_path / "new" / "directory", BATCHES)


@pytest.mark.parametrize("file_format", FORMATS)
def test_parts_are_the_same_each_time(tmp_path: Path, file_format: str) -> None:
    """Equal records make equal files."""
    first, second = (land(tmp_path / name, BATCHES, file_format=file_format) for name in "ab")
    assert first.parts == second.parts


def test_parts_and_offsets_belong_together(tmp_path: Path) -> None:
    """A part ends at a cursor, and the next one begins there."""
    parts = land(tmp_path, BATCHES, file_format="jsonl", max_part_bytes=1).parts
    assert parts[0].first_cursor is None
    assert all(before.last_cursor == after.first_cursor for before, after in pairwise(parts))
    for part in parts:
        delivered = BATCHES[int(part.first_cursor or 0) : int(part.last_cursor or 0)]
        lines = (tmp_path / part.name).read_bytes().split(b"\n")[:-1]
        assert set(lines) <= set(each_once(delivered))


def test_no_part_ends_without_a_cursor(tmp_path: Path) -> None:
    """Batches after which no read can go on stay in one part, however big it gets."""
    with open_landing(tmp_path, file_format="jsonl", max_part_bytes=1) as landing:
        for number in range(50):
            landing.write(Batch([record(number)], None))
        assert landing.cursor is None
        landing.write(Batch([], "end"))
        assert len(landing.commit().parts) == 1


def test_a_part_ends_after_so_many_results(tmp_path: Path) -> None:
    """It ends at the first cursor after them, whatever its size."""
    parts = land(tmp_path, BATCHES, max_part_results=12).parts
    assert len(parts) > 2
    assert all(12 <= part.results < 12 + 12 for part in parts[:-1])
    assert_landed_exactly_once(tmp_path, BATCHES)


def test_results_count_the_open_part(tmp_path: Path) -> None:
    """What was written counts at once, what was dropped does not."""
    with Landing.open(tmp_path, source=SOURCE) as landing:
        landing.write(Batch([record(1), record(2), record(1)], "1"))
        assert landing.results == 2


def test_what_the_reader_dropped_as_delivered_again_is_counted(tmp_path: Path) -> None:
    """The manifest counts replays, whoever recognised them."""
    delivered = [Batch([record(1), record(2), record(1)], "1", replays=3), Batch([record(3)], "2", replays=1)]
    assert land(tmp_path, delivered).duplicates_dropped == 1 + 3 + 1


def test_an_export_without_results_is_landed_too(tmp_path: Path) -> None:
    """No results make a manifest without parts."""
    landed = land(tmp_path, [Batch([], "latest")])
    assert (landed.parts, landed.results, landed.final_cursor) == ((), 0, "latest")
    assert names(tmp_path) == ["_manifest.json"]


def test_the_manifest_says_what_the_caller_knows(tmp_path: Path) -> None:
    """Counts and the last state come from the caller and are kept."""
    window = {"start": "2024-01-01T00:00:00Z", "stop": "2024-02-01T00:00:00Z"}
    with Landing.open(tmp_path, source=SOURCE | {"window": window}) as landing:
        landing.commit(exported=7, truncated=True, estimated_total=9, status="result_limit_reached")
    landed = manifest.read(tmp_path)
    assert (landed.exported, landed.truncated, landed.estimated_total) == (7, True, 9)
    assert landed.source == SOURCE | {"window": window, "status": "result_limit_reached"}


class BoomError(Exception):
    """Something of the caller's."""


def test_an_error_leaves_nothing_visible(tmp_path: Path) -> None:
    """Where the caller fails, the open part is gone and the checkpoint stays."""
    begin(tmp_path, BATCHES[:2])
    before = names(tmp_path)
    with pytest.raises(BoomError), open_landing(tmp_path, file_format="jsonl") as landing:  # noqa: PT012
        landing.write(BATCHES[3])
        raise BoomError
    assert names(tmp_path) == before == ["_checkpoint.json", "part-00000.jsonl", "part-00001.jsonl"]


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Let no file grow beyond 2 MiB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * 1024 * 1024, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_surfaces_as_it_is(tmp_path: Path) -> None:
    """The system's own error comes through, the half part is gone, and the landing takes no more."""
    landing = open_landing(tmp_path, file_format="jsonl")
    with pytest.raises(OSError, match="too large") as raised:  # noqa: PT012
        for number in range(10):
            landing.write(Batch([os.urandom(500_000).hex().encode()], str(number)))
    assert raised.value.errno == errno.EFBIG
    assert names(tmp_path) == []
    with pytest.raises(LandingClosedError, match="open it again"):
        landing.commit()


def test_an_ended_landing_takes_no_more(tmp_path: Path) -> None:
    """After commit or discard, write and commit say to open it again."""
    committed, discarded = (Landing.open(tmp_path / name, source=SOURCE) for name in "ab")
    committed.commit()
    discarded.discard()
    for landing in (committed, discarded, Landing.open(tmp_path / "a", source=SOURCE)):
        with pytest.raises(LandingClosedError):
            landing.write(BATCHES[0])
        with pytest.raises(LandingClosedError):
            landing.commit()


def test_a_retry_reads_on_from_the_checkpoint(tmp_path: Path) -> None:
    """What is durable is neither read nor written again."""
    begin(tmp_path, BATCHES[:6])
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("part-*")}
    landing = open_landing(tmp_path, file_format="jsonl")
    assert landing.cursor == "6"
    assert landing.results == len(each_once(BATCHES[:6]))
    land(tmp_path, BATCHES, file_format="jsonl")
    assert_landed_exactly_once(tmp_path, BATCHES)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in written} == written


@pytest.mark.parametrize("further", [manifest.MANIFEST, manifest.CHECKPOINT])
def test_a_retry_continues_the_try_that_got_further(tmp_path: Path, further: str) -> None:
    """Of an incomplete manifest and a checkpoint, the one with more parts counts, whichever it is."""
    begin(tmp_path, BATCHES[:2])
    short = (tmp_path / manifest.CHECKPOINT).read_bytes()
    begin(tmp_path, BATCHES[2:6])
    for name in (manifest.MANIFEST, manifest.CHECKPOINT):
        if name != further:
            (tmp_path / further).write_bytes((tmp_path / manifest.CHECKPOINT).read_bytes())
            (tmp_path / name).write_bytes(short)
    assert open_landing(tmp_path, file_format="jsonl").cursor == "6"
    land(tmp_path, BATCHES, file_format="jsonl")
    assert_landed_exactly_once(tmp_path, BATCHES)


def damage_by_removal(part: Path) -> None:
    """Remove a part."""
    part.unlink()


def damage_by_one_byte(part: Path) -> None:
    """Change one byte in the middle of a part."""
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)


def damage_by_truncation(part: Path) -> None:
    """Cut the end off a part."""
    part.write_bytes(part.read_bytes()[:-5])


@pytest.mark.parametrize("damage", [damage_by_removal, damage_by_one_byte, damage_by_truncation])
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_damaged_part_is_landed_again(
    tmp_path: Path, damage: object, file_format: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkpointed part that is not as it was written is not trusted: all is landed anew, and the log says why."""
    begin(tmp_path, BATCHES[:6], file_format)
    damage(tmp_path / f"part-00001.{file_format}")  # type: ignore[operator]
    landing = open_landing(tmp_path, file_format=file_format)
    assert (landing.cursor, landing.results) == (None, 0)
    assert f"because part-00001.{file_format} " in caplog.text
    land(tmp_path, BATCHES, file_format=file_format)
    assert_landed_exactly_once(tmp_path, BATCHES)


def age(directory: Path, part: int, seconds: float) -> None:
    """Let a part have been written so long ago, by the checkpoint."""
    checkpoint = json.loads((directory / manifest.CHECKPOINT).read_text())
    written = datetime.now(UTC) - timedelta(seconds=seconds)
    checkpoint["parts"][part]["written_at"] = written.isoformat(timespec="seconds")
    (directory / manifest.CHECKPOINT).write_text(json.dumps(checkpoint))


@pytest.mark.parametrize("damage", [damage_by_removal, damage_by_one_byte, damage_by_truncation])
def test_parts_of_a_stream_whose_records_cannot_come_again_are_not_read(
    tmp_path: Path, damage: object
) -> None:
    """Though they were damaged, a retry goes on behind them, and knows the records of the others."""
    begin(tmp_path, BATCHES[:6])
    age(tmp_path, 0, 900)
    age(tmp_path, 1, 601)
    damage(tmp_path / "part-00001.jsonl")  # type: ignore[operator]
    with open_landing(tmp_path, file_format="jsonl", dedup=Dedup(window_seconds=600)) as landing:
        assert landing.cursor == "6"
        assert landing.write(BATCHES[1]) == BATCHES[1].records
        assert landing.write(BATCHES[4]) == []


def test_the_last_parts_of_a_stream_are_checked(tmp_path: Path) -> None:
    """As those of other landings are."""
    begin(tmp_path, BATCHES[:6])
    age(tmp_path, 1, 599)
    damage_by_one_byte(tmp_path / "part-00001.jsonl")
    assert open_landing(tmp_path, file_format="jsonl", dedup=Dedup(window_seconds=600)).cursor is None


def test_another_format_is_landed_from_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A landing has one format: a retry in another one begins anew."""
    begin(tmp_path, BATCHES[:6], "jsonl")
    land(tmp_path, BATCHES, file_format="jsonl.gz")
    assert_landed_exactly_once(tmp_path, BATCHES)
    assert "it started as jsonl and file_format is now jsonl.gz" in caplog.text


@pytest.mark.parametrize("complete", [True, False])
def test_another_collector_is_refused(tmp_path: Path, complete: bool) -> None:
    """A directory that holds another collector's results stays as it is, and the error names both."""
    if complete:
        land(tmp_path, BATCHES)
    else:
        begin(tmp_path, BATCHES)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DirectoryInUseError, match=r"'twx-one'.*'twx-two'"):
        Landing.open(tmp_path, source={"owner": "twx-two"})
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("complete", [True, False])
def test_an_export_ordered_anew_replaces_the_old_one(tmp_path: Path, complete: bool) -> None:
    """Opening removes the old manifest and parts, so nobody reads a mix of both."""
    if complete:
        land(tmp_path, BATCHES, file_format="jsonl", max_part_bytes=1)
    else:
        begin(tmp_path, BATCHES)
    with Landing.open(tmp_path, source=SOURCE | {"export_id": "export-2"}) as landing:
        assert names(tmp_path) == []
        landing.write(BATCHES[0])
        landing.commit()
    assert landed_records(tmp_path) == each_once(BATCHES[:1])


def test_an_incomplete_landing_is_continued(tmp_path: Path) -> None:
    """A manifest committed as incomplete is valid, and a later landing adds what was missing."""
    with Landing.open(tmp_path, source=SOURCE) as landing:
        for batch in BATCHES[:7]:  # the last has no cursor, so it is delivered again
            landing.write(batch)
        assert landing.commit(exported=99, complete=False).complete is False
        assert landing.committed is None
    assert manifest.verify(tmp_path) == []
    assert landed_records(tmp_path) == each_once(BATCHES[:7])
    land(tmp_path, BATCHES)
    assert landed_records(tmp_path) == each_once(BATCHES)
    assert manifest.read(tmp_path).complete


def test_a_source_must_say_whose_it_is(tmp_path: Path) -> None:
    """Without an owner nobody could tell two landings apart."""
    with pytest.raises(InvalidRequestError, match="names no owner"):
        Landing.open(tmp_path, source={})


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    """The error lists what is supported."""
    with pytest.raises(UnsupportedFormatError, match=r"'csv'.*jsonl, jsonl.gz"):
        open_landing(tmp_path, file_format="csv")


def test_each_part_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line says what a part holds."""
    with caplog.at_level(logging.INFO):
        land(tmp_path, BATCHES[:1], file_format="jsonl")
    assert (
        f"part-00000.jsonl: 5 results, {sum(len(line) + 1 for line in BATCHES[0].records)} bytes"
        in caplog.text
    )


some_records = st.lists(st.integers(0, 30).map(record), max_size=6)


@pytest.mark.slow
@settings(max_examples=150)
@given(
    delivered=st.lists(st.tuples(some_records, st.booleans(), st.integers(0, 2)), max_size=15),
    deaths=st.lists(st.integers(1, 8), max_size=4),
    file_format=st.sampled_from(sorted(FORMATS)),
    max_part_bytes=st.sampled_from([1, 100, 500]),
    window_seconds=st.sampled_from([None, 600]),
)
def test_any_stream_through_any_deaths(
    delivered: list[tuple[list[bytes], bool, int]],
    deaths: list[int],
    file_format: str,
    max_part_bytes: int,
    window_seconds: float | None,
) -> None:
    """Whatever is delivered, twice or without cursors, and whenever tries die: each record is landed once."""
    batches = [
        Batch(records, str(at + 1) if has_cursor else None, foreign)
        for at, (records, has_cursor, foreign) in enumerate(delivered)
    ]
    directory = Path(tempfile.mkdtemp())
    options = {
        "file_format": file_format,
        "max_part_bytes": max_part_bytes,
        "dedup": Dedup(window_seconds=window_seconds),
    }
    abandoned = []
    try:
        for batches_until_death in deaths:
            dead = open_landing(directory, **options)  # type: ignore[arg-type]
            abandoned.append(dead)
            for batch in list(read_from(batches, dead.cursor))[:batches_until_death]:
                dead.write(batch)
        land(directory, batches, **options)
        assert_landed_exactly_once(directory, batches)
    finally:
        shutil.rmtree(directory)
