"""Arguments, perhaps rendered templates, become values here."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence


# what Jinja makes of a form field that nobody filled in
_NOTHING = ("", "None", "null")
_FLAGS = {"true": True, "false": False}


def parse_value(value: Any) -> Any:
    """Return what a rendered template stands for: ``None`` for a blank text, ``None`` or ``null``."""
    return None if isinstance(value, str) and value.strip() in _NOTHING else value


def parse_text(name: str, value: object) -> str | None:
    """Return the text that an argument stands for, without blanks around it; ``None`` for an empty one.

    :param value: a text, or a whole number, which is the text of its digits.
    :raises InvalidRequestError: if it is something else, such as the list that a native template renders to.
    """
    value = parse_value(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidRequestError(f"{name}={value!r} is a {type(value).__name__}. Give a text.")
    return str(value).strip()


def parse_required_text(name: str, value: object) -> str:
    """Return the text that an argument stands for.

    :raises InvalidRequestError: if it is empty, or not a text.
    """
    text = parse_text(name, value)
    if text is None:
        raise InvalidRequestError(
            f"{name}={value!r} is empty. Give one; a template may have rendered to nothing."
        )
    return text


def parse_int(name: str, value: object) -> int | None:
    """Return the whole number that an argument stands for; ``None`` for an empty one.

    :raises InvalidRequestError: if it is not a whole number.
    """
    given = parse_value(value)
    if given is None:
        return None
    try:
        number = None if isinstance(given, bool) else int(given)
    except (TypeError, ValueError):
        number = None
    if number is None or (isinstance(given, float) and given != number):
        raise InvalidRequestError(f"{name}={value!r} is not a whole number. Give one, such as 1000.")
    return number


def parse_budget(name: str, value: object) -> int | None:
    """Return how much an argument allows to be spent; only ``None`` is no limit.

    :raises InvalidRequestError: if it is an empty text, as a template renders that has no value; or is no whole number.
    """
    if value is not None and parse_value(value) is None:
        raise InvalidRequestError(
            f"{name}={value!r} is empty, and an empty budget is no budget. Give a whole number, or None for no limit; "
            "a template may have rendered to nothing. Nothing was bought."
        )
    return parse_int(name, value)


def parse_flag(name: str, value: object, *, empty: bool = False) -> bool:
    """Return the truth value that an argument stands for.

    :param value: a truth value, or the text ``true`` or ``false``, in any case.
    :param empty: what an empty argument stands for.
    :raises InvalidRequestError: if it is something else: a text is never true because it is there.
    """
    given = parse_value(value)
    if given is None:
        return empty
    flag = _FLAGS.get(str(given).strip().lower()) if isinstance(given, bool | str) else None
    if flag is None:
        raise InvalidRequestError(f"{name}={value!r} is neither true nor false. Give one of them.")
    return flag


def parse_choice(name: str, value: object, choices: Sequence[str]) -> str:
    """Return the choice that an argument stands for.

    :raises InvalidRequestError: if it is none of the choices.
    """
    chosen = value.strip() if isinstance(value, str) else value
    if chosen not in choices:
        raise InvalidRequestError(f"{name}={value!r} is unknown. Choose one of {', '.join(choices)}.")
    return str(chosen)


def is_template(value: object) -> bool:
    """Return whether an argument has its value only when the task runs."""
    return not isinstance(value, str | int | float | bool | None) or (
        isinstance(value, str) and ("{{" in value or "{%" in value)
    )


def parse_list(value: Sequence[Any] | str | int | None, name: str = "topics") -> tuple[str, ...]:
    """Return the names that an argument stands for: a list, a text with commas, or one number.

    :param name: of the argument, for the error.
    :raises InvalidRequestError: if it is something else, or a text that looks like a list of Python.
    """
    given = parse_value(value)
    if given is None:
        return ()
    if isinstance(given, str):
        if given.strip().startswith(("[", "(")):
            raise InvalidRequestError(
                f"{name}={given!r} is a list as text. Write the names with commas between."
            )
        given = given.split(",")
    elif isinstance(given, int) and not isinstance(given, bool):
        given = [given]
    elif not isinstance(given, list | tuple):
        raise InvalidRequestError(
            f"{name}={given!r} is a {type(given).__name__}. Give a list, or a text with commas."
        )
    return tuple(text for each in given if (text := parse_text(name, each)))


def parse_moment(value: Any) -> pendulum.DateTime:
    """Return the point in time that an argument stands for, in UTC.

    :param value: a text, a ``date`` or a ``datetime``: a date, or a date and time, in UTC unless it says otherwise.
    :raises InvalidRequestError: if it is not a date.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        value = value.isoformat()
    try:
        parsed = _parse_text(value) if isinstance(value, str) else pendulum.instance(value, "UTC")
    except (ValueError, TypeError, AttributeError):
        parsed = None
    if not isinstance(parsed, pendulum.DateTime):
        raise InvalidRequestError(f"{value!r} is not a date: write 2024-01-31 or 2024-01-31T12:00:00+00:00.")
    return parsed.in_timezone("UTC")


def check_moment(text: str) -> datetime:
    """Return a point in time that this package wrote; much faster than :func:`parse_moment`.

    :raises InvalidRequestError: if it is not one.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return parse_moment(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parse_text(text: str) -> object:
    # pendulum reads a time without a date as a time of today
    return pendulum.parse(text.strip(), tz="UTC") if re.match(r"\s*\d{4}-\d{2}-\d{2}", text) else None
