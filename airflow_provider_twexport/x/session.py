"""The credential of every X enterprise API: the login of a user of the console, an account and a label."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_twexport.core.credentials import BasicLogin
from airflow_provider_twexport.core.http import Session
from airflow_provider_twexport.exceptions import ConnectionConfigError
from airflow_provider_twexport.x.error_codes import explain

if TYPE_CHECKING:
    from airflow_provider_twexport.core.retry import Retry


@dataclass(frozen=True, slots=True)
class XCredential:
    """A login of the X console, and the account and label that it is for.

    :param login: e-mail address of the console's user.
    :param password: of the console's user.
    :param account: name of the account, case-sensitive.
    :param label: of the search or stream, such as ``prod``, case-sensitive.
    :raises ConnectionConfigError: if one of them is missing.
    """

    login: str
    password: str = field(repr=False)
    account: str
    label: str

    def __post_init__(self) -> None:
        for name in ("login", "password", "account", "label"):
            if not getattr(self, name):
                raise ConnectionConfigError(f"The connection has no {name}: copy it from the X console.")

    def session(self, base_url: str, retry: Retry) -> Session:
        """Return a session that signs its calls with the login.

        :param base_url: of the service.
        :param retry: how repeatable calls are retried.
        :raises ConnectionConfigError: if the URL is not safe to send a password to.
        """
        return Session(base_url, BasicLogin(self.login, self.password), explain, retry)
