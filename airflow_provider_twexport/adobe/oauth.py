"""Adobe's OAuth server-to-server credential, and the access token that it gives (vendor page of that name)."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_twexport.adobe.error_codes import explain
from airflow_provider_twexport.core.credentials import Credential, FormSecret, redact_secret
from airflow_provider_twexport.core.http import Session
from airflow_provider_twexport.exceptions import ConnectionConfigError, UnexpectedResponseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_twexport.core.retry import Retry

DEFAULT_IMS_HOST = "https://ims-na1.adobelogin.com"
TOKEN_PATH = "/ims/token/v3"  # noqa: S105
# a token is valid for a day; an older kind gives its validity in milliseconds
MAX_VALID_SECONDS = 30 * 86_400
RENEW_EARLY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class ServerCredential:
    """An OAuth server-to-server credential of a project in the Developer Console.

    :param client_id: also the API key of each call.
    :param client_secret: the secret.
    :param org_id: the organization, ``...@AdobeOrg``.
    :param scopes: as the Developer Console lists them.
    :raises ConnectionConfigError: if one of them is missing.
    """

    client_id: str
    client_secret: str = field(repr=False)
    org_id: str
    scopes: tuple[str, ...]

    def __post_init__(self) -> None:
        fields = {
            "client id: give it as the login": self.client_id,
            "client secret: give it as the password": self.client_secret,
            "organization: give it as org_id, ...@AdobeOrg": self.org_id,
            "scopes: copy them from the Developer Console": self.scopes,
        }
        if missing := [words for words, value in fields.items() if not value]:
            raise ConnectionConfigError(f"The connection has no {missing[0]}.")


class AccessToken(Credential):
    """A token that is sent in a header; it is requested at the first call, and renewed before it expires.

    :param credential: of the identity service.
    :param ims_url: of the identity service.
    :param retry: how its calls are retried.
    """

    def __init__(self, credential: ServerCredential, ims_url: str, retry: Retry) -> None:
        self._credential = credential
        self._secret = FormSecret("client_secret", credential.client_secret)
        self._identity = Session(ims_url, self._secret, explain, retry)
        self._tokens: tuple[str, ...] = ()
        self._renew_at = float("-inf")
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Return a text that is safe to log."""
        return f"AccessToken({self._credential.client_id!r}, '***')"

    @property
    def number(self) -> int:
        """Return how many tokens there were so far."""
        return len(self._tokens)

    @property
    def seconds_left(self) -> float:
        """Return how many more seconds the token will be used; negative if there is none."""
        return self._renew_at - time.monotonic()

    def headers(self) -> Mapping[str, str]:
        """Return the header with the current token."""
        return {"Authorization": f"Bearer {self._tokens[-1]}"} if self._tokens else {}

    def redact(self, text: str) -> str:
        """Return ``text`` without any of the tokens, and without the client secret."""
        for token in self._tokens:
            text = redact_secret(text, token)
        return self._secret.redact(text)

    def ensure_valid(self) -> int:
        """Request a token if there is none, or if it expires soon; return its number.

        :raises ConnectionConfigError: if the credential is refused.
        """
        with self._lock:
            if self.seconds_left <= 0:
                self._request()
            return self.number

    def ensure_any(self) -> None:
        """Request a token if there is none, unless a request is running: a signal may have interrupted it."""
        if not self._tokens and self._lock.acquire(blocking=False):
            try:
                self._request()
            finally:
                self._lock.release()

    def replace(self, refused: int) -> None:
        """Request a token in place of one that was refused, unless another thread has already done so.

        :param refused: the number of the token.
        :raises ConnectionConfigError: if the credential is refused.
        """
        with self._lock:
            if self.number == refused:
                self._request()

    def _request(self) -> None:
        sent = time.monotonic()
        form = {
            "client_id": self._credential.client_id,
            **self._secret.form,
            "grant_type": "client_credentials",
            "scope": ",".join(self._credential.scopes),
        }
        response = self._identity.call("POST", TOKEN_PATH, form=form)
        try:
            token, valid = str(response["access_token"]), float(response["expires_in"])
        except (KeyError, TypeError, ValueError):
            raise UnexpectedResponseError(
                "Adobe's identity service sent no access token: check the connection's ims_host."
            ) from None
        valid = valid / 1000 if valid > MAX_VALID_SECONDS else valid
        self._tokens = (*self._tokens, token)
        self._renew_at = sent + valid - min(RENEW_EARLY_SECONDS, valid / 10)
