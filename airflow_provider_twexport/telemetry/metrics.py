"""Metrics for StatsD or OpenTelemetry, through Airflow's Stats; docs/monitoring.md lists them."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_twexport.core.timing import Timing
    from airflow_provider_twexport.storage.manifest import Manifest

log = logging.getLogger(__name__)


def counting_timing(system: str) -> Timing:
    """Return the default timing, with a retry that counts the events on the wire as they happen.

    :param system: the service that is called.
    """
    from airflow_provider_twexport.core import timing

    meter = _Meter(system)
    retry = replace(timing.DEFAULT.retry, on_event=lambda event: meter.count(str(event)))
    return replace(timing.DEFAULT, retry=retry)


def landed(system: str, manifest: Manifest, credits: int | None = None) -> None:
    """Count a landing; call it once, when the manifest has been written.

    :param system: the service that the results come from.
    :param manifest: of the landing.
    :param credits: what it cost; ``None`` if nothing or unknown.
    """
    meter = _Meter(system)
    meter.count("landings")
    meter.count("landings.truncated", manifest.truncated)
    meter.count("landings.incomplete", not manifest.complete)
    meter.count("results", manifest.results)
    meter.count("results.excluded", manifest.excluded)
    meter.count("bytes", manifest.bytes)
    meter.count("credits", credits or 0)


def spent(system: str, credits: int) -> None:
    """Count what was paid without landing anything.

    :param system: the service that was paid.
    :param credits: credits, or requests where the service charges these.
    """
    _Meter(system).count("credits", credits)


def waited(system: str, seconds: float, outcome: str) -> None:
    """Record how long a task waited for an export.

    :param system: the service that exports.
    :param seconds: since the task started to wait, deferred or not.
    :param outcome: ``ended`` or ``timeout``.
    """
    _Meter(system).time("wait", seconds, outcome)


class _Meter:
    """Sends the metrics of one service to Airflow's Stats; its errors are never raised.

    :param system: the service.
    """

    def __init__(self, system: str) -> None:
        ti = _task_instance()
        self._stats = _stats_of_a_task() if ti else _stats_of_a_triggerer()
        self._tags = {**getattr(ti, "stats_tags", {}), "system": system}

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter, unless there is nothing to add."""
        if not number:
            return
        # it has happened; a metrics backend that fails must not fail the task
        try:
            self._stats.incr(f"twexport.{name}", int(number), tags=self._tags)
        except Exception:
            log.debug("A metric was not sent.", exc_info=True)

    def time(self, name: str, seconds: float, outcome: str) -> None:
        """Record how long something took."""
        try:
            tags = self._tags | {"outcome": outcome}
            self._stats.timing(f"twexport.{name}", timedelta(seconds=seconds), tags=tags)
        except Exception:
            log.debug("A metric was not sent.", exc_info=True)


def _task_instance() -> Any:
    """Return the task instance of this process; a triggerer serves many tasks, and has none."""
    from airflow.sdk import get_current_context

    try:
        return get_current_context()["ti"]
    except RuntimeError:
        return None


def _stats_of_a_task() -> Any:
    try:
        from airflow.sdk.observability.stats import Stats
    except ModuleNotFoundError:  # Airflow 3.1
        from airflow.stats import Stats
    return Stats


def _stats_of_a_triggerer() -> Any:
    # since Airflow 3.2, tasks and triggerers have a Stats each
    with suppress(ImportError):
        from airflow.observability.stats import Stats

        return Stats
    return _stats_of_a_task()
