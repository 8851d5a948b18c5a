"""Constant memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.storage.formats import FORMATS

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
