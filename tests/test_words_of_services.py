"""What all services share knows no word of one of them, so that a change in one cannot break another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "airflow_provider_twexport"
SHARED = ("core", "storage", "coverage", "telemetry", "links/base.py", "links/exports_page.py", "plugin/*.py")
WORDS = {
    "talkwalker": r"talkwalker|project_id|stream_id|export_task",
    "x": r"x.enterprise|\bx_(search|stream)|decahose|powertrack|tweet|twitter|gnip",
    "adobe": r"adobe|\baep\b|sandbox|\bims\b",
}


@pytest.mark.parametrize("service", WORDS)
def test_shared_code_has_no_word_of_a_service(service: str) -> None:
    """Neither in code nor in a comment or docstring."""
    files = [
        file
        for pattern in SHARED
        for path in PACKAGE.glob(pattern)
        for file in (path.rglob("*.py") if path.is_dir() else (path,))
    ]
    assert len(files) > 50
    word = re.compile(WORDS[service], re.IGNORECASE)
    found = [
        f"{file.relative_to(PACKAGE)}: {line.strip()}"
        for file in files
        for line in file.read_text().splitlines()
        if word.search(line)
    ]
    assert found == []
