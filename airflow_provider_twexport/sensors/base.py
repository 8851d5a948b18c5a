"""Waiting for an export: polling, deferring, timing out and cancelling it, the same for every service."""

from __future__ import annotations

import time
from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_twexport.compat import AirflowSensorTimeout, AirflowTaskTimeout
from airflow_provider_twexport.telemetry import metrics
from airflow_provider_twexport.telemetry.failures import fail_without_retry
from airflow_provider_twexport.templates import TemplatedOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_twexport.triggers.base import ExportTrigger, Waitable

Client = TypeVar("Client")
Export = TypeVar("Export", bound="Waitable")


class ExportSensor(TemplatedOperator, BaseSensorOperator, Generic[Client, Export]):
    """Wait until an export has ended; results and exceptions are the same in poke, reschedule and deferrable mode.

    :param poke_interval: seconds between two polls.
    :param deferrable: wait in the triggerer, without a worker slot.
    :param cancel_on_kill: cancel the export when the task is killed, failed or cleared while it waits, and when its
        ``timeout`` or ``execution_timeout`` is over; both count from the task's start, also while it is deferred.
    """

    noun: ClassVar[str]
    system: ClassVar[str]

    def __init__(
        self, *, poke_interval: timedelta | float, deferrable: bool, cancel_on_kill: bool, **kwargs: Any
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.deferrable = deferrable
        self.cancel_on_kill = cancel_on_kill
        self._client: Client | None = None

    @property
    @abstractmethod
    def export_key(self) -> str:
        """The export's id."""

    @abstractmethod
    def connect(self) -> Client:
        """Return a client, and prepare what a kill needs."""

    @abstractmethod
    def look(self, client: Client) -> Export:
        """Request the export."""

    @abstractmethod
    def read(self, export: dict[str, Any]) -> Export:
        """Return the export in the trigger's event."""

    @abstractmethod
    def outcome(self, export: Export) -> dict[str, Any]:
        """Return the result of an export that has ended, or raise."""

    @abstractmethod
    def trigger(self, deadline: float) -> ExportTrigger[Client, Export]:
        """Return the trigger that waits for the export."""

    @abstractmethod
    def cancel_now(self) -> None:
        """Cancel the export with one short request, because Airflow leaves 5 seconds."""

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once; if the export has not ended and the sensor is deferrable, defer."""
        with fail_without_retry():
            export = self.look(self._cached_client())
            export.check_status()
            if not export.is_unfinished:
                self._measure_wait(context, "ended")
                return PokeReturnValue(is_done=True, xcom_value=self.outcome(export))
        self.log.info("%s %s is %s.", self.noun, self.export_key, export.raw_status)
        deadline = min(self._deadlines(context).values())
        if time.time() >= deadline:
            self._time_out(context)
        if self.deferrable:
            self._defer_until(deadline)
        return PokeReturnValue(is_done=False)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Return what was exported, or raise what polling would have raised."""
        from airflow_provider_twexport.exceptions import from_json

        if event["outcome"] == "timeout":
            self._time_out(context)
        with fail_without_retry():
            if event["outcome"] == "failed":
                raise from_json(event["error"])
            self._measure_wait(context, "ended")
            return self.outcome(self.read(event["export"]))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after a deferral; its own timeout does not reach the trigger, so the export is cancelled here."""
        if (next_kwargs or {}).get("error") == "Trigger timeout":
            self._cancel()
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Cancel the export without any other call, because Airflow leaves 5 seconds."""
        if self.cancel_on_kill and self._client is not None:
            self.cancel_now()

    def _cached_client(self) -> Client:
        if self._client is None:
            self._client = self.connect()
        return self._client

    def _started_at(self, context: Context) -> float:
        """Return when the wait started, in seconds since the epoch."""
        ti = context["ti"]
        started = (ti.get_first_reschedule_date(context) if self.reschedule else None) or ti.start_date
        return float(started.timestamp())

    def _measure_wait(self, context: Context, outcome: str) -> None:
        metrics.waited(self.system, time.time() - self._started_at(context), outcome)

    def _deadlines(self, context: Context) -> dict[str, float]:
        """Return when each time limit of the wait ends, in seconds since the epoch."""
        started = self._started_at(context)
        deadlines = {"timeout": started + self.timeout}
        if self.execution_timeout and not self.reschedule:
            deadlines["execution_timeout"] = started + self.execution_timeout.total_seconds()
        return deadlines

    def _defer_until(self, deadline: float) -> None:
        self.defer(
            trigger=self.trigger(deadline),
            method_name=self.execute_complete.__name__,
            # the trigger keeps the deadline; this one is for the case that no triggerer runs
            timeout=timedelta(seconds=max(0.0, deadline - time.time()) + 2 * self.poke_interval + 60),
        )

    def _time_out(self, context: Context) -> NoReturn:
        self._measure_wait(context, "timeout")
        deadlines = self._deadlines(context)
        name = min(deadlines, key=lambda limit: deadlines[limit])
        self._cancel()
        timeout = AirflowTaskTimeout if name == "execution_timeout" else AirflowSensorTimeout
        raise timeout(f"{self.noun} {self.export_key} did not end within the task's {name}.")

    def _cancel(self) -> None:
        if self.cancel_on_kill:
            self.log.warning("Cancelling %s %s.", self.noun.lower(), self.export_key)
            self._cached_client()
            self.cancel_now()
