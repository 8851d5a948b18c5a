"""What every hook does with its connection: find the base URL, mask the secret, test it."""

from __future__ import annotations

import json
import logging
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, quote_plus

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow.sdk import Connection


log = logging.getLogger(__name__)


class ConnectionHook(BaseHook):
    """Base of the hooks: reads the Airflow connection once, and tests it."""

    conn_name_attr: ClassVar[str]

    @cached_property
    def connection(self) -> Connection:
        """The Airflow connection."""
        return self.get_connection(getattr(self, self.conn_name_attr))

    def test_connection(self) -> tuple[bool, str]:
        """Return whether the connection works, and what it can do; makes only free calls, and never raises."""
        from airflow_provider_twexport.exceptions import TwexportError

        try:
            return True, self.capabilities()
        except TwexportError as error:
            return False, str(error)
        except Exception as error:
            # the text is shown in a browser, and that of an unknown error may contain a secret
            return False, f"The test failed unexpectedly ({type(error).__name__}); see the server's log."

    @abstractmethod
    def capabilities(self) -> str:
        """Return what the connection can do, in a sentence; makes only free calls."""


def extra_of(connection: Connection, keys: Collection[str]) -> dict[str, Any]:
    """Return the extra of a connection, without blanks around its texts.

    :param keys: that it may have. A mistyped one would otherwise change what is ordered.
    :raises ConnectionConfigError: if it is not a JSON object, or has another key.
    """
    from airflow_provider_twexport.exceptions import ConnectionConfigError

    text = connection.extra if isinstance(connection.extra, str) else json.dumps(connection.extra or {})
    try:
        extra = json.loads(text) if text.strip() else {}
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ConnectionConfigError(
            f'The extra of connection {connection.conn_id} is not a JSON object. Write it like {{"key": "value"}}.'
        )
    if unknown := sorted(set(extra) - set(keys)):
        raise ConnectionConfigError(
            f"The extra of connection {connection.conn_id} has unknown keys: {', '.join(unknown)}. "
            f"It may have {', '.join(sorted(keys))}."
        )
    return {
        key: without_blanks(connection, f"extra {key}", value) if isinstance(value, str) else value
        for key, value in extra.items()
    }


def without_blanks(connection: Connection, field: str, value: str | None) -> str:
    """Return a field of a connection without blanks and line ends around it, which copying often adds.

    :param field: its name, for the warning.
    :param value: of the field.
    """
    text = (value or "").strip()
    if text != (value or ""):
        log.warning("Connection %s: blanks around %s are ignored.", connection.conn_id, field)
    return text


def secret_of(connection: Connection) -> str:
    """Return the password of a connection without blanks around it, masked in logs as it appears in a URL or form."""
    secret = without_blanks(connection, "the password", connection.password)
    if secret:
        mask_secret(secret)
    mask_quoted(secret)
    return secret


def base_url(connection: Connection, default: str) -> str:
    """Return the base URL of a connection, whose host may be a name or a whole URL.

    :param default: the service's own base URL, for a connection without host.
    """
    host = connection.host or default
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    # with or without the default port, it is the same URL
    is_default = connection.port == 443 and host.startswith("https:")
    return f"{host.rstrip('/')}:{connection.port}" if connection.port and not is_default else host


def mask_quoted(secret: str) -> None:
    """Mask a secret as it appears in a URL or a form; Airflow itself masks the plain secret.

    :param secret: a connection's password.
    """
    for form in {quote(secret, safe=""), quote_plus(secret)} - {secret, ""}:
        mask_secret(form)
