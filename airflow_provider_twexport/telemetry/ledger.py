"""Records in the ledger what a task has done; a ledger that cannot be written never fails the task."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.object_storage import storage_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_twexport.storage.manifest import Manifest

log = logging.getLogger(__name__)


class TaskLedger:
    """The ledger, written to by one task.

    :param ledger_path: its directory; ``None``: nothing is recorded.
    :param conn_id: Airflow connection of the object storage.
    :param context: of the task.
    """

    def __init__(self, ledger_path: str | None, conn_id: str | None, context: Context) -> None:
        self._path = ledger_path
        self._conn_id = conn_id
        self._context = context

    def ordered(self, export_id: str, order: Mapping[str, Any], *, adopted: bool) -> None:
        """Record that an export was bought, or adopted.

        :param order: what was ordered, as plain JSON values.
        """
        self._record("ordered", export_id, **order, adopted=adopted)

    def ended(self, export_id: str, status: str, exported: int | None) -> None:
        """Record how an export ended and what it cost: each exported result is a credit."""
        self._record("ended", export_id, status=status, exported=exported, credits=exported)

    def landed(self, directory: ObjectStoragePath, manifest: Manifest) -> None:
        """Record where an export landed; nothing if the landing is of no export."""
        if export_id := manifest.source.get("export_id"):
            self._record(
                "landed",
                export_id,
                manifest=manifest.summary(directory)["manifest"],
                results=manifest.results,
                truncated=manifest.truncated,
                complete=manifest.complete,
            )

    def aborted(self, export_id: str, **details: Any) -> None:
        """Record that an export was aborted."""
        self._record("aborted", export_id, **details)

    def deleted(self, export_id: str, **details: Any) -> None:
        """Record that the service no longer holds the results of an export."""
        self._record("deleted", export_id, **details)

    def _record(self, kind: str, export_id: str, **details: Any) -> None:
        if not self._path:
            return
        # it has happened and is paid for; a store that fails must not fail the task
        try:
            self._write(self._path, kind, export_id, details)
        except Exception as error:
            log.warning(
                "The ledger in %s does not record that export %s is %s (%s: %s).",
                self._path,
                export_id,
                kind,
                type(error).__name__,
                error,
            )

    def _write(self, path: str, kind: str, export_id: str, details: dict[str, Any]) -> None:
        import pendulum

        from airflow_provider_twexport.storage.ledger import EntryKind, LedgerEntry, TaskRef, record

        ti = self._context["ti"]
        entry = LedgerEntry(
            kind=EntryKind(kind),
            export_id=export_id,
            by=TaskRef(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index),
            at=pendulum.now("UTC").isoformat(timespec="milliseconds"),
            details=details,
        )
        record(storage_path(path, conn_id=self._conn_id), entry)
