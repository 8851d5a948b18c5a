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
# a token lives a day; an older kind told its life in milliseconds
LONGEST_LIFE = 30 * 86_400
RENEW_AHEAD_SECONDS = 600.0


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
        wanted = {
            "client id: give it as the login": self.client_id,
            "client secret: give it as the password": self.client_secret,
            "organization: give it as org_id, ...@AdobeOrg": self.org_id,
            "scopes: copy them from the Developer Console": self.scopes,
        }
        if missing := [words for words, value in wanted.items() if not value]:
            raise ConnectionConfigError(f"The connection has no {missing[0]}.")


class AccessToken(Credential):
    """A token that travels in a header, is asked for when it is needed first, and again ahead of its end.

    :param credential: what gives the token.
    :param ims_url: address of the identity service.
    :param retry: how asking for it is tried again.
    """

    def __init__(self, credential: ServerCredential, ims_url: str, retry: Retry) -> None:
        self._credential = credential
        self._secret = FormSecret("client_secret", credential.client_secret)
        self._identity = Session(ims_url, self._secret, explain, retry)
        self._tokens: tuple[str, ...] = ()
        self._renew_at = float("-inf")
        self._asking = threading.Lock()

    def __repr__(self) -> str:
        """Return a text that is safe to log."""
        return f"AccessToken({self._credential.client_id!r}, '***')"

    @property
    def number(self) -> int:
        """Count the tokens so far; 0 where none was asked for."""
        return len(self._tokens)

    @property
    def seconds_left(self) -> float:
        """Return how long the token will be used yet; less than 0 where there is none."""
        return self._renew_at - time.monotonic()

    def headers(self) -> Mapping[str, str]:
        """Return the header that carries the token at hand."""
        return {"Authorization": f"Bearer {self._tokens[-1]}"} if self._tokens else {}

    def redact(self, text: str) -> str:
        """Return ``text`` without any of the tokens, nor the secret that gave them."""
        for token in self._tokens:
            text = redact_secret(text, token)
        return self._secret.redact(text)

    def freshen(self) -> int:
        """Ask for a token if there is none, or if it ends soon; return its number.

        :raises ConnectionConfigError: if the credential is refused.
        """
        with self._asking:
            if self.seconds_left <= 0:
                self._ask()
            return self.number

    def have_one(self) -> None:
        """Ask for a token if there is none, unless somebody does so just now: a signal may have interrupted him."""
        if not self._tokens and self._asking.acquire(blocking=False):
            try:
                self._ask()
            finally:
                self._asking.release()

    def replace(self, refused: int) -> None:
        """Ask for a token in place of one that was refused, unless somebody has done so already.

        :param refused: its number.
        :raises ConnectionConfigError: if the credential is refused.
        """
        with self._asking:
            if self.number == refused:
                self._ask()

    def _ask(self) -> None:
        asked = time.monotonic()
        form = {
            "client_id": self._credential.client_id,
            **self._secret.form,
            "grant_type": "client_credentials",
            "scope": ",".join(self._credential.scopes),
        }
        answer = self._identity.call("POST", TOKEN_PATH, form=form)
        try:
            token, life = str(answer["access_token"]), float(answer["expires_in"])
        except (KeyError, TypeError, ValueError):
            raise UnexpectedResponseError("Adobe's identity service gave no access token.") from None
        life = life / 1000 if life > LONGEST_LIFE else life
        self._tokens = (*self._tokens, token)
        self._renew_at = asked + life - min(RENEW_AHEAD_SECONDS, life / 10)
