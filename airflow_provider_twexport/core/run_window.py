"""The one rule that says which window a run is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

_WAYS = (
    "Give the DAG a schedule with data intervals (CronDataIntervalTimetable('0 0 1 * *', timezone='UTC')), or a "
    'partition and the operator window=..., or trigger it with {"start": ..., "stop": ...} as configuration.'
)


def export_window(
    context: Mapping[str, Any],
    start: str | datetime | None = None,
    stop: str | datetime | None = None,
    partition_length: timedelta | None = None,
) -> Window:
    """Return the window that a run is about.

    It is ``start`` and ``stop`` where they are given; else the run's data interval, if it is not empty; else its
    partition date and ``partition_length``; else ``start`` and ``stop`` of the run's configuration.

    :param context: the Airflow context of the task.
    :param start: first moment, inclusive; a date, or a date and time, in UTC unless it says otherwise.
    :param stop: last moment, exclusive; likewise.
    :param partition_length: how long a partition is.
    :raises InvalidRequestError: if there is no window, or an empty one.
    """
    if (start is None) != (stop is None):
        raise InvalidRequestError(
            f"start={start!r} and stop={stop!r}: give both, or neither to take the run's."
        )
    if start is not None and stop is not None:
        return Window(moment(start), moment(stop))
    interval = context.get("data_interval_start"), context.get("data_interval_end")
    if None not in interval and interval[0] != interval[1]:
        return Window(moment(interval[0]), moment(interval[1]))
    if context.get("partition_date") and partition_length:
        begin = moment(context["partition_date"])
        return Window(begin, begin + partition_length)
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    if conf.get("start") and conf.get("stop"):
        return Window(moment(conf["start"]), moment(conf["stop"]))
    if None not in interval:
        raise InvalidRequestError(
            f"The run's data interval is empty: it begins and ends at {interval[0]}. Airflow 3 makes such runs of a "
            f"plain cron schedule. {_WAYS}"
        )
    raise InvalidRequestError(f"This run has no window. {_WAYS}")


def moment(value: str | datetime | Any) -> pendulum.DateTime:
    """Return a point in time, in UTC.

    :raises InvalidRequestError: if ``value`` is none.
    """
    try:
        parsed = _parsed(value) if isinstance(value, str) else pendulum.instance(value, "UTC")
    except (ValueError, TypeError, AttributeError):
        parsed = None
    if not isinstance(parsed, pendulum.DateTime):
        raise InvalidRequestError(f"{value!r} is no date: write 2024-01-31 or 2024-01-31T12:00:00+00:00.")
    return parsed.in_timezone("UTC")


def _parsed(text: str) -> object:
    # pendulum takes a mere time for one of today
    return pendulum.parse(text.strip(), tz="UTC") if re.match(r"\s*\d{4}-\d{2}-\d{2}", text) else None
