"""Keeping secrets out of logs in each of their forms."""

from __future__ import annotations

from urllib.parse import quote, quote_plus

from airflow.providers.common.compat.sdk import mask_secret


def mask_quoted(secret: str) -> None:
    """Mask a secret the way it looks in a URL or a form; as it is, Airflow masks it by itself.

    :param secret: a connection's password.
    """
    for form in {quote(secret, safe=""), quote_plus(secret)} - {secret, ""}:
        mask_secret(form)
