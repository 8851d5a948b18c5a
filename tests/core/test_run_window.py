"""Which window a run exports."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest

from airflow_provider_twexport.core.run_window import check_ended, export_window
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import InvalidRequestError, NotReadyError

JAN, FEB, MAR = (pendulum.datetime(2024, month, 1) for month in (1, 2, 3))
INTERVAL = {"data_interval_start": JAN, "data_interval_end": FEB}
PARTITION = {"partition_date": FEB}
NOTHING_FILLED_IN = {"dag_run": SimpleNamespace(conf={"start": None, "stop": ""})}
CONF = {"dag_run": SimpleNamespace(conf={"start": "2024-02-01", "stop": "2024-03-01"})}


@pytest.mark.parametrize(
    ("context", "arguments", "expected"),
    [
        (INTERVAL | CONF, {"start": "2024-02-01", "stop": "2024-03-01"}, (FEB, MAR)),
        (INTERVAL | CONF, {}, (FEB, MAR)),
        (INTERVAL, {}, (JAN, FEB)),
        (INTERVAL | NOTHING_FILLED_IN, {}, (JAN, FEB)),
        (PARTITION, {"partition_length": timedelta(days=29)}, (FEB, MAR)),
        (PARTITION, {"partition_length": pendulum.duration(months=1)}, (FEB, MAR)),
        (CONF, {}, (FEB, MAR)),
        ({"data_interval_start": JAN, "data_interval_end": JAN} | CONF, {}, (FEB, MAR)),
        ({"data_interval_start": None, "data_interval_end": None} | CONF, {}, (FEB, MAR)),
    ],
)
def test_the_window_comes_from_the_first_that_has_one(
    context: dict[str, Any], arguments: dict[str, Any], expected: tuple[Any, Any]
) -> None:
    """Arguments, then configuration, then data interval, then partition."""
    window = export_window(context, **arguments)
    assert (window.start, window.stop) == expected


def test_months_that_begin_within_a_day_are_refused() -> None:
    """The first of a month in Madrid is the last of another in UTC, and a month from there ends on a wrong day."""
    madrid = {"partition_date": pendulum.datetime(2024, 3, 1, tz="Europe/Madrid")}
    with pytest.raises(InvalidRequestError, match="timezone='UTC'"):
        export_window(madrid, partition_length=pendulum.duration(months=1))
    day = export_window(madrid, partition_length=timedelta(days=1))
    assert day.start == pendulum.datetime(2024, 2, 29, 23)


@pytest.mark.parametrize(("run_offset", "is_over"), [(None, False), (-1, True)])
def test_a_partitioned_schedule_needs_a_negative_offset(run_offset: int | None, is_over: bool) -> None:
    """Without one, Airflow's partition begins with the run; with -1 its window has just ended."""
    trigger = pytest.importorskip("airflow.timetables.trigger")
    if not hasattr(trigger, "CronPartitionTimetable"):
        pytest.skip("Airflow has partitioned schedules from 3.2 on.")
    from airflow.timetables.base import TimeRestriction

    timetable = trigger.CronPartitionTimetable("0 0 1 * *", timezone="UTC", run_offset=run_offset)
    run = timetable.next_dagrun_info_v2(
        last_dagrun_info=None, restriction=TimeRestriction(earliest=MAR, latest=None, catchup=True)
    )
    window = export_window(
        {"partition_date": run.partition_date}, partition_length=pendulum.duration(months=1)
    )
    assert run.run_after == MAR
    assert window == (Window(FEB, MAR) if is_over else Window(MAR, MAR.add(months=1)))


def test_no_window_names_the_ways_to_give_one() -> None:
    """The error of a run without a window says how to give it one."""
    with pytest.raises(InvalidRequestError, match=r"CronDataIntervalTimetable.*partition.*configuration"):
        export_window({"dag_run": SimpleNamespace(conf=None)})


def test_zero_width_interval_is_an_error_not_an_empty_export() -> None:
    """Airflow 3's plain cron schedule gives intervals without width; the error names the timetable to use."""
    with pytest.raises(InvalidRequestError, match=r"interval is empty.*CronDataIntervalTimetable"):
        export_window({"data_interval_start": JAN, "data_interval_end": JAN})


@pytest.mark.parametrize("arguments", [{"start": "2024-01-01"}, {"stop": "2024-01-01"}])
def test_half_a_window_is_refused(arguments: dict[str, str]) -> None:
    """An export without an end would run until now, differently each time."""
    with pytest.raises(InvalidRequestError, match="give both"):
        export_window(INTERVAL, **arguments)


def test_a_window_that_differs_from_the_schedule_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """The log says which of two windows is exported, and why."""
    export_window(INTERVAL | CONF)
    assert (
        "[2024-02-01T00:00:00Z, 2024-03-01T00:00:00Z), the start and stop of the run's configuration"
        in caplog.text
    )


def test_half_a_window_in_the_configuration_is_refused() -> None:
    """It does not silently become the data interval."""
    with pytest.raises(InvalidRequestError, match="of the run's configuration: give both"):
        export_window(INTERVAL | {"dag_run": SimpleNamespace(conf={"start": "2024-02-01"})})


def test_a_window_that_ends_in_the_future_is_not_bought() -> None:
    """One that has just ended is, because a scheduler starts its run at that moment."""
    now = pendulum.now("UTC")
    check_ended(Window(now.subtract(days=1), now))
    with pytest.raises(InvalidRequestError, match="ends in the future"):
        check_ended(Window(now.subtract(days=1), now.add(days=3)))


def test_a_window_settles_before_it_is_bought() -> None:
    """The order fails until then, and a retry may succeed."""
    now = pendulum.now("UTC")
    check_ended(Window(now.subtract(days=2), now.subtract(days=1)), timedelta(hours=23))
    with pytest.raises(NotReadyError, match="settles until"):
        check_ended(Window(now.subtract(days=2), now.subtract(days=1)), timedelta(hours=25))
