"""What arguments stand for once their templates are rendered."""

from __future__ import annotations

from airflow_provider_twexport.clients.errors import FixRequestError


def whole_number(name: str, value: int | str | None) -> int | None:
    """Return the number that an argument, perhaps a rendered template, stands for.

    :raises FixRequestError: if it is none.
    """
    if value is None or value in ("", "None"):
        return None
    try:
        return int(value)
    except ValueError:
        raise FixRequestError(f"{name}={value!r} is no whole number.") from None
