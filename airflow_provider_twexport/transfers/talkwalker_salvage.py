"""Land what an export brought until it ended early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.compat import AirflowSkipException
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.links.exports_page import ExportsPageLink
from airflow_provider_twexport.links.talkwalker import TalkwalkerConsoleLink
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.transfers.talkwalker_to_object_storage import TalkwalkerToObjectStorageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class TalkwalkerSalvageExportOperator(TalkwalkerToObjectStorageOperator):
    """Land what an aborted or failed export brought until it ended: it is paid for, and deleted after 7 days.

    Takes and returns what :class:`TalkwalkerToObjectStorageOperator` does. The manifest says ``complete: false`` and
    why, and the next landing of the same window replaces this one. The task is skipped if nothing was ordered or
    brought, and if the export did not end early: then a retry lands all of it.
    """

    _salvages = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(on_incomplete="warn", **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is and what it counts."""
        from airflow_provider_twexport.talkwalker.landing import check_nothing_better

        # before it may be skipped: Airflow logs an error for each button that has no URL
        ExportsPageLink.push(context, self.export_id or self.collector_id or "")
        TalkwalkerConsoleLink.push(context)
        directory = self.directory(context, self.object_storage_path)
        if not self.export_id:
            raise AirflowSkipException("Nothing was ordered, so there is nothing to salvage.")
        with fail_without_retry():
            task = TalkwalkerHook(self.talkwalker_conn_id).get_conn().get_export(self.export_id)
            if task.status.has_results:
                raise AirflowSkipException(
                    f"Export {task.id} is {task.raw_status}: it did not end early, so land all of it."
                )
            if task.status.is_lost and task.exported() == 0:
                raise AirflowSkipException(f"Export {task.id} is {task.raw_status} and brought nothing.")
            directory = self.directory(context, self._path(self._window(context)))
            check_nothing_better(directory, task)
        return super().execute(context)
