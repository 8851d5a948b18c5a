"""The base URL of a service, and to which URLs a credential may be sent."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from airflow_provider_twexport.exceptions import ConnectionConfigError


def checked_base_url(url: str) -> str:
    """Return ``url`` without its trailing slash.

    :raises ConnectionConfigError: if it is neither ``https://`` nor ``http://`` on a loopback host, or contains more
        than scheme, host, port and path.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not _is_port_valid(parts):
        raise ConnectionConfigError("The connection's host is not a URL. Write it as https://HOST.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConnectionConfigError(
            "The connection's host contains a login or a query. Write https://HOST only, and the token as password."
        )
    if parts.scheme == "http" and not is_loopback(url):
        raise ConnectionConfigError(
            f"http://{parts.hostname} would send the credential in clear text. Use https://; http:// is only for "
            "loopback hosts."
        )
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Return whether the host in ``url`` is this machine, without a DNS lookup."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_port_valid(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False
