"""An Adobe Experience Platform connection becomes a client that asks for its own access tokens."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_twexport.hooks.base import base_url, mask_quoted, run_connection_test
from airflow_provider_twexport.telemetry import metrics

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.core.timing import Timing

DEFAULT_SANDBOX = "prod"


class AdobeExperiencePlatformHook(BaseHook):
    """Turns an Airflow connection into an Adobe Experience Platform client.

    :param adobe_conn_id: connection whose login and password are client id and client secret of an OAuth
        server-to-server credential; its host, if any, replaces ``https://platform.adobe.io``, and its extra holds
        ``org_id``, ``scopes`` (with commas between), ``sandbox`` (``prod``), ``tenant`` (which only the button to
        Adobe's UI needs) and, if need be, ``ims_host``.
    """

    conn_name_attr = "adobe_conn_id"
    default_conn_name = "adobe_experience_platform_default"
    conn_type = "adobe_experience_platform"
    hook_name = "Adobe Experience Platform"

    def __init__(self, adobe_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.adobe_conn_id = adobe_conn_id

    @cached_property
    def connection(self) -> Connection:
        """Return the Airflow connection, asked for once."""
        return self.get_connection(self.adobe_conn_id)

    @property
    def tenant(self) -> str | None:
        """Return what Adobe's UI calls the organization, if the connection tells."""
        return self.connection.extra_dejson.get("tenant") or None

    def get_conn(self) -> AdobeClient:
        """Return a client that calls with the connection's credential.

        :raises ConnectionConfigError: if something of the credential is missing, or there is no address to send it to.
        """
        mask_quoted(self.connection.password or "")
        return client_for(self.connection)

    def test_connection(self) -> tuple[bool, str]:
        """Tell whether the credential works, and where; lists one job, and never raises."""
        return run_connection_test(self._capabilities)

    def _capabilities(self) -> str:
        from airflow_provider_twexport.core.timing import ONCE

        client = client_for(self.connection, ONCE)
        jobs = client.list_export_jobs(limit=1)
        newest = f"the newest is {jobs[0].id} ({jobs[0].raw_status})" if jobs else "there are none yet"
        org_id = self.connection.extra_dejson.get("org_id")
        return f"Connected to {org_id}, sandbox {client.sandbox}. Export jobs can be listed: {newest}."


def client_for(connection: Connection, timing: Timing | None = None) -> AdobeClient:
    """Return a client for a connection that is at hand.

    :param timing: how long everything waits; ``None`` for the usual waits, and retries that are counted.
    """
    from airflow_provider_twexport.adobe.client import DEFAULT_HOST, AdobeClient
    from airflow_provider_twexport.adobe.oauth import DEFAULT_IMS_HOST, ServerCredential
    from airflow_provider_twexport.core.arguments import parse_list

    extra = connection.extra_dejson
    credential = ServerCredential(
        client_id=connection.login or "",
        client_secret=connection.password or "",
        org_id=extra.get("org_id") or "",
        scopes=parse_list(extra.get("scopes")),
    )
    ims_url = extra.get("ims_host") or DEFAULT_IMS_HOST
    return AdobeClient(
        credential,
        sandbox=extra.get("sandbox") or DEFAULT_SANDBOX,
        base_url=base_url(connection, DEFAULT_HOST),
        ims_url=ims_url if "://" in ims_url else f"https://{ims_url}",
        timing=timing or metrics.counting_timing("adobe"),
    )
