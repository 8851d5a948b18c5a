"""Wait for a Talkwalker export."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_twexport.hooks.failing import fail_without_retry
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
from airflow_provider_twexport.links import ExportsPageLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_provider_twexport.clients.talkwalker import ExportTask, TalkwalkerClient


class TalkwalkerExportSensor(BaseSensorOperator):
    """Wait until an export is finished or has reached its limit.

    Returns ``{"export_id", "status", "exported", "estimated_total", "truncated"}``; the results and exceptions are
    the same whether it pokes, reschedules or defers.

    :param export_id: the export.
    :param on_truncated: what to do if more matched than ``limit``: ``warn``, ``fail`` or ``skip``.
    :param limit: the limit that was ordered; needed to count a truncated export where the service does not.
    :param start: first moment of the window that is exported; the name of a mapped task may tell it.
    :param talkwalker_conn_id: Airflow connection.
    :param poke_interval: seconds between two looks.
    :param deferrable: wait in the triggerer, without holding a worker.
    :param cancel_on_kill: abort the export when the task is killed, failed or cleared while it waits, and when its
        ``timeout`` or ``execution_timeout`` is over; both count from the task's start, also while it is deferred.
    """

    template_fields: Sequence[str] = ("export_id", "limit", "start", "talkwalker_conn_id")
    ui_color = "#eaf7ea"
    operator_extra_links = (ExportsPageLink(),)

    def __init__(
        self,
        *,
        export_id: str,
        on_truncated: Literal["warn", "fail", "skip"] = "warn",
        limit: int | str | None = None,
        start: str | None = None,
        talkwalker_conn_id: str = TalkwalkerHook.default_conn_name,
        poke_interval: timedelta | float = 30,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        cancel_on_kill: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.export_id = export_id
        self.on_truncated = on_truncated
        self.limit = limit
        self.start = start
        self.talkwalker_conn_id = talkwalker_conn_id
        self.deferrable = deferrable
        self.cancel_on_kill = cancel_on_kill
        self._client: TalkwalkerClient | None = None
        self._kill_client: TalkwalkerClient | None = None

    def execute(self, context: Context) -> Any:
        """Wait, with a button that leads to the progress."""
        ExportsPageLink.push(context, self.export_id)
        return super().execute(context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once; where the export has not ended and the sensor is deferrable, defer."""
        with fail_without_retry():
            task = self._client_at_hand().get_export(self.export_id)
            if not task.is_unfinished:
                return PokeReturnValue(is_done=True, xcom_value=self._outcome(task))
        self.log.info("Export %s is %s.", task.id, task.raw_status)
        deadline = min(self._deadlines(context).values())
        if time.time() >= deadline:
            self._time_out(context)
        if self.deferrable:
            self._defer_until(deadline)
        return PokeReturnValue(is_done=False)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Return what was exported, or raise what polling would have raised."""
        from airflow_provider_twexport.clients.errors import RetryLaterError
        from airflow_provider_twexport.clients.talkwalker import ExportTask

        outcome = event.get("outcome")
        if outcome == "ended":
            with fail_without_retry():
                return self._outcome(ExportTask.from_json(event["export"]))
        if outcome == "timeout":
            self._time_out(context)
        if outcome == "retry_later":
            raise RetryLaterError(event["message"])
        raise AirflowFailException(event.get("message") or f"The trigger fired an unknown event: {event}")

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral; the deferral's own timeout never asks the trigger, so the abort happens here."""
        if (next_kwargs or {}).get("error") == "Trigger timeout":
            self._abort()
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Abort the export, with nothing but what is at hand, because Airflow leaves 5 seconds."""
        if self.cancel_on_kill and self._kill_client:
            self._kill_client.abort_when_killed(self.export_id)

    def _client_at_hand(self) -> TalkwalkerClient:
        if self._client is None:
            hook = TalkwalkerHook(self.talkwalker_conn_id)
            # on_kill interrupts anything, so it gets connections of its own
            self._client, self._kill_client = hook.get_conn(), hook.get_conn()
        return self._client

    def _outcome(self, task: ExportTask) -> dict[str, Any]:
        from airflow_provider_twexport.planning.arguments import whole_number

        if task.status.is_lost:
            words = "; ".join(task.messages) or "no message"
            raise AirflowFailException(
                f"Export {task.id} is {task.status} ({words}). What it had exported is paid for and stays in "
                f"collector {task.target} for 7 days. To order anew, clear the task that created it."
            )
        limit = whole_number("limit", self.limit)
        exported, total = task.exported(limit), task.estimated_total(limit)
        if task.status.is_truncated:
            self._tell_truncation(task, exported, total)
        return {
            "export_id": task.id,
            "status": str(task.status),
            "exported": exported,
            "estimated_total": total,
            "truncated": task.status.is_truncated,
        }

    def _tell_truncation(self, task: ExportTask, exported: int | None, total: int | None) -> None:
        missing = f"about {total - exported:,} of {total:,}" if total and exported else "an unknown number"
        msg = (
            f"Export {task.id} reached its limit: {missing} matching results were not exported. Raise limit, or "
            "split the window; results are not in the order of time, so going on from the last one is no way."
        )
        if self.on_truncated == "fail":
            raise AirflowFailException(msg)
        if self.on_truncated == "skip":
            raise AirflowSkipException(msg)
        self.log.warning(msg)

    def _deadlines(self, context: Context) -> dict[str, float]:
        """Return when each limit on the wait is over, in seconds since the epoch."""
        ti = context["ti"]
        began = (ti.get_first_reschedule_date(context) if self.reschedule else None) or ti.start_date
        deadlines = {"timeout": began.timestamp() + self.timeout}
        if self.execution_timeout and not self.reschedule:
            deadlines["execution_timeout"] = began.timestamp() + self.execution_timeout.total_seconds()
        return deadlines

    def _defer_until(self, deadline: float) -> None:
        from airflow_provider_twexport.triggers.talkwalker import TalkwalkerExportTrigger

        self.defer(
            trigger=TalkwalkerExportTrigger(
                export_id=self.export_id,
                talkwalker_conn_id=self.talkwalker_conn_id,
                poke_interval=self.poke_interval,
                deadline=deadline,
                cancel_on_kill=self.cancel_on_kill,
            ),
            method_name=self.execute_complete.__name__,
            # the trigger keeps the deadline; this is for when no triggerer runs
            timeout=timedelta(seconds=max(0.0, deadline - time.time()) + 2 * self.poke_interval + 60),
        )

    def _time_out(self, context: Context) -> NoReturn:
        deadlines = self._deadlines(context)
        name = min(deadlines, key=lambda limit: deadlines[limit])
        self._abort()
        timeout = AirflowTaskTimeout if name == "execution_timeout" else AirflowSensorTimeout
        raise timeout(f"Export {self.export_id} did not end within the task's {name}.")

    def _abort(self) -> None:
        if self.cancel_on_kill:
            self.log.warning(
                "Aborting export %s; what it has exported stays in its collector.", self.export_id
            )
            self._client_at_hand().abort_when_killed(self.export_id)
