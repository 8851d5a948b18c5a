"""The one rule that decides which window a run exports."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.core.arguments import parse_moment, parse_value
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import InvalidRequestError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

# a scheduler starts the run of a window as it ends, by its own clock
SCHEDULER_TOLERANCE = timedelta(minutes=1)

log = logging.getLogger(__name__)

_ADVICE = (
    "Give the DAG a schedule with data intervals (CronDataIntervalTimetable('0 0 1 * *', timezone='UTC')), or a "
    'partition and the operator partition_length=..., or trigger it with {"start": ..., "stop": ...} as configuration.'
)


def export_window(
    context: Mapping[str, Any],
    start: str | date | None = None,
    stop: str | date | None = None,
    partition_length: timedelta | pendulum.Duration | None = None,
) -> Window:
    """Return the window that a run exports.

    It is ``start`` and ``stop`` where they are given; else ``start`` and ``stop`` of the run's configuration; else the
    run's data interval, if it is not empty; else its partition date and ``partition_length``. What a person said wins
    over what the schedule implies, and Airflow's trigger form fills in a data interval by itself.

    :param context: the Airflow context of the task.
    :param start: first moment, inclusive; a date, or a date and time, in UTC unless it says otherwise.
    :param stop: last moment, exclusive; likewise.
    :param partition_length: the length of a partition; months are a ``pendulum.duration(months=1)``, because a
        timedelta of 31 days that begins on 1 February ends on 3 March.
    :raises InvalidRequestError: if there is no window, or an empty one, or months begin within a day of UTC.
    """
    given = _pair(start, stop, "start={!r} and stop={!r}: give both, or neither to take the run's.")
    if given:
        return given
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    asked = _pair(
        conf.get("start"),
        conf.get("stop"),
        "start={!r} and stop={!r} of the run's configuration: give both, or neither.",
    )
    interval = context.get("data_interval_start"), context.get("data_interval_end")
    has_interval = None not in interval and interval[0] != interval[1]
    scheduled = Window(parse_moment(interval[0]), parse_moment(interval[1])) if has_interval else None
    if asked:
        if scheduled and asked != scheduled:
            log.warning(
                "Exporting %s, the start and stop of the run's configuration, and not the run's data interval %s: what "
                "was asked for wins over the schedule.",
                asked,
                scheduled,
            )
        return asked
    if scheduled:
        return scheduled
    if context.get("partition_date") and partition_length:
        return _partition(parse_moment(context["partition_date"]), partition_length)
    if None not in interval:
        raise InvalidRequestError(
            f"The run's data interval is empty: it begins and ends at {interval[0]}. Airflow 3 makes such runs for a "
            f"plain cron schedule. {_ADVICE}"
        )
    raise InvalidRequestError(f"This run has no window. {_ADVICE}")


def _partition(begin: pendulum.DateTime, length: timedelta | pendulum.Duration) -> Window:
    is_calendar = isinstance(length, pendulum.Duration) and (length.months or length.years)
    if is_calendar and begin != begin.start_of("day"):
        # midnight of 1 March in Madrid is 23:00 of 29 February in UTC, and a month after that is 29 March
        raise InvalidRequestError(
            f"The partition begins at {begin}, within a day of UTC, so a length in months would end on a wrong day. "
            "Give the partitioned schedule timezone='UTC', or the operator start and stop."
        )
    return Window(begin, begin + length)


def _pair(start: object, stop: object, advice: str) -> Window | None:
    start, stop = parse_value(start), parse_value(stop)
    if (start is None) != (stop is None):
        raise InvalidRequestError(advice.format(start, stop))
    return None if start is None else Window(parse_moment(start), parse_moment(stop))


def check_ended(window: Window, settle: timedelta = timedelta(0)) -> None:
    """Check that a window is over before it is bought: what is published later would be missing without a trace.

    :param window: to be bought.
    :param settle: how long after its end results may still be indexed that belong to it.
    :raises InvalidRequestError: if it ends in the future.
    :raises NotReadyError: if it has ended, but may not have settled; a retry may succeed.
    """
    now = pendulum.now("UTC")
    if window.stop > now + SCHEDULER_TOLERANCE:
        raise InvalidRequestError(
            f"The window {window} ends in the future. What is published until then would be missing, though it would "
            "count as exported. Choose a stop that has passed, or run this when the window is over. Nothing was bought."
        )
    if settle and window.stop + settle > now:
        raise NotReadyError(
            f"The window {window} settles until {(window.stop + settle).to_iso8601_string()}. Retry then. Nothing was "
            "bought."
        )
