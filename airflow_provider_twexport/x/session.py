"""The session of every X enterprise API: the login of the console, an account and a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_twexport.core.credentials import BasicLogin
from airflow_provider_twexport.core.http import Session
from airflow_provider_twexport.exceptions import ConnectionConfigError
from airflow_provider_twexport.x.error_codes import explain

if TYPE_CHECKING:
    from airflow_provider_twexport.core.retry import Retry


def x_session(login: str, password: str, account: str, label: str, base_url: str, retry: Retry) -> Session:
    """Return a session that signs its calls.

    :param login: e-mail address of the console's user.
    :param password: of the console's user.
    :param account: name of the account.
    :param label: of the search or stream.
    :param base_url: of the service.
    :param retry: how repeatable calls are retried.
    :raises ConnectionConfigError: if one of these is missing, or the URL is not safe to send a password to.
    """
    for name, value in (("login", login), ("password", password), ("account", account), ("label", label)):
        if not value:
            raise ConnectionConfigError(f"The connection has no {name}: copy it from the X console.")
    return Session(base_url, BasicLogin(login, password), explain, retry)
