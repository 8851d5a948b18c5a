"""The vendor's refusals, in its envelope.

Seen on the wire or in the vendor's pages: unreadable JSON, the format of dates, dates in the future ("Can't ask for
activities from the future", 2014, after other first words), part of what streams refuse (406), and of the query all
that has a position. Not seen by anybody, so made up: a wrong ``maxResults``, bucket or token, dates in the wrong order
or before the archive, an empty or too long query; none of our code reads those.
"""

from __future__ import annotations

PROCESSING = "There were errors processing your request: "


class XError(Exception):
    """A request that the vendor refuses."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def unprocessable(*problems: str) -> XError:
    """Refuse parameters or a query."""
    return XError(422, PROCESSING + ", ".join(problems))


def unreadable() -> XError:
    """Refuse a body that is not JSON."""
    return XError(400, f"{PROCESSING}Invalid json, could not parse.")


def bad_date(name: str) -> XError:
    """Refuse a date that is not twelve digits."""
    return unprocessable(
        f"Invalid date format for query parameter '{name}'. Expected format is 'yyyyMMddHHmm'. "
        "For example, '201701012315' for January 1st, 11:15 pm 2017 UTC."
    )


def out_of_reach(name: str, why: str) -> XError:
    """Refuse a date that is one, but not one that can be asked for."""
    return unprocessable(f"Invalid date for query parameter '{name}'. {why}")
