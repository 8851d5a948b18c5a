"""The Airflow connection of Talkwalker, and the client that signs with its token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.hooks.base import ConnectionHook, base_url, extra_of, secret_of
from airflow_provider_twexport.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Connection

    from airflow_provider_twexport.core.timing import Timing
    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportOrder

EXTRA_KEYS = ("project_id",)


class TalkwalkerHook(ConnectionHook):
    """Turns an Airflow connection into a Talkwalker client.

    :param talkwalker_conn_id: connection whose password is the access token; its host, if any, replaces
        ``https://api.talkwalker.com``, and its extra may hold a default ``project_id``.
    """

    conn_name_attr = "talkwalker_conn_id"
    default_conn_name = "talkwalker_default"
    conn_type = "talkwalker"
    hook_name = "Talkwalker"

    def __init__(self, talkwalker_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.talkwalker_conn_id = talkwalker_conn_id

    @property
    def project_id(self) -> str | None:
        """Return the project that the connection names as its default."""
        return default_project(self.connection)

    def project_for(self, project_id: str | None, stream_id: str | None) -> str | None:
        """Return the project to export from: the given one, else the connection's unless there is a stream.

        :param project_id: ``None`` for the connection's, ``""`` for none.
        :param stream_id: what is exported from instead.
        """
        from airflow_provider_twexport.core.arguments import parse_text

        if project_id is None and not parse_text("stream_id", stream_id):
            return self.project_id
        return parse_text("project_id", project_id)

    def order(
        self,
        window: Window,
        *,
        project_id: str | None,
        stream_id: str | None,
        query: str | None,
        topics: Sequence[str] | str | None,
        limit: int | None,
    ) -> ExportOrder:
        """Return the order that a user's arguments stand for.

        :param window: the time of publication.
        :param project_id: ``None`` for the connection's, ``""`` for none.
        :param stream_id: excludes ``project_id``.
        :param query: required where there is neither project nor stream.
        :param topics: topic ids of the project; a list, or a text with commas.
        :param limit: results at most; ``None`` for the maximum.
        """
        from airflow_provider_twexport.core.arguments import parse_list, parse_text
        from airflow_provider_twexport.talkwalker.models import MAX_LIMIT, ExportOrder

        return ExportOrder(
            window=window,
            project_id=self.project_for(project_id, stream_id),
            stream_id=parse_text("stream_id", stream_id),
            query=parse_text("query", query),
            topics=parse_list(topics),
            limit=MAX_LIMIT if limit is None else limit,
        )

    def get_conn(self) -> TalkwalkerClient:
        """Return a client that signs its calls with the connection's token.

        :raises ConnectionConfigError: if the connection has no token, or no address to send it to.
        """
        return client_for(self.connection)

    def capabilities(self) -> str:
        """Return the accounts, rights, credits and projects of the token."""
        from airflow_provider_twexport.core.timing import ONCE
        from airflow_provider_twexport.exceptions import PermissionDeniedError
        from airflow_provider_twexport.talkwalker.models import credits_text

        client = client_for(self.connection, ONCE)
        projects = client.list_projects()
        accounts = sorted({project.account_name for project in projects if project.account_name})
        names = ", ".join(f"{project.name} ({project.id})" for project in projects[:10])
        credit = client.get_credits()
        try:
            client.list_collectors()
            rights = "read and write"
        except PermissionDeniedError:
            rights = "read only: it cannot create exports"
        return (
            f"Connected to {', '.join(accounts) or 'Talkwalker'}. Rights: {rights}. "
            f"Credits left: {credits_text(credit.remaining)}. Projects ({len(projects)}): {names or 'none'}."
        )


def default_project(connection: Connection) -> str | None:
    """Return the project that a connection names as its default.

    :raises ConnectionConfigError: if its extra cannot be read, or has an unknown key.
    """
    from airflow_provider_twexport.core.arguments import parse_text

    return parse_text("project_id", extra_of(connection, EXTRA_KEYS).get("project_id"))


def client_for(connection: Connection, timing: Timing | None = None) -> TalkwalkerClient:
    """Return a client for a connection that was read before.

    :param timing: how long everything waits; ``None`` for the usual waits, and retries that are counted.
    """
    from airflow_provider_twexport.talkwalker.client import DEFAULT_HOST, TalkwalkerClient

    timing = timing or metrics.counting_timing("talkwalker")
    extra_of(connection, EXTRA_KEYS)  # a mistyped project_id would order from all of Talkwalker
    return TalkwalkerClient(secret_of(connection), base_url(connection, DEFAULT_HOST), timing)
