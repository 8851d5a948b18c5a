"""Land what an export had brought when it broke off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.transfers.talkwalker_to_object_storage import TalkwalkerToObjectStorageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class TalkwalkerSalvageExportOperator(TalkwalkerToObjectStorageOperator):
    """Land what an aborted or failed export had brought until then: it is paid for, and forgotten after 7 days.

    Takes and returns what :class:`TalkwalkerToObjectStorageOperator` does. The manifest says ``complete: false`` and
    why, and the next landing of the same window takes the place of this one. It is skipped if nothing was ordered or
    brought, and if the export did not break off: then a retry lands all of it.
    """

    # what can be had is to be had; there will be no more of it
    _salvages = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(on_incomplete="warn", **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Return where the manifest is and what it counts."""
        from airflow_provider_twexport.talkwalker.landing import check_nothing_better

        if not self.export_id:
            raise AirflowSkipException("Nothing was ordered, so there is nothing to salvage.")
        with fail_without_retry():
            task = TalkwalkerHook(self.talkwalker_conn_id).get_conn().get_export(self.export_id)
            if task.status.has_results:
                raise AirflowSkipException(
                    f"Export {task.id} is {task.raw_status}: it did not break off, and can be landed whole."
                )
            if task.status.is_lost and task.exported() == 0:
                raise AirflowSkipException(f"Export {task.id} is {task.raw_status} and had brought nothing.")
            check_nothing_better(self._directory(self._window(context)), task)
        return super().execute(context)
