"""Tables of text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pendulum

    from airflow_provider_twexport.core.window import Window


def edges(window: Window) -> str:
    """Return ``[2024-01-01T00:00Z, 2024-02-01T00:00Z)``: the first moment is in, the last is not.

    :param window: what to name.
    """
    return f"[{_moment(window.start)}, {_moment(window.stop)})"


def aligned(rows: Sequence[tuple[str, ...]], sides: str) -> list[str]:
    """Return rows of cells as lines with columns as wide as they need to be.

    :param rows: cells of each row.
    :param sides: for each column ``<`` to align left or ``>`` to align right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _moment(moment: pendulum.DateTime) -> str:
    at = moment if moment.timezone_name == "UTC" else moment.in_timezone("UTC")
    whole_minutes = not (at.second or at.microsecond)
    return at.strftime("%Y-%m-%dT%H:%MZ" if whole_minutes else "%Y-%m-%dT%H:%M:%S.%fZ")
