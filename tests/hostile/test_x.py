"""Some of what ``make hostile-x`` plays: X as nobody has documented it loses no post, and is paid for no page twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport.simulator.x.odd_pages import NO_RESULTS
from airflow_provider_twexport.storage import manifest
from tests.hostile import x_capture, x_search

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulator_process import Simulator

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(5))
def test_half_an_hour_lands_every_post_once_or_names_the_gap(
    seed: int, simulator: Simulator, tmp_path: Path
) -> None:
    """Through random notices, cuts, silence, line ends, damaged gzip, refusals and an outage of up to ten minutes."""
    assert x_capture.play(seed, simulator, tmp_path) == []
    assert manifest.read(tmp_path).results > 0


@pytest.mark.parametrize("seed", range(4))
def test_odd_pages_are_paid_once_and_each_post_lands_once(
    seed: int, simulator: Simulator, tmp_path: Path
) -> None:
    """Empty pages, pages without results, repeated pages and tokens, and results that nobody can read."""
    assert x_search.play(seed, simulator, tmp_path) == []
    unreadable = manifest.read(tmp_path).unreadable
    assert unreadable is not None
    content = (tmp_path / unreadable.file).read_bytes()
    assert (len(content), len(content.splitlines())) == (unreadable.bytes, unreadable.count)
    assert set(content.splitlines()) <= set(NO_RESULTS)


def test_100_000_posts_through_odd_pages(simulator: Simulator, tmp_path: Path) -> None:
    """A large search pays for no page twice, and lands each post once."""
    assert x_search.play(7, simulator, tmp_path, posts_per_day=3_600) == []
    assert manifest.read(tmp_path).results > 100_000
