"""Constant memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.storage.formats import FORMATS
from tests.storage.remembering import PER_SECOND, SECONDS, SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("file_format", FORMATS)
def test_memory_does_not_grow_with_the_export(
    file_format: str, tmp_path: Path, run_program: Callable[..., Any]
) -> None:
    """Landing 300 MB, resumed in the middle, takes little more than landing a few records."""
    most_mib = 150 if file_format == "parquet" else 60
    assert run_program("tests.storage.measuring", tmp_path, file_format, 2 * 2**20, "{}") < most_mib


def test_memory_of_a_stream_does_not_grow_with_time(run_program: Callable[..., Any]) -> None:
    """Sixteen bytes for each record of the last while and two tables more, however long it is read; none is missed."""
    at_first, from_then_on = run_program("tests.storage.remembering")
    table = 8 * SLOTS / 2**20
    assert at_first < 16 * PER_SECOND * SECONDS / 2**20 + 2 * table + 2
    assert from_then_on < table + 2
