"""Windows: half-open, in UTC."""

from __future__ import annotations

import json

import pendulum
import pytest

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import InvalidRequestError

JAN_1 = pendulum.datetime(2024, 1, 1)


def days(start: int, stop: int) -> Window:
    """Return the window between two days of January."""
    return Window(JAN_1.add(days=start), JAN_1.add(days=stop))


def test_an_empty_window_is_refused() -> None:
    """Nothing lies between a moment and itself."""
    with pytest.raises(InvalidRequestError, match="is empty"):
        days(1, 1)


@pytest.mark.parametrize(
    ("other", "contained", "overlapping"),
    [
        (days(0, 1), False, False),
        (days(0, 3), False, True),
        (days(2, 3), True, True),
        (days(2, 5), True, True),
        (days(3, 6), False, True),
        (days(5, 6), False, False),
        (days(0, 6), False, True),
    ],
)
def test_windows_that_only_touch_share_no_time(other: Window, contained: bool, overlapping: bool) -> None:
    """The last moment belongs to the next window, and a window contains itself."""
    window = days(2, 5)
    assert (window.contains(other), window.overlaps(other)) == (contained, overlapping)
    assert other.overlaps(window) == overlapping


def test_a_window_survives_json() -> None:
    """It is written in UTC, whatever zone it was made in."""
    window = Window(pendulum.datetime(2024, 1, 1, 1, tz="Europe/Madrid"), JAN_1.add(hours=1, microseconds=5))
    written = json.loads(json.dumps(window.to_json()))
    assert written == {"start": "2024-01-01T00:00:00Z", "stop": "2024-01-01T01:00:00.000005Z"}
    assert Window.from_json(written) == window
    assert window.seconds == pytest.approx(3_600.000005)
