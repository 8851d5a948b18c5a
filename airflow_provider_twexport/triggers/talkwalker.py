"""Waiting for a Talkwalker export from the triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_twexport.hooks.talkwalker import client_for
from airflow_provider_twexport.triggers.base import ConnectionPoll, ExportTrigger

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportTask


class TalkwalkerExportTrigger(ExportTrigger["TalkwalkerClient", "ExportTask"]):
    """Wait until an export has ended; :class:`ExportTrigger` documents its events and other parameters.

    :param export_id: the export.
    :param talkwalker_conn_id: Airflow connection; read again for each poll, so that a new token is used.
    :param poke_interval: seconds between two polls.
    :param deadline: seconds since the epoch after which the wait times out.
    :param cancel_on_kill: abort the export if somebody fails, clears or marks the deferred task (Airflow 3.3 on).
    """

    noun = "Export"
    own_fields = ("export_id", "talkwalker_conn_id")

    def __init__(
        self,
        export_id: str,
        talkwalker_conn_id: str,
        poke_interval: float,
        deadline: float,
        cancel_on_kill: bool = True,
    ) -> None:
        super().__init__(poke_interval, deadline, cancel_on_kill)
        self.export_id = export_id
        self.talkwalker_conn_id = talkwalker_conn_id

    def poll(self) -> ConnectionPoll[TalkwalkerClient, ExportTask]:
        """Return the poll of the connection in the running event loop."""
        return _ExportPoll.of(self.talkwalker_conn_id)

    def cancel(self, client: TalkwalkerClient) -> str:
        """Abort the export and return what that means."""
        client.abort_export(self.export_id)
        return f"Aborted export {self.export_id}; what it had exported stays in its collector."


class _ExportPoll(ConnectionPoll["TalkwalkerClient", "ExportTask"]):
    """One list request for all exports, and one request for each that the list lacks."""

    def client(self, connection: Connection) -> TalkwalkerClient:
        return client_for(connection)

    def list_exports(self, client: TalkwalkerClient, wanted: frozenset[str]) -> dict[str, ExportTask]:
        return {task.id: task for task in client.list_exports()}

    def get_export(self, client: TalkwalkerClient, export_id: str) -> ExportTask:
        return client.get_export(export_id)
