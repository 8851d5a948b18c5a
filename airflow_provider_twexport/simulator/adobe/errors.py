"""The vendor's refusals: those of the gateway have a code, those of the services behind it have a title."""

from __future__ import annotations

from typing import Any

# vendor page "Experience Platform troubleshooting guide"; the HTTP status is the code's first three digits
GATEWAY = {
    "403010": "Oauth token is missing.",
    "401013": "Oauth token is not valid",
    "403000": "Api Key is required",
    "403003": "Api Key is invalid",
    "400003": "Missing header",
    "403025": "Profile is not valid",
}
TITLES = {
    400: "BadRequestError",
    401: "UnauthorizedError",
    403: "ForbiddenError",
    404: "NotFoundError",
    503: "ServiceUnavailableError",
}


class AdobeError(Exception):
    """A request that the vendor refuses."""

    def __init__(self, status: int, body: Any, retry_after: object = None) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}


def refused_by_gateway(code: str, message: str | None = None) -> AdobeError:
    """Refuse a request before any service sees it."""
    body = {"error_code": code, "message": message or GATEWAY.get(code, "Unknown error")}
    return AdobeError(int(code[:3]), body)


def invalid_token(form: str) -> AdobeError:
    """Refuse a token that has expired: with the gateway's code, as a service does, or with no JSON at all."""
    if form == "gateway":
        return refused_by_gateway("401013")
    if form == "problem":
        return refused_by_service(401, "The access token has expired")
    return AdobeError(401, "<html><body>401 Authorization Required</body></html>" if form == "html" else "")


def throttled(seconds: int) -> AdobeError:
    """Refuse a request because there were too many."""
    return AdobeError(429, {"error_code": "429050", "message": "Too many requests"}, seconds)


def refused_by_service(status: int, detail: str, retry_after: object = None) -> AdobeError:
    """Refuse a request in the form of RFC 7807."""
    title = TITLES.get(status, "InternalServerError")
    body = {"type": f"http://ns.adobe.com/aep/errors/{status}", "status": status, "title": title}
    return AdobeError(status, {**body, "detail": detail}, retry_after)
