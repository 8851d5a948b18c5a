"""What every hook does with its connection: find the address, mask the secret, test it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from airflow.providers.common.compat.sdk import mask_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Connection


def base_url(connection: Connection, default: str) -> str:
    """Return the base URL of a connection, whose host may be a name or a whole address.

    :param default: the service's own address, for a connection without host.
    """
    host = connection.host or default
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    # named or not, the usual port is the same address
    is_usual = connection.port == 443 and host.startswith("https:")
    return f"{host.rstrip('/')}:{connection.port}" if connection.port and not is_usual else host


def tested(test: Callable[[], str]) -> tuple[bool, str]:
    """Tell whether a test passes, and what it says; never raises.

    :param test: makes free calls only, and returns what the connection can do.
    """
    from airflow_provider_twexport.exceptions import TwexportError

    try:
        return True, test()
    except TwexportError as error:
        return False, str(error)
    except Exception as error:
        # the text goes to a browser; what an unforeseen error says may hold anything
        return False, f"The test failed unexpectedly ({type(error).__name__}); see the server's log."


def mask_quoted(secret: str) -> None:
    """Mask a secret the way it looks in a URL or a form; as it is, Airflow masks it by itself.

    :param secret: a connection's password.
    """
    for form in {quote(secret, safe=""), quote_plus(secret)} - {secret, ""}:
        mask_secret(form)
