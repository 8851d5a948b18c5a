"""Tables of text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    import pendulum

    from airflow_provider_twexport.core.window import Window


def edges(window: Window) -> str:
    """Return ``[2024-01-01T00:00Z, 2024-02-01T00:00Z)``: the first moment is in, the last is not.

    :param window: what to name.
    """
    return f"[{_moment(window.start)}, {_moment(window.stop)})"


def aligned(rows: Collection[tuple[str, ...]], sides: str) -> list[str]:
    """Return rows of cells as lines with columns as wide as they need to be.

    :param rows: cells of each row; iterated over twice, so that hundreds of thousands need not be kept.
    :param sides: for each column ``<`` to align left or ``>`` to align right.
    """
    widths = [0] * len(sides)
    for row in rows:
        widths = list(map(max, widths, map(len, row)))
    return [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _moment(moment: pendulum.DateTime) -> str:
    at = moment if moment.timezone_name == "UTC" else moment.in_timezone("UTC")
    if at.second or at.microsecond:
        return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    # a plan may have hundreds of thousands, and this is much faster than strftime
    return f"{at.year:04}-{at.month:02}-{at.day:02}T{at.hour:02}:{at.minute:02}Z"
