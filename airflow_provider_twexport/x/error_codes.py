"""What the answers of the X enterprise APIs mean, and what to do about each (vendor page "Enterprise Search APIs").

HTTP decides; the service's words and its transaction id, which its support asks for, go along as evidence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.exceptions import (
    ConnectionConfigError,
    Evidence,
    InvalidRequestError,
    PermissionDeniedError,
    ThrottledError,
    TransientError,
)

if TYPE_CHECKING:
    from airflow_provider_twexport.exceptions import TwexportError

ERRORS: dict[int, tuple[type[TwexportError], str]] = {
    400: (InvalidRequestError, "X could not read the request."),
    401: (ConnectionConfigError, "X refuses the login: correct login and password of the connection."),
    403: (PermissionDeniedError, "The account may not do this: ask X to enable it."),
    404: (
        ConnectionConfigError,
        "X knows no such search or stream: check account, label (both case-sensitive) and product of the connection.",
    ),
    406: (InvalidRequestError, "X refuses how the stream was asked for: correct what the details say."),
    422: (InvalidRequestError, "X refuses the query or a parameter: correct it where the details say."),
    429: (ThrottledError, "X asks for fewer requests: the limit of the minute or of the second is used up."),
    503: (TransientError, "X is overloaded, perhaps by this very search."),
}


def explain(status: int, body: Any, evidence: Evidence) -> TwexportError | None:
    """Return the error that an answer means, or ``None`` for a success or where the service itself says nothing.

    :param status: HTTP status.
    :param body: the JSON body, or ``None``.
    :param evidence: method and path of the call.
    """
    told = body.get("error") if isinstance(body, dict) else None
    words = told if isinstance(told, dict) else {}
    if status not in ERRORS or (not words and status in (403, 404)):
        return None
    message, transaction = words.get("message"), words.get("transactionId")
    evidence = replace(
        evidence,
        details=None if message is None else str(message)[:1000],
        request_id=None if transaction is None else str(transaction),
    )
    if status == 401 and "not enabled" in str(message):
        return PermissionDeniedError(
            "The account does not have this kind of request: ask X to enable it.", evidence
        )
    error, sentence = ERRORS[status]
    return error(sentence, evidence)
