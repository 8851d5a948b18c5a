"""An Airflow connection becomes a client of X Enterprise."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk.log import mask_secret

from airflow_provider_twexport.hooks.base import ConnectionHook, base_url, extra_of, secret_of, without_blanks
from airflow_provider_twexport.telemetry import metrics

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_twexport.core.timing import Timing
    from airflow_provider_twexport.x.search.client import XSearchClient
    from airflow_provider_twexport.x.session import XCredential
    from airflow_provider_twexport.x.streams.client import XStreamClient

DEFAULT_PRODUCT = "fullarchive"
SHORTEST_SILENCE = 30.0
EXTRA_KEYS = ("account", "label", "product", "requests_per_minute", "pool")


class XEnterpriseHook(ConnectionHook):
    """Turns an Airflow connection into a client of X enterprise search, or of a volume stream.

    :param x_conn_id: connection with the login and password of a user of the X console. Its host, if any, replaces
        ``https://gnip-api.x.com``. Its extra contains ``account``, ``label``, ``product`` (``30day``, or the default
        ``fullarchive``), ``requests_per_minute`` (default 120), and ``pool``: the Airflow pool that tasks on
        several machines must share, because each machine keeps the limit for itself.
    """

    conn_name_attr = "x_conn_id"
    default_conn_name = "x_enterprise_default"
    conn_type = "x_enterprise"
    hook_name = "X Enterprise"

    def __init__(self, x_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.x_conn_id = x_conn_id

    @property
    def product(self) -> str:
        """Return the product that the connection searches."""
        return extra_of(self.connection, EXTRA_KEYS).get("product") or DEFAULT_PRODUCT

    def get_conn(self) -> XSearchClient:
        """Return a client of search that signs its requests with the connection's login.

        :raises ConnectionConfigError: if a field is missing, or the URL is not safe to send a password to.
        """
        self._mask()
        return client_for(self.connection)

    def check_pool(self, pool: str) -> None:
        """Check that a task that searches runs in the connection's pool, if it has one.

        :param pool: of the task.
        :raises InvalidRequestError: the task is in another one.
        """
        from airflow_provider_twexport.exceptions import InvalidRequestError

        wanted = extra_of(self.connection, EXTRA_KEYS).get("pool")
        if wanted and pool != wanted:
            raise InvalidRequestError(
                f"The task runs in the pool {pool!r}, and the connection {self.x_conn_id} lets only tasks of the pool "
                f"{wanted!r} search, so that all machines together keep its limit. Give the task pool={wanted!r}."
            )

    def get_stream(
        self,
        stream: str,
        *,
        label: str | None = None,
        backfill: bool = True,
        host: str | None = None,
        silence: float | str | None = None,
    ) -> XStreamClient:
        """Return a client of a volume stream.

        :param stream: ``decahose`` or ``likes``.
        :param label: of the stream; ``None`` for the connection's.
        :param backfill: whether the account has Backfill.
        :param host: the URL of the service; ``None`` for the live stream. The connection's host, if any, replaces it,
            unless it is the host of search.
        :param silence: without a byte for so many seconds, a connection is given up; ``None`` for 45.
        :raises InvalidRequestError: X asks for more than 30 seconds of silence.
        :raises ConnectionConfigError: if a field is missing, or the URL is not safe to send a password to.
        """
        from airflow_provider_twexport.x.search.client import DEFAULT_HOST
        from airflow_provider_twexport.x.streams.client import LIVE_HOST, XStreamClient

        self._mask()
        timing = metrics.counting_timing("x_stream")
        if silence not in (None, ""):
            timing = replace(timing, stream_silence=_checked_silence(silence))
        url = base_url(self.connection, DEFAULT_HOST)
        return XStreamClient(
            _credential(self.connection, label),
            stream=stream,
            backfill=backfill,
            base_url=(host or LIVE_HOST) if url == DEFAULT_HOST else url,
            timing=timing,
        )

    def capabilities(self) -> str:
        """Return the account, and how many requests it used this month."""
        from airflow_provider_twexport.core.timing import ONCE
        from airflow_provider_twexport.exceptions import ThrottledError

        try:
            usage = client_for(self.connection, ONCE).get_usage()
        except ThrottledError as error:
            msg = (
                "X reports the usage of an account twice a minute, and the Exports page or another test has just "
                "requested it. Test again in a minute."
            )
            raise ThrottledError(msg, error.evidence) from None
        return f"Connected to account {extra_of(self.connection, EXTRA_KEYS)['account']}. {_used(usage)}"

    def _mask(self) -> None:
        """Keep the login out of logs, also as it appears in a header."""
        login, password = (self.connection.login or "").strip(), secret_of(self.connection)
        mask_secret(base64.b64encode(f"{login}:{password}".encode()).decode())


def client_for(connection: Connection, timing: Timing | None = None) -> XSearchClient:
    """Return a client of search of a connection.

    :param timing: how long everything waits; ``None`` for the usual waits, and retries that are counted.
    """
    from airflow_provider_twexport.core.arguments import parse_int
    from airflow_provider_twexport.exceptions import ConnectionConfigError, InvalidRequestError
    from airflow_provider_twexport.x.search.client import DEFAULT_HOST, REQUESTS_PER_MINUTE, XSearchClient

    extra = extra_of(connection, EXTRA_KEYS)
    try:
        per_minute = parse_int("requests_per_minute", extra.get("requests_per_minute"))
    except InvalidRequestError as error:
        raise ConnectionConfigError(f"The connection's {error.message}") from None
    return XSearchClient(
        _credential(connection),
        product=extra.get("product") or DEFAULT_PRODUCT,
        base_url=base_url(connection, DEFAULT_HOST),
        requests_per_minute=REQUESTS_PER_MINUTE if per_minute is None else per_minute,
        timing=timing or metrics.counting_timing("x_search"),
    )


def _checked_silence(seconds: Any) -> float:
    from airflow_provider_twexport.exceptions import InvalidRequestError

    try:
        silence = float(seconds)
    except ValueError:
        silence = math.nan
    if not SHORTEST_SILENCE < silence < math.inf:
        raise InvalidRequestError(
            f"silence_seconds={seconds!r} is not allowed. X asks for more than 30 seconds."
        )
    return silence


def _credential(connection: Connection, label: str | None = None) -> XCredential:
    from airflow_provider_twexport.x.session import XCredential

    extra = extra_of(connection, EXTRA_KEYS)
    return XCredential(
        login=without_blanks(connection, "the login", connection.login),
        password=secret_of(connection),
        account=extra.get("account") or "",
        label=label or extra.get("label") or "",
    )


def _used(report: dict[str, Any]) -> str:
    from airflow_provider_twexport.x.usage import latest_month

    _, used = latest_month(report)
    if not used:
        return "X reports no usage yet."
    return (
        f"Requests this month: {used.get('searchRequestsFullArchive', 0):,} of the full archive, "
        f"{used.get('searchRequests30Day', 0):,} of 30 days."
    )
