"""What Adobe's errors mean, and what to do about each (vendor page "Experience Platform troubleshooting guide").

The gateway sends an ``error_code``. The services behind it send a ``title`` and a ``detail``, and their HTTP status
says the most. The identity service sends an ``error`` of OAuth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_twexport.exceptions import (
    ConnectionConfigError,
    Evidence,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RetriableError,
    ThrottledError,
    TransientError,
    TwexportError,
    UnexpectedResponseError,
)

INVALID_TOKEN = "401013"  # noqa: S105

GATEWAY: dict[str, tuple[type[TwexportError], str]] = {
    "403010": (
        ConnectionConfigError,
        "No access token reached Adobe. Check whether a proxy at the connection's host removes headers.",
    ),
    INVALID_TOKEN: (
        ConnectionConfigError,
        "Adobe does not accept the access token, not even a new one: correct the connection's secret and scopes.",
    ),
    "403000": (
        ConnectionConfigError,
        "No API key reached Adobe: give the client id as the connection's login.",
    ),
    "403003": (
        ConnectionConfigError,
        "Adobe does not know the API key: correct the client id, which is the connection's login.",
    ),
    "400003": (ConnectionConfigError, "No organization reached Adobe: give the connection's org_id."),
    "403025": (
        ConnectionConfigError,
        "The client id does not belong to this organization: correct the connection's org_id, which ends in @AdobeOrg.",
    ),
}
STATUSES: dict[int, tuple[type[TwexportError], str]] = {
    400: (InvalidRequestError, "Adobe does not accept the request: correct what the details name."),
    401: (
        ConnectionConfigError,
        "Adobe does not accept the access token, not even a new one: correct the connection's secret and scopes.",
    ),
    403: (
        PermissionDeniedError,
        "The credential may not do this: check the connection's sandbox, the rights of its project in the Developer "
        "Console, and ask an administrator to give it a role in this sandbox.",
    ),
    404: (NotFoundError, "There is no such job, batch or file in this sandbox."),
    429: (ThrottledError, "Adobe asks for fewer calls."),
}
SIGN_IN: dict[str, str] = {
    "invalid_client": "Adobe does not know this client id and secret: correct the connection's login and password.",
    "invalid_scope": "Adobe does not grant these scopes: copy them from the Developer Console.",
}


def explain(status: int, body: Any, evidence: Evidence) -> TwexportError | None:
    """Return the error that a response means; ``None`` for a success, or if the response is not from Adobe.

    :param status: HTTP status.
    :param body: the JSON body, or ``None``.
    :param evidence: method and path of the call.
    """
    if status < 400:
        return None
    if not isinstance(body, dict):
        # a gateway, or a proxy, that does not answer as Adobe documents it
        return _by_service(status, {}, evidence) if status in (401, 403) else None
    if "error_code" in body:
        return _by_gateway(body, evidence)
    if "error" in body and "error_description" in body:
        return _at_sign_in(status, body, evidence)
    return _by_service(status, body, evidence)


def is_invalid_token(error: TwexportError) -> bool:
    """Return whether Adobe refused a call because of its token, so that it did nothing."""
    return error.evidence is not None and error.evidence.status == 401


def _by_gateway(body: dict[str, Any], evidence: Evidence) -> TwexportError:
    code = str(body["error_code"])
    evidence = replace(evidence, code=code, details=_text(body.get("message")))
    if code in GATEWAY:
        error, message = GATEWAY[code]
        return error(message, evidence)
    status = evidence.status or 0
    if status == 429 or status >= 500:
        return _transient(evidence)
    if status in (401, 403):
        error, message = STATUSES[status]
        return error(message, evidence)
    return UnexpectedResponseError(
        f"Adobe's gateway sent the undocumented error code {code}. Look it up before you retry.", evidence
    )


def _at_sign_in(status: int, body: dict[str, Any], evidence: Evidence) -> TwexportError:
    code = str(body["error"])
    evidence = replace(evidence, code=code, details=_text(body["error_description"]))
    if status == 429 or status >= 500:
        return _transient(evidence)
    message = "Adobe does not grant an access token: correct the connection."
    return ConnectionConfigError(SIGN_IN.get(code, message), evidence)


def _by_service(status: int, body: dict[str, Any], evidence: Evidence) -> TwexportError:
    texts = [_text(body.get(name)) for name in ("title", "detail", "message", "errorMessage")]
    evidence = replace(evidence, details=": ".join(filter(None, texts)) or None)
    if status in STATUSES:
        error, message = STATUSES[status]
        return error(message, evidence)
    if status >= 500:
        return _transient(evidence)
    return UnexpectedResponseError(
        "Adobe sent an undocumented error. Look at its details before you retry.", evidence
    )


def _transient(evidence: Evidence) -> RetriableError:
    if evidence.status == 429:
        return ThrottledError("Adobe asks for fewer calls.", evidence)
    return TransientError("Adobe is unavailable, perhaps because of too many calls at a time.", evidence)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:500]
