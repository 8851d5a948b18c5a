"""The vendor's refusals, in its envelope.

Seen in its traffic or its documentation: unreadable JSON, the format of dates, dates in the future ("Can't ask for
activities from the future", 2014, with another beginning), part of what streams refuse (406), and every refusal of a
query that has a position. Invented, because no source shows them: a wrong ``maxResults``, bucket or token, dates in the
wrong order or before the archive, an empty or too long query; none of our code reads those.
"""

from __future__ import annotations

from typing import Any

PROCESSING = "There were errors processing your request: "
INVALID_DATE = (
    "Invalid date format for query parameter '{}'. Expected format is 'yyyyMMddHHmm'. "
    "For example, '201701012315' for January 1st, 11:15 pm 2017 UTC."
)


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


def invalid_date(name: str) -> XError:
    """Refuse a date that is not twelve digits."""
    return unprocessable(INVALID_DATE.format(name))


def date_out_of_range(name: str, reason: str) -> XError:
    """Refuse a date outside of the range that the account may request."""
    return unprocessable(f"Invalid date for query parameter '{name}'. {reason}")


def body_of(form: str, message: str, sent: str, transaction: str) -> Any:
    """Return an error in the layout of one of X's generations; a text is sent as it is.

    :param form: `error`, `errors` (v1), `detail` (v2), `text`, `plain` or `html`.
    """
    return {
        "error": {"error": {"message": message, "sent": sent, "transactionId": transaction}},
        "errors": {"errors": [{"message": message, "code": 131}]},
        "detail": {
            "errors": [{"message": message}],
            "title": "Error",
            "detail": message,
            "type": "about:blank",
        },
        "text": {"error": message},
        "plain": message,
        "html": f"<html><head><style>p{{}}</style></head><body><p>{message}</p></body></html>",
    }[form]
