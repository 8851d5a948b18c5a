"""The coverage as a calendar: a row for each track and year, a square for each day, a colour for each state."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.coverage.coverage import DayState
from airflow_provider_twexport.exceptions import FixRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_twexport.coverage.coverage import Day, TrackCoverage

ENDINGS = (".svg", ".png")
# Okabe and Ito's colours, which people with any colour vision can tell apart, also by their lightness
COLOURS = {
    DayState.LANDED: "#0072B2",
    DayState.PARTIAL: "#8CCBF0",
    DayState.TRUNCATED: "#E69F00",
    DayState.UNLANDED: "#CC79A7",
    DayState.MISSING: "#E6E6E6",
}
_TITLE = "What has landed, day by day"
_BOUGHT_TWICE = "bought twice"
_NAMES = {DayState.UNLANDED: "bought, not landed"}
_INK, _FAINT = "#222222", "#6B6B6B"
_WEEKDAYS = ("Mon", "", "Wed", "", "Fri", "", "Sun")
_SQUARE = 0.2  # all lengths are in inches
_LEFT = 0.85
_TOP = 0.72
_TRACK_HEAD = 0.62
_YEAR_HEAD = 0.3
_MOST_PIXELS = 60_000


def check(path: str) -> None:
    """Make sure, before any work is done, that a picture can be drawn.

    :param path: the file that it is to be.
    :raises FixRequestError: if it is to be something else than SVG or PNG, or there is no library to draw it.
    """
    if not path.lower().endswith(ENDINGS):
        raise FixRequestError(f"{path!r} is no name for a picture: end it with {' or '.join(ENDINGS)}.")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise FixRequestError(
            "Pictures need matplotlib: pip install 'airflow-provider-twexport[pictures]'."
        ) from None


def draw(tracks: Sequence[TrackCoverage], path: str) -> None:
    """Draw the coverage into a file.

    :param tracks: what :func:`coverage.coverage` returned; one at least.
    :param path: ``FILE.svg`` or ``FILE.png``; one of that name is replaced.
    :raises FixRequestError: as :func:`check` says.
    """
    check(path)
    import matplotlib

    # text stays text in an SVG, and may be searched for
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "twexport", "font.size": 9}):
        _save(_figure(tracks), tracks, Path(path))


@dataclass(frozen=True, slots=True)
class _Row:
    """One year of one track."""

    track: TrackCoverage
    year: int
    days: tuple[Day, ...]
    starts_track: bool


def _rows(tracks: Sequence[TrackCoverage]) -> list[_Row]:
    rows = []
    for covered in tracks:
        years = groupby(covered.days, lambda day: day.window.start.year)
        for number, (year, days) in enumerate(years):
            rows.append(_Row(covered, year, tuple(days), number == 0))
    return rows


def _figure(tracks: Sequence[TrackCoverage]) -> Any:
    from matplotlib.figure import Figure

    rows = _rows(tracks)
    weeks = max(_week(row, row.days[-1]) for row in rows) + 1
    width = max(7.0, _LEFT + weeks * _SQUARE + 0.25)
    legend = 0.45 if width > 9 else 0.65
    height = _TOP + len(tracks) * _TRACK_HEAD + len(rows) * (_YEAR_HEAD + 7 * _SQUARE) + legend
    figure = Figure(figsize=(width, height), facecolor="white")
    bottom = height - _TOP
    for row in rows:
        if row.starts_track:
            _name(figure, row.track, bottom - 0.22)
            bottom -= _TRACK_HEAD
        bottom -= _YEAR_HEAD + 7 * _SQUARE
        place = (_LEFT / width, bottom / height, weeks * _SQUARE / width, 7 * _SQUARE / height)
        _draw_row(figure.add_axes(place), row, weeks)
    _title(figure, tracks)
    _legend(figure)
    return figure


def _week(row: _Row, day: Day) -> int:
    """Return the column of a day: weeks from Monday, counted from that of the row's first day in a single year."""
    return _weeks_between(_first_monday(row), day.window.start)


def _first_monday(row: _Row) -> pendulum.DateTime:
    whole = row.track.days
    spans_years = whole[0].window.start.year != whole[-1].window.start.year
    first = pendulum.datetime(row.year, 1, 1) if spans_years else whole[0].window.start
    return first.start_of("week")


def _weeks_between(monday: pendulum.DateTime, moment: pendulum.DateTime) -> int:
    return (moment.date() - monday.date()).days // 7


