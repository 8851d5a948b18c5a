"""The one rule that decides which window a run exports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.arguments import parse_moment
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

_ADVICE = (
    "Give the DAG a schedule with data intervals (CronDataIntervalTimetable('0 0 1 * *', timezone='UTC')), or a "
    'partition and the operator window=..., or trigger it with {"start": ..., "stop": ...} as configuration.'
)


def export_window(
    context: Mapping[str, Any],
    start: str | datetime | None = None,
    stop: str | datetime | None = None,
    partition_length: timedelta | None = None,
) -> Window:
    """Return the window that a run exports.

    It is ``start`` and ``stop`` where they are given; else the run's data interval, if it is not empty; else its
    partition date and ``partition_length``; else ``start`` and ``stop`` of the run's configuration.

    :param context: the Airflow context of the task.
    :param start: first moment, inclusive; a date, or a date and time, in UTC unless it says otherwise.
    :param stop: last moment, exclusive; likewise.
    :param partition_length: the length of a partition.
    :raises InvalidRequestError: if there is no window, or an empty one.
    """
    if (start is None) != (stop is None):
        raise InvalidRequestError(
            f"start={start!r} and stop={stop!r}: give both, or neither to take the run's."
        )
    if start is not None and stop is not None:
        return Window(parse_moment(start), parse_moment(stop))
    interval = context.get("data_interval_start"), context.get("data_interval_end")
    if None not in interval and interval[0] != interval[1]:
        return Window(parse_moment(interval[0]), parse_moment(interval[1]))
    if context.get("partition_date") and partition_length:
        begin = parse_moment(context["partition_date"])
        return Window(begin, begin + partition_length)
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    if conf.get("start") and conf.get("stop"):
        return Window(parse_moment(conf["start"]), parse_moment(conf["stop"]))
    if None not in interval:
        raise InvalidRequestError(
            f"The run's data interval is empty: it begins and ends at {interval[0]}. Airflow 3 makes such runs for a "
            f"plain cron schedule. {_ADVICE}"
        )
    raise InvalidRequestError(f"This run has no window. {_ADVICE}")
