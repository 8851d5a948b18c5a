"""Wait for a Talkwalker export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_twexport.compat import AirflowSkipException, conf
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.links.exports_page import ExportsPageLink
from airflow_provider_twexport.links.talkwalker import TalkwalkerConsoleLink
from airflow_provider_twexport.object_storage import storage_path
from airflow_provider_twexport.sensors.base import ExportSensor
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.templates import LANDING_CHOICES, check_choice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from airflow.sdk import Context

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportTask
    from airflow_provider_twexport.triggers.talkwalker import TalkwalkerExportTrigger


class TalkwalkerExportSensor(ExportSensor["TalkwalkerClient", "ExportTask"]):
    """Wait until an export is finished or has reached its limit.

    Returns ``{"export_id", "status", "exported", "estimated_total", "truncated"}``; the results and exceptions are
    the same whether it pokes, reschedules or defers.

    :param export_id: the export.
    :param on_truncated: what to do if more matched than ``limit``: ``warn``, ``fail``, ``skip``, or ``split``, which
        warns here and leaves it to the next plan with ``on_truncated="split"`` to buy the rest.
    :param limit: the limit that was ordered; needed to count a truncated export where the service does not.
    :param start: first moment of the window that is exported; the name of a mapped task may tell it.
    :param manifest: the address of the manifest of an export that Talkwalker has forgotten; then the outcome is what
        it says, and nothing is asked. ``None`` or empty to wait for the export.
    :param object_storage_conn_id: Airflow connection of the manifest's storage.
    :param talkwalker_conn_id: Airflow connection.
    :param poke_interval: seconds between two looks.
    :param deferrable: wait in the triggerer, without holding a worker.
    :param cancel_on_kill: abort the export when the task is killed, failed or cleared while it waits, and when its
        ``timeout`` or ``execution_timeout`` is over; both count from the task's start, also while it is deferred.
    """

    template_fields: Sequence[str] = (
        "export_id",
        "on_truncated",
        "limit",
        "start",
        "manifest",
        "object_storage_conn_id",
        "talkwalker_conn_id",
    )
    ui_color = "#eaf7ea"
    operator_extra_links = (ExportsPageLink(), TalkwalkerConsoleLink())
    system = "talkwalker"
    noun = "Export"

    def __init__(
        self,
        *,
        export_id: str,
        on_truncated: Literal["warn", "fail", "skip", "split"] | str = "warn",
        limit: int | str | None = None,
        start: str | None = None,
        manifest: str | None = None,
        object_storage_conn_id: str | None = None,
        talkwalker_conn_id: str = TalkwalkerHook.default_conn_name,
        poke_interval: timedelta | float = 30,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            poke_interval=poke_interval, deferrable=deferrable, cancel_on_kill=cancel_on_kill, **kwargs
        )
        self.export_id = export_id
        self.on_truncated = on_truncated
        check_choice("on_truncated", on_truncated, LANDING_CHOICES["on_truncated"])
        self.limit = limit
        self.start = start
        self.manifest = manifest
        self.object_storage_conn_id = object_storage_conn_id
        self.talkwalker_conn_id = talkwalker_conn_id
        self._kill_client: TalkwalkerClient | None = None

    def execute(self, context: Context) -> Any:
        """Wait, with a button that leads to the progress."""
        from airflow_provider_twexport.core.arguments import parse_choice, parse_required_text

        with fail_without_retry():
            self.export_id = parse_required_text("export_id", self.export_id)
            parse_choice("on_truncated", self.on_truncated, LANDING_CHOICES["on_truncated"])
        ExportsPageLink.push(context, self.export_id)
        TalkwalkerConsoleLink.push(context)
        if self.manifest:
            with fail_without_retry():
                return self.outcome(self._landed_export(self.manifest))
        return super().execute(context)

    def _landed_export(self, address: str) -> ExportTask:
        """Return the export as its landing's manifest remembers it."""
        from airflow_provider_twexport.storage import manifest
        from airflow_provider_twexport.talkwalker.models import ExportTask

        landed = manifest.read(storage_path(address, conn_id=self.object_storage_conn_id))
        self.log.info("All results of export %s have landed: %s", self.export_id, address)
        exported = landed.results + landed.excluded if landed.exported is None else landed.exported
        return ExportTask.from_json(
            {
                "id": self.export_id,
                "target": landed.source.get("collector_id"),
                "status": "result_limit_reached" if landed.truncated else "finished",
                "processed": exported,
                "ready": exported,
                "progress": exported / landed.estimated_total if landed.estimated_total else None,
            }
        )

    @property
    def export_key(self) -> str:
        """The export's id."""
        return self.export_id

    def connect(self) -> TalkwalkerClient:
        """Return a client; on_kill interrupts anything, so it gets connections of its own."""
        hook = TalkwalkerHook(self.talkwalker_conn_id)
        self._kill_client = hook.get_conn()
        return hook.get_conn()

    def look(self, client: TalkwalkerClient) -> ExportTask:
        """Ask for the export."""
        return client.get_export(self.export_id)

    def read(self, export: dict[str, Any]) -> ExportTask:
        """Read what the trigger told of the export."""
        from airflow_provider_twexport.talkwalker.models import ExportTask

        return ExportTask.from_json(export)

    def outcome(self, export: ExportTask) -> dict[str, Any]:
        """Return what was exported, or raise."""
        from airflow_provider_twexport.core.arguments import parse_int
        from airflow_provider_twexport.exceptions import ExportFailedError

        if export.status.is_lost:
            words = "; ".join(export.messages) or "no message"
            raise ExportFailedError(
                f"Export {export.id} is {export.status} ({words}). What it had exported is paid for and stays in "
                f"collector {export.collector_id} for 7 days. To order it again, clear the task that created it.",
                facts=export.facts(),
            )
        if export.readable_until:
            self.log.info(
                "Export %s is %s; its results can be read until %s.",
                export.id,
                export.status,
                export.readable_until,
            )
        limit = parse_int("limit", self.limit)
        if export.status.is_truncated:
            self._check_truncation(export, limit)
        return {
            "export_id": export.id,
            "status": str(export.status),
            "exported": export.exported(limit),
            "estimated_total": export.estimated_total(limit),
            "truncated": export.status.is_truncated,
        }

    def _check_truncation(self, export: ExportTask, limit: int | None) -> None:
        from airflow_provider_twexport.exceptions import ExportTruncatedError

        exported, total = export.exported(limit), export.estimated_total(limit)
        missing = total - exported if total and exported else None
        number = "an unknown number of" if missing is None else f"about {missing:,} of {total:,}"
        msg = (
            f"Export {export.id} reached its limit: {number} matching results were not exported. They are from the "
            "whole window, because results do not come in the order of time. Raise limit, or split the window."
        )
        if self.on_truncated == "fail":
            facts = export.facts(limit) | {"estimated_total": total, "missing": missing}
            raise ExportTruncatedError(msg, facts=facts)
        if self.on_truncated == "skip":
            raise AirflowSkipException(msg)
        self.log.warning(msg)

    def trigger(self, deadline: float) -> TalkwalkerExportTrigger:
        """Return what waits in the triggerer."""
        from airflow_provider_twexport.triggers.talkwalker import TalkwalkerExportTrigger

        return TalkwalkerExportTrigger(
            export_id=self.export_id,
            talkwalker_conn_id=self.talkwalker_conn_id,
            poke_interval=self.poke_interval,
            deadline=deadline,
            cancel_on_kill=self.cancel_on_kill,
        )

    def cancel_now(self) -> None:
        """Abort the export; what it has exported stays in its collector."""
        if self._kill_client:
            self._kill_client.abort_when_killed(self.export_id)
