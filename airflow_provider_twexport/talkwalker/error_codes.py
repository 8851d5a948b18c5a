"""What the Talkwalker error codes mean, and what to do about each (vendor page "error codes").

The body's ``status_code`` decides, not HTTP alone: 401 is a bad token (7), throttling (8) or an empty account (9).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_twexport.exceptions import (
    ConnectionConfigError,
    Evidence,
    InsufficientCreditsError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    QuerySyntaxError,
    QuotaExceededError,
    ReadInterruptedError,
    StreamInUseError,
    ThrottledError,
    TransientError,
    TwexportError,
    UnexpectedResponseError,
)

ERRORS: dict[str, tuple[type[TwexportError], str]] = {
    "1": (TransientError, "Talkwalker had an internal error."),
    "2": (TransientError, "Talkwalker could not execute the search."),
    "3": (InvalidRequestError, "A parameter is missing: give what the details name."),
    "4": (
        QuerySyntaxError,
        "Talkwalker cannot parse the query: correct it at the place that the details name.",
    ),
    "5": (
        InvalidRequestError,
        "Talkwalker does not accept the value of a parameter: correct what the details name.",
    ),
    "7": (
        ConnectionConfigError,
        "The access token is missing, wrong or inactive: correct the connection's password.",
    ),
    "8": (ThrottledError, "The call limit of this endpoint is used up for this minute."),
    "9": (
        InsufficientCreditsError,
        "The account has no credits left: top up, or wait for the next billing period.",
    ),
    "10": (ConnectionConfigError, "The API application is inactive: ask Talkwalker to activate it."),
    "11": (
        ConnectionConfigError,
        "The API application is not linked to an account: ask Talkwalker to link it.",
    ),
    "12": (ConnectionConfigError, "The linked application is inactive: ask Talkwalker to activate it."),
    "13": (
        PermissionDeniedError,
        "The access token lacks rights: use one with the rights to read and write.",
    ),
    "15": (NotFoundError, "There is no such stream, collector or export: check its id."),
    "16": (InvalidRequestError, "Talkwalker does not accept this operation on documents: check the id."),
    "17": (
        InvalidRequestError,
        "Talkwalker could not read the request: report this to the project of this package.",
    ),
    "18": (
        InvalidRequestError,
        "Talkwalker does not allow this operation on the stream: check its id and state.",
    ),
    "19": (QuotaExceededError, "The account's limit of rules is reached: delete some rules."),
    "20": (QuotaExceededError, "The account's limit of streams is reached: delete some streams."),
    "21": (InvalidRequestError, "A stream of this name exists already: choose another name."),
    "22": (QuotaExceededError, "The account's limit of sources is reached: delete some sources."),
    "23": (InvalidRequestError, "The stream has no rules: add some first."),
    "24": (StreamInUseError, "A newer connection reads the same stream: stop one of the two readers."),
    "25": (ReadInterruptedError, "Talkwalker disconnected the stream."),
    "26": (ConnectionConfigError, "Talkwalker does not know this address: correct the connection's host."),
    "27": (ConnectionConfigError, "Talkwalker wants https://: correct the connection's host."),
    "28": (NotFoundError, "Talkwalker does not know this user: check the connection's access token."),
    "29": (
        PermissionDeniedError,
        "The token has no access to this project: check the project id.",
    ),
    "30": (ThrottledError, "The account has as many streams open as it may."),
}


def explain(status: int, body: Any, evidence: Evidence) -> TwexportError | None:
    """Return the error that an answer means, or ``None`` for a success or where no vendor code says anything.

    :param status: HTTP status.
    :param body: the JSON body, or ``None``.
    :param evidence: method and path of the call.
    """
    if not isinstance(body, dict) or "status_code" not in body:
        return None
    code = str(body["status_code"])
    if code == "0" and status < 400:
        return None
    return error_of(code, body, replace(evidence, code=code, request_id=_text(body.get("request_id"))))


def explain_chunk(chunk: Any, evidence: Evidence) -> TwexportError:
    """Return the error that a ``CT_ERROR`` chunk means; its layout is undocumented, so any sibling key may hold it."""
    fields = _flat(chunk)
    if "status_code" not in fields:
        message = _text(fields.get("status_message") or fields.get("reason"))
        return ReadInterruptedError(
            "Talkwalker ended the read with an error.", replace(evidence, details=message)
        )
    code = str(fields["status_code"])
    return error_of(code, fields, replace(evidence, code=code, request_id=_text(fields.get("request_id"))))


def error_of(code: str, body: dict[str, Any], evidence: Evidence) -> TwexportError:
    """Return the error that a vendor code means, with the vendor's own words as evidence."""
    evidence = replace(evidence, details=_details(body))
    if evidence.status == 429:
        return ThrottledError("Talkwalker asks for fewer calls.", evidence)
    if code in ERRORS:
        error, message = ERRORS[code]
        return error(message, evidence)
    if (evidence.status or 0) >= 500:
        return TransientError("Talkwalker is unavailable.", evidence)
    return UnexpectedResponseError(
        f"Talkwalker sent the undocumented error code {code}. Ask its support, with the request id.", evidence
    )


def _details(body: dict[str, Any]) -> str | None:
    result = body.get("result_error")
    pairs = result.get("data", []) if isinstance(result, dict) else []
    words = [f"{pair.get('key')}={_text(pair.get('value'))}" for pair in pairs if isinstance(pair, dict)]
    return "; ".join([word for word in [_text(body.get("status_message")), *words] if word]) or None


def _flat(value: Any) -> dict[str, Any]:
    """Return the scalars of nested objects under their last keys."""
    found: dict[str, Any] = {}
    for key, inner in value.items() if isinstance(value, dict) else ():
        found.update(_flat(inner) if isinstance(inner, dict) else {key: inner})
    return found


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)[:500]
