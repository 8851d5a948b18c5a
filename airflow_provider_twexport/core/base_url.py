"""The address of a service, and which addresses a credential may be sent to."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from airflow_provider_twexport.exceptions import (
    ConnectionConfigError,
)


def checked_base_url(url: str) -> str:
    """Return ``url`` without its trailing slash.

    :raises ConnectionConfigError: if it is not ``https://``, nor ``http://`` on a loopback host, or holds more
        than scheme, host, port and path.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port_or_none(parts):
        raise ConnectionConfigError("The connection's host is not a web address. Give it as https://HOST.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConnectionConfigError(
            "The connection's host holds credentials or a query. Give https://HOST only, and the token as password."
        )
    if parts.scheme == "http" and not is_loopback(url):
        raise ConnectionConfigError(
            f"http://{parts.hostname} would send the credential in clear text. Use https://; "
            "http:// is for loopback hosts only."
        )
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Tell whether ``url`` points at this machine by its name or number alone."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _has_port_or_none(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False
