"""The vendor's errors: code, HTTP status, message, details."""

from __future__ import annotations

from typing import Any

TABLE: dict[int, tuple[int, str]] = {
    1: (500, "Internal server error."),
    2: (500, "The search could not be executed."),
    3: (400, "A required parameter is missing."),
    4: (400, "The query could not be parsed."),
    5: (400, "Invalid parameter value."),
    7: (401, "The access token is missing, invalid or inactive."),
    8: (401, "Call limit for this endpoint exceeded."),
    9: (401, "No credits left."),
    10: (403, "The API application is inactive."),
    11: (403, "The API application is not linked to a Talkwalker project."),
    12: (403, "The linked application is inactive."),
    13: (403, "Insufficient rights."),
    15: (404, "Wrong stream id: no such stream."),
    16: (400, "Invalid document operation."),
    17: (400, "The request body is not valid JSON."),
    18: (400, "Invalid operation on stream."),
    19: (403, "Maximum number of rules reached."),
    20: (403, "Maximum number of streams reached."),
    21: (403, "A stream with this name exists already."),
    22: (403, "Maximum number of sources reached."),
    23: (403, "The stream has no rules."),
    24: (403, "Disconnected: a newer connection on the same stream is running."),
    25: (403, "The stream got disconnected."),
    26: (404, "Endpoint not found."),
    27: (403, "HTTPS is required."),
    28: (404, "User not found."),
    29: (403, "Access to this project is forbidden."),
    30: (429, "Maximum number of concurrent streams reached."),
}


class TalkwalkerError(Exception):
    """A request that the vendor refuses, with the details that its response names."""

    def __init__(self, code: int, message: str | None = None, **details: Any) -> None:
        status, default_message = TABLE.get(code, (500, "Unknown error."))
        super().__init__(message or default_message)
        self.code = code
        self.http_status = status
        self.headers: dict[str, str] = {}
        self.details = details

    def to_json(self) -> dict[str, Any]:
        """Write `result_error` as pairs of a key and a list of values."""
        pairs = [
            {"key": key, "value": [str(item) for item in value] if isinstance(value, list) else [str(value)]}
            for key, value in self.details.items()
        ]
        return {"data": pairs} if pairs else {}
