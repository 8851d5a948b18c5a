"""An Airflow connection becomes a client of Adobe Experience Platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.base import ConnectionHook, base_url, extra_of, secret_of, without_blanks
from airflow_provider_twexport.telemetry import metrics

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.core.timing import Timing

DEFAULT_SANDBOX = "prod"
EXTRA_KEYS = ("org_id", "scopes", "sandbox", "tenant", "ims_host")


class AdobeExperiencePlatformHook(ConnectionHook):
    """Turns an Airflow connection into an Adobe Experience Platform client.

    :param adobe_conn_id: connection whose login and password are the client id and client secret of an OAuth
        server-to-server credential. Its host, if any, replaces ``https://platform.adobe.io``. Its extra contains
        ``org_id``, ``scopes`` (separated by commas), ``sandbox`` (default ``prod``), ``tenant`` (only for the button
        to Adobe's UI) and, if needed, ``ims_host``.
    """

    conn_name_attr = "adobe_conn_id"
    default_conn_name = "adobe_experience_platform_default"
    conn_type = "adobe_experience_platform"
    hook_name = "Adobe Experience Platform"

    def __init__(self, adobe_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.adobe_conn_id = adobe_conn_id

    @property
    def tenant(self) -> str | None:
        """Return the name of the organization in the URLs of Adobe's UI, if the connection has it."""
        return extra_of(self.connection, EXTRA_KEYS).get("tenant") or None

    def get_conn(self) -> AdobeClient:
        """Return a client that calls with the connection's credential.

        :raises ConnectionConfigError: if a field is missing, or the URL is not safe to send a credential to.
        """
        return client_for(self.connection)

    def capabilities(self) -> str:
        """Return the organization, the sandbox and the newest export job."""
        from airflow_provider_twexport.core.timing import ONCE

        client = client_for(self.connection, ONCE)
        jobs = client.list_export_jobs(limit=1)
        newest = f"the newest is {jobs[0].id} ({jobs[0].raw_status})" if jobs else "there are none yet"
        org_id = extra_of(self.connection, EXTRA_KEYS).get("org_id")
        return f"Connected to {org_id}, sandbox {client.sandbox}. Export jobs can be listed: {newest}."


def client_for(connection: Connection, timing: Timing | None = None) -> AdobeClient:
    """Return a client of a connection.

    :param timing: how long everything waits; ``None`` for the usual waits, and retries that are counted.
    """
    from airflow_provider_twexport.adobe.client import DEFAULT_HOST, AdobeClient
    from airflow_provider_twexport.adobe.oauth import DEFAULT_IMS_HOST, ServerCredential
    from airflow_provider_twexport.core.arguments import parse_list

    extra = extra_of(connection, EXTRA_KEYS)
    credential = ServerCredential(
        client_id=without_blanks(connection, "the login", connection.login),
        client_secret=secret_of(connection),
        org_id=extra.get("org_id") or "",
        scopes=parse_list(extra.get("scopes"), "scopes"),
    )
    ims_url = extra.get("ims_host") or DEFAULT_IMS_HOST
    return AdobeClient(
        credential,
        sandbox=extra.get("sandbox") or DEFAULT_SANDBOX,
        base_url=base_url(connection, DEFAULT_HOST),
        ims_url=ims_url if "://" in ims_url else f"https://{ims_url}",
        timing=timing or metrics.counting_timing("adobe"),
    )
