"""What the responses of the X enterprise APIs mean, and what to do about each (vendor page "Enterprise Search APIs").

The HTTP status decides; the layout of the body differs with the generation of the API. The service's message and its
transaction id, which X's support asks for, become evidence.
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

_CHECK = "account, label (both case-sensitive) and product of the connection"
_WORDS = ("message", "title", "detail")

ERRORS: dict[int, tuple[type[TwexportError], str]] = {
    400: (InvalidRequestError, "X could not read the request: correct what the details say."),
    401: (ConnectionConfigError, "X refuses the login: correct the login and password of the connection."),
    403: (
        PermissionDeniedError,
        f"X does not let the account do this: check {_CHECK}, or ask X to enable it.",
    ),
    404: (ConnectionConfigError, f"X has no such search or stream: check {_CHECK}."),
    406: (InvalidRequestError, "X refuses the parameters of the stream: correct what the details say."),
    408: (ThrottledError, "X gave up waiting for the request."),
    420: (ThrottledError, "X asks for fewer connections or requests."),
    422: (InvalidRequestError, "X refuses the query or a parameter: correct what the details say."),
    429: (ThrottledError, "X asks for fewer requests: the limit per minute or per second is used up."),
    500: (TransientError, "X has failed with this request."),
    502: (TransientError, "X cannot be reached behind its own gateway."),
    503: (TransientError, "X is overloaded or out of service for the moment."),
    504: (TransientError, "X has not answered its own gateway in time."),
}
MAX_WORDS = 1_000


def explain(status: int, body: Any, evidence: Evidence) -> TwexportError | None:
    """Return the error that a response means; ``None`` for a success, or a status that X does not document.

    :param status: HTTP status.
    :param body: the JSON body, or ``None``.
    :param evidence: method and path of the call, and what a body that is not JSON says.
    """
    if status not in ERRORS:
        return None
    words, transaction = words_of(body)
    evidence = replace(evidence, details=words or evidence.details, request_id=transaction)
    if status == 401 and "not enabled" in str(words):
        return PermissionDeniedError(
            "The account does not have this kind of request: ask X to enable it.", evidence
        )
    error_class, sentence = ERRORS[status]
    return error_class(sentence, evidence)


def words_of(body: Any) -> tuple[str | None, str | None]:
    """Return what X says in an error, and its transaction id, in the layout of any generation of its APIs.

    Seen: ``{"error": {"message", "sent", "transactionId"}}``, ``{"error": "text"}``, ``{"errors": [{"message",
    "code"}]}`` and the same with ``title`` and ``detail`` beside it.
    """
    if not isinstance(body, dict):
        return (body[:MAX_WORDS] or None if isinstance(body, str) else None), None
    errors = body.get("error") or body.get("errors") or []
    found = [*(errors if isinstance(errors, list) else [errors]), body]
    words = dict.fromkeys(
        str(text)
        for each in found
        for text in ([each.get(name) for name in _WORDS] if isinstance(each, dict) else [each])
        if text not in (None, "") and not isinstance(text, dict | list)
    )
    ids = (each.get("transactionId") for each in found if isinstance(each, dict))
    transaction = next((str(one) for one in ids if one is not None), None)
    return "; ".join(words)[:MAX_WORDS] or None, transaction