def _draw_row(axes: Any, row: _Row, weeks: int) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    squares: defaultdict[DayState, list[Any]] = defaultdict(list)
    twice: list[tuple[float, float]] = []
    for day in row.days:
        at = _week(row, day), day.window.start.weekday()
        squares[day.state].append(Rectangle((at[0] + 0.06, at[1] + 0.06), 0.88, 0.88))
        if day.bought_twice:
            twice.append((at[0] + 0.5, at[1] + 0.5))
    for state, patches in squares.items():
        axes.add_collection(PatchCollection(patches, facecolor=COLOURS[state], linewidth=0))
    if twice:
        axes.scatter(*zip(*twice, strict=True), **_TWICE)
    axes.set_xlim(0, weeks)
    axes.set_ylim(7, 0)
    axes.set_aspect("equal", anchor="NW")
    axes.set_frame_on(False)
    axes.set_yticks([number + 0.5 for number in range(7)], _WEEKDAYS, color=_FAINT, fontsize=7)
    axes.set_xticks(*_months(row), color=_FAINT, fontsize=8, ha="left")
    axes.tick_params(length=0, pad=2, labeltop=True, labelbottom=False)
    axes.text(-3.2, 3.5, str(row.year), color=_INK, fontsize=10, rotation=90, ha="center", va="center")


_TWICE: dict[str, Any] = {"marker": "o", "s": 14, "c": "#111111", "edgecolors": "white", "linewidths": 0.8}


def _months(row: _Row) -> tuple[list[float], list[str]]:
    """Return where months begin; the one that the row begins within is named at its edge if there is room."""
    first, places = row.days[0], {}
    if first.window.start.day < 22:
        places[_week(row, first)] = first.window.start
    for day in row.days:
        if day.window.start.day == 1:
            places[_week(row, day)] = day.window.start
    return [float(week) for week in places], [start.strftime("%b") for start in places.values()]


def _name(figure: Any, covered: TrackCoverage, top: float) -> None:
    most = round(figure.get_figwidth() * 11)
    name = shorten(str(covered.track), most, placeholder=" …")
    _write(figure, top, name, fontsize=10, fontweight="bold", color=_INK)
    counts = [(_NAMES.get(state, str(state)), covered.counts[state]) for state in COLOURS]
    counts.append((_BOUGHT_TWICE, covered.counts["bought_twice"]))
    said = ",  ".join(f"{count:,} {name}" for name, count in counts if count)
    _write(figure, top - 0.19, f"Days: {said}", fontsize=8.5, color=_FAINT)


def _title(figure: Any, tracks: Sequence[TrackCoverage]) -> None:
    days, height = tracks[0].days, figure.get_figheight()
    first, last = days[0].window.start, days[-1].window.stop.subtract(microseconds=1)
    range_text = f"{first.format('D MMM YYYY')} to {last.format('D MMM YYYY')}, days in UTC"
    _write(figure, height - 0.14, _TITLE, fontsize=15, fontweight="bold", color=_INK)
    _write(figure, height - 0.44, range_text, fontsize=9.5, color=_FAINT)


def _write(figure: Any, top: float, text: str, **looks: Any) -> None:
    # a query may hold what would be taken for mathematics
    x, y = 0.18 / figure.get_figwidth(), top / figure.get_figheight()
    figure.text(x, y, text, va="top", parse_math=False, **looks)


def _legend(figure: Any) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=colour, label=_NAMES.get(state, str(state))) for state, colour in COLOURS.items()
    ]
    size = _TWICE["s"] ** 0.5 + 1
    dot = Line2D([], [], marker="o", ls="", ms=size, mfc=_TWICE["c"], mec="white")
    dot.set_label(_BOUGHT_TWICE)
    figure.legend(
        handles=[*handles, dot],
        loc="lower left",
        bbox_to_anchor=(0.1 / figure.get_figwidth(), 0.0),
        ncols=6 if figure.get_figwidth() > 9 else 3,
        frameon=False,
        fontsize=8.5,
        labelcolor=_INK,
        handlelength=1,
        handleheight=1,
        columnspacing=1.4,
        handletextpad=0.5,
    )


def _save(figure: Any, tracks: Sequence[TrackCoverage], path: Path) -> None:
    is_svg = path.suffix.lower() == ".svg"
    names = "; ".join(str(covered.track) for covered in tracks)
    metadata: dict[str, Any] = {"Title": _TITLE, "Description": names}
    if is_svg:
        metadata["Date"] = None
    dpi = min(150.0, _MOST_PIXELS / max(figure.get_size_inches()))
    figure.savefig(path, format=path.suffix[1:].lower(), dpi=dpi, metadata=metadata)
