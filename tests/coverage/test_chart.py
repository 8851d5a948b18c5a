"""The calendar of what has landed."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.coverage.chart import COLOURS, draw
from airflow_provider_twexport.coverage.coverage import DayState, Piece, coverage
from airflow_provider_twexport.exceptions import FixRequestError

if TYPE_CHECKING:
    from pathlib import Path


def months(first: int, last: int, **more: Any) -> Piece:
    """A landing of some months, counted from January 2024."""
    begin = pendulum.datetime(2024, 1, 1)
    window = Window(begin.add(months=first), begin.add(months=last))
    return Piece(window, "demo", f"{first}-{last}", 100, **more)


def test_each_state_has_its_colour_in_the_picture(tmp_path: Path) -> None:
    """As many pixels of it as there are such days, more or less."""
    bought = months(3, 4, complete=False)
    pieces = [months(0, 1), months(1, 2, truncated=True), months(2, 3, complete=False)]
    pieces += [Piece(bought.window, "demo", "e", 0, complete=False), months(5, 6)]
    path = tmp_path / "calendar.png"
    (covered,) = tracks = coverage(pieces)
    draw(tracks, str(path))
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.info["Description"] == "demo"
        pixels = picture.convert("RGB")
        shades = {colour: count for count, colour in pixels.getcolors(pixels.width * pixels.height) or ()}
    for state, colour in COLOURS.items():
        shade = tuple(round(255 * part) for part in to_rgb(colour))
        by_day = shades[shade] / covered.counts[state]
        assert 500 < by_day < 1_000, state


def test_years_and_tracks_make_it_taller(tmp_path: Path) -> None:
    """A row for each year of each track."""
    heights = []
    for name, pieces in {"one": [months(0, 12)], "two": [months(0, 24)]}.items():
        draw(coverage(pieces), str(tmp_path / f"{name}.png"))
        with Image.open(tmp_path / f"{name}.png") as picture:
            heights.append(picture.height)
    assert heights[1] > 1.4 * heights[0]


def test_colours_differ_in_lightness_from_their_neighbours() -> None:
    """So that they can be told apart without any colour vision, and each state has one."""
    assert set(COLOURS) == set(DayState)
    light = {
        state: sum(w * c for w, c in zip((0.3, 0.59, 0.11), to_rgb(colour), strict=True))
        for state, colour in COLOURS.items()
    }
    assert all(abs(light[a] - light[b]) > 0.03 for a, b in combinations(light, 2))


def test_only_svg_and_png_are_drawn(tmp_path: Path) -> None:
    """Another ending is told before any work is done."""
    with pytest.raises(FixRequestError, match=r"\.svg or \.png"):
        draw(coverage([months(0, 1)]), str(tmp_path / "calendar.pdf"))
