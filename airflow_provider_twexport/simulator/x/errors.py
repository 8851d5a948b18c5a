"""The vendor's refusals, in the envelope and the words that were seen on the wire; marked where nobody saw any."""

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
