"""Credentials: each signs requests as they are sent, and redacts itself from texts."""

from __future__ import annotations

import base64
import html
import re
from abc import abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

_ESCAPES = re.compile(r"[%\\&+]")


class Credential:
    """Signs requests as they are sent, and redacts itself from texts."""

    def sign(self, target: str) -> str:
        """Return the request target (path and query) with the credential in it."""
        return target

    def headers(self) -> Mapping[str, str]:
        """Return the headers that carry the credential."""
        return {}

    def fill(self, body: Any) -> Any:
        """Return the request's body with the credential in it; it stays as long as it is."""
        return body

    def redact_json(self, value: Any) -> Any:
        """Return a decoded JSON document with the credential taken out of each of its texts, keys included."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, list):
            return [self.redact_json(item) for item in value]
        if isinstance(value, dict):
            return {self.redact(key): self.redact_json(item) for key, item in value.items()}
        return value

    @abstractmethod
    def redact(self, text: str) -> str:
        """Return ``text`` without the credential."""


class QueryToken(Credential):
    """An access token that is sent in the query string.

    :param name: of the query parameter.
    :param token: the secret.
    """

    def __init__(self, name: str, token: str) -> None:
        self._name = name
        self._token = token

    def __repr__(self) -> str:
        """Return a text that is safe to log."""
        return f"QueryToken({self._name!r}, '***')"

    def sign(self, target: str) -> str:
        """Return the request target with the token as its last query parameter."""
        separator = "&" if "?" in target else "?"
        return f"{target}{separator}{self._name}={quote(self._token, safe='')}"

    def redact(self, text: str) -> str:
        """Return ``text`` with the token replaced, in each form in which a text may quote it."""
        return redact_secret(text, self._token)


class BasicLogin(Credential):
    """A login and a password that are sent in a header (HTTP Basic).

    :param login: the user; not secret by itself.
    :param password: the secret.
    """

    def __init__(self, login: str, password: str) -> None:
        self._login = login
        self._password = password
        self._token = base64.b64encode(f"{login}:{password}".encode()).decode()

    def __repr__(self) -> str:
        """Return a text that is safe to log."""
        return f"BasicLogin({self._login!r}, '***')"

    def headers(self) -> Mapping[str, str]:
        """Return the header of HTTP Basic."""
        return {"Authorization": f"Basic {self._token}"}

    def redact(self, text: str) -> str:
        """Return ``text`` with password and header replaced, in each form in which a text may quote them."""
        return redact_secret(redact_secret(text, self._token), self._password)


class FormSecret(Credential):
    """A secret that is sent as a field of a form; until then a placeholder stands there.

    :param name: of the field.
    :param secret: the secret.
    """

    def __init__(self, name: str, secret: str) -> None:
        self._name = name
        self._secret = secret

    def __repr__(self) -> str:
        """Return a text that is safe to log."""
        return f"FormSecret({self._name!r}, '***')"

    @property
    def form(self) -> Mapping[str, str]:
        """The field with its placeholder, as long as the secret, because the length of a body is sent first."""
        return {self._name: "x" * len(quote_plus(self._secret))}

    def fill(self, body: str) -> str:
        """Return the form with the secret in its field."""
        return body.replace(urlencode(self.form), urlencode({self._name: self._secret}))

    def redact(self, text: str) -> str:
        """Return ``text`` with the secret replaced, in each form in which a text may quote it."""
        return redact_secret(text, self._secret)


def redact_secret(text: str, secret: str) -> str:
    """Return ``text`` with a secret replaced, in each form in which a text may quote it.

    The forms: as it is; percent-encoded, in either case and repeatedly; with JSON escapes, repeatedly; with HTML
    entities. Each character may take a form of its own.
    """
    if not secret:
        return text
    text = text.replace(secret, "***")
    if not _ESCAPES.search(text):
        return text
    return _any_form(secret).sub("***", text)


@lru_cache(maxsize=64)
def _any_form(secret: str) -> re.Pattern[str]:
    return re.compile("".join(map(_forms_of, secret)))


def _forms_of(character: str) -> str:
    units = character.encode("utf-16-be")
    forms = [
        re.escape(character),
        "".join(rf"(?i:%(?:25)*{byte:02x})" for byte in character.encode()),
        "".join(rf"(?i:\\+u{units[at : at + 2].hex()})" for at in range(0, len(units), 2)),
        rf"\\+{re.escape(character)}",
        re.escape(html.escape(character)),
        rf"(?i:&#0*{ord(character)};|&#x0*{ord(character):x};)",
        *([r"\+"] if character == " " else []),
    ]
    return f"(?:{'|'.join(forms)})"
