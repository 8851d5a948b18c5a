"""The complete Talkwalker pipeline in one call."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import TaskGroup

from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.operators.talkwalker import (
    TalkwalkerCreateCollectorOperator,
    TalkwalkerCreateExportOperator,
    TalkwalkerDeleteCollectorOperator,
)
from airflow_provider_twexport.sensors.talkwalker import TalkwalkerExportSensor
from airflow_provider_twexport.storage.part_options import PartOptions
from airflow_provider_twexport.transfers.talkwalker_salvage import TalkwalkerSalvageExportOperator
from airflow_provider_twexport.transfers.talkwalker_to_object_storage import TalkwalkerToObjectStorageOperator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, timedelta
    from typing import Literal

    from airflow.sdk import Asset, AssetAlias
    from pendulum import Duration

    from airflow_provider_twexport.core.partitioning import PartitionBy

# where nobody gave an argument, default_args or the operator decide; None would say something
NOT_GIVEN: Any = object()
# what a task is called in the UI where the group is mapped over windows: 2024-01-31, or 2024-01-31T05:00:00Z
# (an expression, because a native template without one renders to None, which Airflow cannot measure)
MAPPED_NAME = "{{ (task.start | string).replace('T00:00:00Z', '') if ti.map_index >= 0 else '' }}"


def talkwalker_export(
    group_id: str,
    *,
    object_storage_path: str,
    object_storage_conn_id: str | None = NOT_GIVEN,
    partition_by: PartitionBy | str | None = NOT_GIVEN,
    start: str | date | None = NOT_GIVEN,
    stop: str | date | None = NOT_GIVEN,
    project_id: str | None = NOT_GIVEN,
    stream_id: str | None = NOT_GIVEN,
    query: str | None = NOT_GIVEN,
    topics: Sequence[str] | str | None = NOT_GIVEN,
    limit: int | str = NOT_GIVEN,
    partition_length: timedelta | Duration | None = NOT_GIVEN,
    settle: timedelta = NOT_GIVEN,
    if_exists: Literal["adopt", "fail", "recreate"] | str = NOT_GIVEN,
    max_credits: int | str | None = NOT_GIVEN,
    max_credits_per_run: int | str | None = NOT_GIVEN,
    max_credits_per_day: int | str | None = NOT_GIVEN,
    min_credits_left: int | str | None = NOT_GIVEN,
    on_truncated: Literal["warn", "fail", "skip", "split"] | str = NOT_GIVEN,
    poke_interval: timedelta | float = NOT_GIVEN,
    deferrable: bool = NOT_GIVEN,
    repeats: Literal["keep", "drop"] | str = NOT_GIVEN,
    on_incomplete: Literal["fail", "warn"] | str = NOT_GIVEN,
    salvage: bool = True,
    delete_collector: bool = True,
    ledger_path: str | None = NOT_GIVEN,
    outlets: Sequence[Asset | AssetAlias] | Asset | AssetAlias = NOT_GIVEN,
    asset_partitions: bool = NOT_GIVEN,
    talkwalker_conn_id: str = NOT_GIVEN,
    **kwargs: Any,
) -> TaskGroup:
    """Return a task group that creates a collector, orders an export, waits for it and lands its results.

    Its tasks are ``create_collector``, ``create_export``, ``wait_for_export``, ``to_object_storage`` and
    ``delete_collector``. Each may be retried and cleared without paying twice. Where the wait fails, ``salvage`` lands
    what the export had brought; the run fails all the same.

    An argument that is not given comes from ``default_args`` of the DAG and of the groups around, as for any operator.

    Called in a function with ``@task_group``, it can be mapped over windows: ``limit``, ``if_exists``, dates, scope and
    path may be arguments of that function. Its tasks are then named by the start of their window.

    :param group_id: id of the task group.
    :param object_storage_path: directory that the results land in; one for each window.
    :param object_storage_conn_id: Airflow connection of the object storage, and of the ledger's.
    :param partition_by: land below that directory, in ones named by the start of the window: with ``month``,
        ``year=2024/month=01``; also ``year``, ``day`` or ``hour``.
    :param start: first moment of the window, inclusive; without ``start`` and ``stop`` it is the run's window.
    :param stop: last moment of the window, exclusive.
    :param project_id: export from this project; ``None`` for the connection's, ``""`` for none.
    :param stream_id: export from this stream; excludes ``project_id``.
    :param query: Talkwalker query; required where there is neither project nor stream.
    :param topics: topic ids of the project; a list, or a text with commas.
    :param limit: results at most, 1 to 1,000,000; each costs a credit.
    :param partition_length: the length of the window of a run that has only a partition date; months are
        ``pendulum.duration(months=1)``, because a timedelta counts days.
    :param settle: how long after its end a window is not ordered yet; results are indexed after they are published. The
        order fails until then, so its retries must last longer.
    :param if_exists: what to do if this was exported before: ``adopt``, ``fail`` or ``recreate`` (pays again).
    :param max_credits: credits that the export may cost at most; lowers ``limit``.
    :param max_credits_per_run: credits that all exports ordered by one run may cost.
    :param max_credits_per_day: credits that all our exports of one day, in UTC, may cost.
    :param min_credits_left: credits that must be left on the account, whatever running exports still use.
    :param on_truncated: what to do if more matched than ``limit``: ``warn``, ``fail``, ``skip``, or ``split``, which
        warns and leaves the remainder to the next plan with ``on_truncated="split"``.
    :param poke_interval: seconds between two checks of the export.
    :param deferrable: wait in the triggerer, without holding a worker.
    :param repeats: ``keep`` results that equal another one byte for byte, because each was paid for, or ``drop`` them.
    :param on_incomplete: what to do if fewer results come than were exported, or more: ``fail`` or ``warn``.
    :param salvage: land what an export had brought before it was aborted, failed, or took too long: it is paid for. The
        manifest says that it is not complete, and ordering the window again replaces it.
    :param delete_collector: delete the collector once its results have landed.
    :param ledger_path: directory of the ledger that ``twexport ledger`` reads: what was ordered, by which run, what it
        cost and where it landed; ``None`` for none. Many pipelines may share one.
    :param outlets: assets that other DAGs may be scheduled on: each landing is an event of theirs, with its window,
        counts and manifest, and whether it is complete, which a salvaged one is not. An asset alias gets the landing's
        directory as an asset.
    :param asset_partitions: give these events the start of the window as partition key, for DAGs whose schedule is
        partitioned (Airflow 3.3 or newer); they then start no others.
    :param talkwalker_conn_id: Airflow connection of Talkwalker.
    :param kwargs: further arguments of :class:`ResultsLandingOperator`, such as ``file_format``, and of the task group,
        such as ``default_args`` or ``tooltip``.
    """
    for name, flag in (("salvage", salvage), ("delete_collector", delete_collector)):
        if not isinstance(flag, bool):
            raise InvalidRequestError(f"{name}={flag!r} decides which tasks there are. Give True or False.")
    parts = {it.name: kwargs.pop(it.name) for it in fields(PartOptions) if it.name in kwargs}
    account = given(talkwalker_conn_id=talkwalker_conn_id)
    scope = given(project_id=project_id, stream_id=stream_id, query=query, topics=topics)
    order = given(start=start, stop=stop, limit=limit, partition_length=partition_length) | scope | account
    conn = given(object_storage_conn_id=object_storage_conn_id)
    ledger = given(ledger_path=ledger_path) | conn
    storage = given(partition_by=partition_by) | {"object_storage_path": object_storage_path} | ledger
    on_end = given(on_truncated=on_truncated)
    how = given(repeats=repeats) | parts
    on_landing = given(on_incomplete=on_incomplete)
    defaults: Any = {"map_index_template": MAPPED_NAME, **(kwargs.pop("default_args", None) or {})}
    with TaskGroup(group_id, default_args=defaults, **kwargs) as group:
        create_collector = TalkwalkerCreateCollectorOperator(task_id="create_collector", **order)
        create_export = TalkwalkerCreateExportOperator(
            task_id="create_export",
            collector_id=cast("str", create_collector.output),
            landing_options=on_end | how | on_landing,
            **given(
                settle=settle,
                if_exists=if_exists,
                max_credits=max_credits,
                max_credits_per_run=max_credits_per_run,
                max_credits_per_day=max_credits_per_day,
                min_credits_left=min_credits_left,
            ),
            **order,
            **storage,
        )
        export: Any = create_export.output
        wait = TalkwalkerExportSensor(
            task_id="wait_for_export",
            export_id=export["export_id"],
            limit=export["limit"],
            start=export["start"],
            manifest=export["manifest"],
            **_waiting(group, given(poke_interval=poke_interval, deferrable=deferrable)),
            **on_end,
            **conn,
            **account,
        )
        landing: dict[str, Any] = {
            "collector_id": export["collector_id"],
            "export_id": export["export_id"],
            "limit": export["limit"],
            "start": export["start"],
            "stop": export["stop"],
            **given(outlets=outlets, asset_partitions=asset_partitions),
            **scope,
            **account,
            **how,
            **storage,
        }
        land = TalkwalkerToObjectStorageOperator(task_id="to_object_storage", **on_landing, **landing)
        create_collector >> create_export >> wait >> land
        if salvage:
            # neither a run's state nor what follows the group depends on a teardown
            wait >> TalkwalkerSalvageExportOperator(task_id="salvage", **landing).as_teardown()
        if delete_collector:
            land >> TalkwalkerDeleteCollectorOperator(
                task_id="delete_collector",
                collector_id=export["collector_id"],
                start=export["start"],
                export_id=export["export_id"],
                **ledger,
                **account,
            )
    return group


def given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that somebody gave; Airflow fills in the others from ``default_args``."""
    return {name: value for name, value in arguments.items() if value is not NOT_GIVEN}


def _waiting(group: TaskGroup, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return how the sensor waits: deferred, unless somebody decided otherwise."""
    enclosing = {**(group.dag.default_args if group.dag else {}), **group.default_args}
    return arguments if "deferrable" in enclosing else {"deferrable": True, **arguments}
