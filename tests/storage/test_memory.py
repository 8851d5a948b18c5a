"""Constant memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_memory_does_not_grow_with_the_export(tmp_path: Path, run_program: Callable[..., Any]) -> None:
    """Landing 300 MB, resumed in the middle, takes less than 60 MiB more than landing a few records."""
    assert run_program("tests.storage.measuring", tmp_path) < 60
