"""Arguments, perhaps rendered templates, become values here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse_int(name: str, value: int | str | None) -> int | None:
    """Return the whole number that an argument stands for; ``None`` for an empty one.

    :raises InvalidRequestError: if it is not a whole number.
    """
    if value is None or value in ("", "None"):
        return None
    try:
        return int(value)
    except ValueError:
        raise InvalidRequestError(
            f"{name}={value!r} is not a whole number. Give one, such as 1000."
        ) from None


def parse_list(value: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return the names that an argument stands for: a list, or a text with commas."""
    names = value.split(",") if isinstance(value, str) else value or ()
    return tuple(name.strip() for name in names if name.strip())


def parse_moment(value: Any) -> pendulum.DateTime:
    """Return the point in time that an argument stands for, in UTC.

    :param value: a text, or a ``datetime``: a date, or a date and time, in UTC unless it says otherwise.
    :raises InvalidRequestError: if it is not a date.
    """
    try:
        parsed = _parse_text(value) if isinstance(value, str) else pendulum.instance(value, "UTC")
    except (ValueError, TypeError, AttributeError):
        parsed = None
    if not isinstance(parsed, pendulum.DateTime):
        raise InvalidRequestError(f"{value!r} is not a date: write 2024-01-31 or 2024-01-31T12:00:00+00:00.")
    return parsed.in_timezone("UTC")


def _parse_text(text: str) -> object:
    # pendulum reads a time without a date as a time of today
    return pendulum.parse(text.strip(), tz="UTC") if re.match(r"\s*\d{4}-\d{2}-\d{2}", text) else None
