"""What arguments stand for once their templates are rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_twexport.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse_int(name: str, value: int | str | None) -> int | None:
    """Return the number that an argument, perhaps a rendered template, stands for.

    :raises InvalidRequestError: if it is none.
    """
    if value is None or value in ("", "None"):
        return None
    try:
        return int(value)
    except ValueError:
        raise InvalidRequestError(f"{name}={value!r} is no whole number.") from None


def parse_list(value: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return the names that an argument, a list or a text with commas, stands for."""
    names = value.split(",") if isinstance(value, str) else value or ()
    return tuple(name.strip() for name in names if name.strip())
