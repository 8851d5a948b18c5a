"""The organization behind the demo credentials: access tokens, and the gateway that checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airflow_provider_twexport.simulator.adobe.errors import AdobeError, invalid_token, refused_by_gateway
from airflow_provider_twexport.simulator.prng import hash64

if TYPE_CHECKING:
    from starlette.requests import Request

    from airflow_provider_twexport.simulator.adobe.settings import AdobeSettings

CLIENT_ID = "demo-client-id"
CLIENT_SECRET = "demo-client-secret"  # noqa: S105
ORG_ID = "1BD6382559DF0C130A49422D@AdobeOrg"


class AccessTokens:
    """The access tokens that were issued.

    :param issued: their number.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._expiry: dict[str, float] = {}
        self.issued = 0

    async def issue(self, request: Request, now: float, settings: AdobeSettings) -> dict[str, Any]:
        """Respond to a request for a token (OAuth client credentials)."""
        form = dict(parse_qsl((await request.body()).decode()))
        fields = {**request.query_params, **form}
        if fields.get("grant_type") != "client_credentials":
            raise _refused(400, "unsupported_grant_type", "grant_type must be client_credentials")
        if (fields.get("client_id"), fields.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise _refused(401, "invalid_client", "invalid client_id or client_secret")
        if not fields.get("scope"):
            raise _refused(400, "invalid_scope", "scope is missing")
        self.issued += 1
        token = f"demo-adobe-token-{hash64(self._seed, 'token', self.issued):016x}"
        self._expiry[token] = now + settings.adobe_token_seconds
        factor = 1000 if settings.adobe_token_milliseconds else 1
        lifetime = int(settings.adobe_token_seconds * factor)
        return {"access_token": token, "token_type": "bearer", "expires_in": lifetime}

    def revoke(self) -> None:
        """Revoke every token that was issued so far."""
        self._expiry.clear()

    def check(self, request: Request, now: float, settings: AdobeSettings) -> None:
        """Refuse a request that the gateway refuses."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise refused_by_gateway("403010")
        if self._expiry.get(token, 0.0) <= now:
            raise invalid_token(settings.adobe_invalid_token)
        api_key = request.headers.get("x-api-key")
        if api_key != CLIENT_ID:
            raise refused_by_gateway("403003" if api_key else "403000")
        org_id = request.headers.get("x-gw-ims-org-id")
        if org_id != ORG_ID:
            raise refused_by_gateway("403025" if org_id else "400003")


def _refused(status: int, error: str, description: str) -> AdobeError:
    return AdobeError(status, {"error": error, "error_description": description})
