"""Telling the ledger what a task has done; whatever goes wrong with that, the task goes on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_twexport.talkwalker.models import ExportOrder, ExportTask

log = logging.getLogger(__name__)


class TaskLedger:
    """The ledger of one task.

    :param ledger_path: its directory; ``None`` where none is kept.
    :param conn_id: Airflow connection of that place.
    :param context: of the task that tells.
    """

    def __init__(self, ledger_path: str | None, conn_id: str | None, context: Context) -> None:
        self._path = ledger_path
        self._conn_id = conn_id
        self._context = context

    def ordered(self, export_id: str, order: ExportOrder, collector_id: str | None, *, adopted: bool) -> None:
        """Tell that an export was bought, or found and used."""
        self._enter(
            "ordered",
            export_id,
            collector_id=collector_id,
            window=order.window.to_json(),
            project_id=order.project_id,
            stream_id=order.stream_id,
            query=order.query,
            topics=list(order.topics),
            limit=order.limit,
            adopted=adopted,
        )

    def ended(self, task: ExportTask, limit: int | None = None) -> None:
        """Tell how an export ended and what it cost: each result that it exported is a credit."""
        exported = task.exported(limit)
        self._enter("ended", task.id, status=str(task.status), exported=exported, credits=exported)

    def landed(self, export_id: str, manifest: str, results: int, *, truncated: bool, complete: bool) -> None:
        """Tell where an export landed."""
        self._enter(
            "landed", export_id, manifest=manifest, results=results, truncated=truncated, complete=complete
        )

    def aborted(self, export_id: str, collector_id: str | None) -> None:
        """Tell that an export was called off."""
        self._enter("aborted", export_id, collector_id=collector_id)

    def deleted(self, export_id: str, collector_id: str) -> None:
        """Tell that the service no longer holds what an export brought."""
        self._enter("deleted", export_id, collector_id=collector_id)

    def _enter(self, kind: str, export_id: str, **details: Any) -> None:
        if not self._path:
            return
        # what is told has happened and is paid for; no fault of a store may undo it
        try:
            self._write(self._path, kind, export_id, details)
        except Exception as error:
            log.warning(
                "The ledger in %s was not told that export %s is %s (%s: %s).",
                self._path,
                export_id,
                kind,
                type(error).__name__,
                error,
            )

    def _write(self, path: str, kind: str, export_id: str, details: dict[str, Any]) -> None:
        import pendulum
        from airflow.providers.common.compat.sdk import ObjectStoragePath

        from airflow_provider_twexport.storage.ledger import EntryKind, LedgerEntry, TaskRef, record

        ti = self._context["ti"]
        entry = LedgerEntry(
            kind=EntryKind(kind),
            export_id=export_id,
            by=TaskRef(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index),
            at=pendulum.now("UTC").isoformat(timespec="milliseconds"),
            details=details,
        )
        record(ObjectStoragePath(path, conn_id=self._conn_id), entry)
