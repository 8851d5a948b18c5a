"""What the responses of the X enterprise APIs mean, and what to do about each (vendor page "Enterprise Search APIs").

The HTTP status decides. The service's message and its transaction id, which X's support asks for, become evidence.
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
    400: (InvalidRequestError, "X could not read the request: correct what the details say."),
    401: (ConnectionConfigError, "X refuses the login: correct the login and password of the connection."),
    403: (PermissionDeniedError, "The account may not do this: ask X to enable it."),
    404: (
        ConnectionConfigError,
        "X has no such search or stream: check account, label (both case-sensitive) and product of the connection.",
    ),
    406: (InvalidRequestError, "X refuses the parameters of the stream: correct what the details say."),
    422: (InvalidRequestError, "X refuses the query or a parameter: correct what the details say."),
    429: (ThrottledError, "X asks for fewer requests: the limit per minute or per second is used up."),
    503: (TransientError, "X is overloaded, perhaps by this very search."),
}


def explain(status: int, body: Any, evidence: Evidence) -> TwexportError | None:
    """Return the error that a response means; ``None`` for a success, or if the response is not from X.

    :param status: HTTP status.
    :param body: the JSON body, or ``None``.
    :param evidence: method and path of the call.
    """
    found = body.get("error") if isinstance(body, dict) else None
    error = found if isinstance(found, dict) else {}
    if status not in ERRORS or (not error and status in (403, 404)):
        return None
    message, transaction = error.get("message"), error.get("transactionId")
    evidence = replace(
        evidence,
        details=None if message is None else str(message)[:1000],
        request_id=None if transaction is None else str(transaction),
    )
    if status == 401 and "not enabled" in str(message):
        return PermissionDeniedError(
            "The account does not have this kind of request: ask X to enable it.", evidence
        )
    error_class, sentence = ERRORS[status]
    return error_class(sentence, evidence)
