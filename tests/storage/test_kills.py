"""Landing through kill -9."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.storage.formats import FORMATS
from airflow_provider_twexport.storage.landing import Landing
from tests.storage.dying import ANYTIME_STREAM, STEPS_STREAM
from tests.storage.stream import SOURCE, assert_landed_exactly_once, each_once, land, landed_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.storage.conftest import Bucket


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_kill_at_any_step_costs_nothing(
    file_format: str, tmp_path: Path, run_program: Callable[..., Any]
) -> None:
    """Killed before or after any sync, rename or removal, the next try lands each record exactly once."""
    steps = run_program("tests.storage.dying", "steps", tmp_path, file_format)
    assert steps > 20
    for step in range(steps):
        if (tmp_path / str(step) / "_manifest.json").exists():
            assert landed_records(tmp_path / str(step)) == each_once(STEPS_STREAM)
        land(tmp_path / str(step), STEPS_STREAM, file_format=file_format, max_part_bytes=300)
        assert_landed_exactly_once(tmp_path / str(step), STEPS_STREAM)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("seed", range(2))
def test_kills_at_random_moments_cost_nothing(
    seed: int, file_format: str, tmp_path: Path, run_program: Callable[..., Any]
) -> None:
    """However many tries die, the one that survives has landed each record exactly once."""
    assert run_program("tests.storage.dying", "anytime", tmp_path, file_format, "{}", seed) > 0
    assert_landed_exactly_once(tmp_path, ANYTIME_STREAM)


@pytest.mark.parametrize("file_format", ["jsonl", "jsonl.zst"])
def test_kills_during_uploads_cost_nothing(
    file_format: str, bucket: Bucket, run_program: Callable[..., Any]
) -> None:
    """On S3 too, the try that survives has landed each record exactly once."""
    options = json.dumps(bucket.options)
    place = f"s3://{bucket.name}/landing"
    assert run_program("tests.storage.dying", "anytime", place, file_format, options, "s3") > 0
    assert_landed_exactly_once(bucket / "landing", ANYTIME_STREAM)


def test_a_committed_landing_is_read_no_more(tmp_path: Path) -> None:
    """A try after the commit is told so, whatever the tries before left behind."""
    first = land(tmp_path, STEPS_STREAM)
    (tmp_path / "_checkpoint.json").write_text(first.to_json())
    (tmp_path / "part-00099.jsonl.gz").touch()
    (tmp_path / ".part-00001.jsonl.gz.0123abcd.tmp").touch()
    (tmp_path / "notes.txt").touch()
    assert Landing.open(tmp_path, source=SOURCE).committed == first
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "_manifest.json",
        "notes.txt",
        "part-00000.jsonl.gz",
    ]
