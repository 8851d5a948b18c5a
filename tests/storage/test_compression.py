"""What the compressed formats promise, where a part has many blocks."""

from __future__ import annotations

import gzip
import random
import shutil
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.formats import FORMATS, FileFormat
from airflow_provider_twexport.storage.json_lines import BLOCK_BYTES, CompressedLines
from tests.storage.stream import assert_landed_exactly_once, each_once, land, landed_records, open_landing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = ["jsonl", "jsonl.gz", "jsonl.zst"]
COMPRESSED = LINES[1:]
MANY_BLOCKS = 16
PER_BATCH = 64
WORDS = [b"word%d" % number for number in range(1024)]


def documents(number: int) -> list[bytes]:
    """Return some 3 kB long documents that compress about as well as real ones."""
    chance = random.Random(number)
    return [b'{"id":"%032x","text":"%s"}' % (chance.getrandbits(128), text(chance)) for _ in range(PER_BATCH)]


def text(chance: random.Random) -> bytes:
    """Return words."""
    return b" ".join(chance.choices(WORDS, k=370))


BATCHES = [
    Batch(documents(number), str(number + 1)) for number in range(MANY_BLOCKS * BLOCK_BYTES // 190_000)
]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Whatever a test does, the threads of its landings end with them."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def part_in(directory: Path) -> Path:
    """Return the only part."""
    (part,) = directory.glob("part-*")
    return part


@pytest.mark.parametrize("file_format", LINES)
def test_blocks_keep_their_order(tmp_path: Path, file_format: str) -> None:
    """Many blocks in one part hold each record once, in order, and make the same file each time."""
    first, second = (land(tmp_path / name, BATCHES, file_format=file_format) for name in "ab")
    assert_landed_exactly_once(tmp_path / "a", BATCHES)
    assert first.parts == second.parts


@pytest.mark.parametrize("file_format", LINES)
def test_a_part_is_about_as_large_as_wanted(tmp_path: Path, file_format: str) -> None:
    """What is still being compressed is reckoned with, the same way each time."""
    wanted = 1_250_000
    first, second = (
        land(tmp_path / name, BATCHES, file_format=file_format, max_part_bytes=wanted) for name in "ab"
    )
    assert len(first.parts) > 2
    assert all(0.95 * wanted < part.bytes < 1.2 * wanted for part in first.parts[:-1])
    assert first.parts == second.parts


def test_python_reads_the_members_as_one_file(tmp_path: Path) -> None:
    """Its own gzip gives all the lines."""
    land(tmp_path, BATCHES, file_format="jsonl.gz")
    assert gzip.decompress(part_in(tmp_path).read_bytes()).splitlines() == each_once(BATCHES)


@pytest.mark.slow
@pytest.mark.parametrize(("file_format", "tool"), [("jsonl.gz", "gzip"), ("jsonl.zst", "zstd")])
def test_the_usual_tools_read_the_parts(tmp_path: Path, file_format: str, tool: str) -> None:
    """They find nothing wrong, and give all the lines."""
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    land(tmp_path, BATCHES, file_format=file_format)
    subprocess.run([tool, "-t", part_in(tmp_path)], check=True)
    read = subprocess.run([tool, "-dc", part_in(tmp_path)], check=True, capture_output=True).stdout
    assert read.splitlines() == each_once(BATCHES)


@pytest.mark.parametrize("file_format", COMPRESSED)
def test_a_higher_level_makes_smaller_parts(tmp_path: Path, file_format: str) -> None:
    """The level arrives at the compressor, and a landing may go on with another one."""
    low, high = FORMATS[file_format].levels[0], min(FORMATS[file_format].levels[-1], 9)
    small, large = (
        land(tmp_path / str(level), BATCHES[:20], file_format=file_format, compression_level=level)
        for level in (high, low)
    )
    assert small.bytes < large.bytes


@pytest.mark.parametrize("file_format", COMPRESSED)
def test_each_extreme_level_works(tmp_path: Path, file_format: str) -> None:
    """The first and the last level that are named are levels."""
    for level in (FORMATS[file_format].levels[0], FORMATS[file_format].levels[-1]):
        land(tmp_path / str(level), BATCHES[:1], file_format=file_format, compression_level=level)
        assert landed_records(tmp_path / str(level)) == each_once(BATCHES[:1])


@pytest.mark.parametrize(
    ("file_format", "level", "range_named"),
    [
        ("jsonl.gz", 4, "choose 0 to 3"),
        ("jsonl.gz", -1, "choose 0 to 3"),
        ("jsonl.zst", 0, "choose 1 to 22"),
        ("jsonl.zst", 23, "choose 1 to 22"),
        ("jsonl", 1, "jsonl is not compressed"),
    ],
)
def test_a_level_out_of_range_is_refused(
    tmp_path: Path, file_format: str, level: int, range_named: str
) -> None:
    """The error names the range, and nothing was touched."""
    with pytest.raises(InvalidRequestError, match=f"compression_level {level}.*{range_named}"):
        open_landing(tmp_path, file_format=file_format, compression_level=level)
    assert list(tmp_path.iterdir()) == []


class BoomError(Exception):
    """Something breaks in a thread."""


def boom(block: bytes) -> bytes:
    """Compress nothing."""
    raise BoomError


@pytest.fixture
def broken_format(monkeypatch: pytest.MonkeyPatch) -> str:
    """Declare a format whose compressor fails."""
    broken = FileFormat("jsonl.boom", lambda level: CompressedLines(boom), FORMATS["jsonl"].decode)
    monkeypatch.setitem(FORMATS, broken.name, broken)
    return broken.name


def test_an_error_of_a_thread_ends_a_write(tmp_path: Path, broken_format: str) -> None:
    """It surfaces after a few blocks, not only at the end, and leaves no file."""
    landing = open_landing(tmp_path, file_format=broken_format)
    with pytest.raises(BoomError):  # noqa: PT012
        for batch in BATCHES:
            landing.write(batch)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_a_thread_ends_a_commit(tmp_path: Path, broken_format: str) -> None:
    """It surfaces there at the latest, and leaves no file."""
    landing = open_landing(tmp_path, file_format=broken_format)
    landing.write(BATCHES[0])
    with pytest.raises(BoomError):
        landing.commit()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file_format", LINES)
@pytest.mark.parametrize("batches", [1, len(BATCHES)])
def test_a_discarded_part_leaves_nothing(tmp_path: Path, file_format: str, batches: int) -> None:
    """Whatever is under way, no file is left, visible or not."""
    landing = open_landing(tmp_path, file_format=file_format)
    for batch in BATCHES[:batches]:
        landing.write(batch)
    landing.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file_format", LINES)
def test_bytes_grow_with_the_open_part(tmp_path: Path, file_format: str) -> None:
    """What is written counts at once, never less than before, and comes to what the manifest says."""
    landing = open_landing(tmp_path, file_format=file_format, max_part_bytes=2_000_000)
    seen = [landing.bytes]
    for batch in BATCHES:
        landing.write(batch)
        seen.append(landing.bytes)
    assert seen == sorted(seen)
    assert 0 < seen[-1] <= landing.commit().bytes == landing.bytes == manifest.read(tmp_path).bytes


@pytest.mark.parametrize("file_format", COMPRESSED)
def test_no_damage_goes_unnoticed(tmp_path: Path, file_format: str) -> None:
    """A reader that knows no checksum is told of cut and changed bytes by the format itself."""
    land(tmp_path, BATCHES[:12], file_format=file_format)
    part = part_in(tmp_path)
    whole = part.read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b"?" + whole):
        part.write_bytes(damaged)
        assert len(manifest.verify(tmp_path)) == 1
        with part.open("rb") as file, pytest.raises(Exception, match=r"is not complete|within a line"):
            list(FORMATS[file_format].decode(file))
