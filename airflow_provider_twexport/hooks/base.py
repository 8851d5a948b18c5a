"""What every hook does with its connection: find the base URL, mask the secret, test it."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, quote_plus

from airflow.providers.common.compat.sdk import BaseHook, mask_secret

if TYPE_CHECKING:
    from airflow.sdk import Connection


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
