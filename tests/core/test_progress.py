"""The progress lines of a long read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_twexport.core import progress
from airflow_provider_twexport.core.progress import Progress

if TYPE_CHECKING:
    import pytest


def test_says_how_much_how_fast_and_how_long() -> None:
    """Results, bytes, of how many, at what speed, and the time to go."""
    line = Progress(expected=1_000_000, initial=100_000).line(400_000, 250_000_000, seconds=10)
    assert line == "400,000 results (250.0 MB) of 1,000,000 have landed, 30,000 a second, 20 s to go"


def test_promises_nothing_that_is_not_known() -> None:
    """Without an expected number there is no time to go."""
    line = Progress(expected=None, initial=0).line(500, 1_000_000, seconds=2)
    assert line == "500 results (1.0 MB), 250 a second"
    assert Progress(expected=9_000, initial=0).line(0, 0, seconds=0).endswith("0 a second")
    assert Progress(expected=9_000, initial=0).line(100, 0, seconds=1).endswith("1 min 29 s to go")


def test_does_not_flood_the_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line every few seconds, however many batches come."""
    with caplog.at_level(logging.INFO):
        progress_log = Progress(expected=10, initial=0)
        for results in range(100):
            progress_log.report(results, results)
        assert caplog.records == []
        monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
        progress_log.report(10, 10)
    assert len(caplog.records) == 1
