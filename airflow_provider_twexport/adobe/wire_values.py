"""Values as the service writes them, in any of the forms that its pages and its users show."""

from __future__ import annotations

import logging
import math
import re
from typing import TYPE_CHECKING, Any

import pendulum

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

# zero-width characters, and whatever ends a line; they come along when an id is copied from a page
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028\u2029\u202a-\u202e\u2060\ufeff\r\n\t\x0b\x0c\x85]")
# in seconds, this is the year 5138; in milliseconds, 1973
_MILLISECONDS_FROM = 1e11


def read_count(value: Any) -> int | None:
    """Return a count that is a number or a text; ``None`` if it is neither, or negative."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value) if not isinstance(value, int) else value
    except ValueError:
        return None
    is_count = math.isfinite(number) and number >= 0 and number == int(number)
    return int(number) if is_count else None


def read_time(value: Any) -> pendulum.DateTime | None:
    """Return a time in epoch milliseconds, epoch seconds or ISO 8601; ``None`` if it is in no such form."""
    number = read_count(value)
    if number is not None:
        seconds = number / 1000 if number >= _MILLISECONDS_FROM else float(number)
        return pendulum.from_timestamp(seconds) if number else None
    try:
        time = pendulum.parse(value) if isinstance(value, str) and value else None
    except ValueError:
        return None
    return time.in_timezone("UTC") if isinstance(time, pendulum.DateTime) else None


def read_flag(value: Any) -> bool:
    """Return a truth value that may be a text."""
    return value.strip().lower() == "true" if isinstance(value, str) else bool(value)


def read_mapping(value: Any) -> Mapping[str, Any]:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def read_list(value: Any) -> list[Any]:
    """Return a list; of one value where there is no list, and none for an empty value."""
    if isinstance(value, list):
        return value
    return [] if value in (None, "", {}) else [value]


def read_errors(value: Any) -> tuple[str, ...]:
    """Return the errors of a job or a batch, one text each."""
    return tuple(text for error in read_list(value) if (text := _error_text(error)))


def clean_id(value: Any) -> str:
    """Return an id without blanks around it and without invisible characters in it, with a warning if it had any."""
    text = str(value)
    cleaned = _INVISIBLE.sub("", text).strip()
    if cleaned != text:
        log.warning("The id %r has invisible characters; using %r.", text, cleaned)
    return cleaned


def clean_sandbox(name: str) -> str:
    """Return the name of a sandbox in lower case, as the service wants it, with a warning if it was not."""
    cleaned = clean_id(name)
    if cleaned != cleaned.lower():
        log.warning("Names of sandboxes are in lower case: using %r for %r.", cleaned.lower(), cleaned)
    return cleaned.lower()


def _error_text(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)[:500]
    names = ("code", "msg", "message", "description", "detail", "title")
    return ": ".join(str(error[name])[:500] for name in names if error.get(name)) or str(error)[:500]
