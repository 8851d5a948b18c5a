"""The complete Talkwalker pipeline in one call."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import TaskGroup

from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook
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
    from datetime import datetime, timedelta
    from typing import Literal

    from airflow.sdk import Asset, AssetAlias

    from airflow_provider_twexport.core.partitioning import PartitionBy

# what a task is called in the UI where the group is mapped over windows: 2024-01-31, or 2024-01-31T05:00:00Z
MAPPED_NAME = "{% if ti.map_index >= 0 %}{{ (task.start | string).replace('T00:00:00Z', '') }}{% endif %}"


def talkwalker_export(
    group_id: str,
    *,
    object_storage_path: str,
    object_storage_conn_id: str | None = None,
    partition_by: PartitionBy | None = None,
    start: str | datetime | None = None,
    stop: str | datetime | None = None,
    project_id: str | None = None,
    stream_id: str | None = None,
    query: str | None = None,
    topics: Sequence[str] | str | None = None,
    limit: int | str = 1_000_000,
    partition_length: timedelta | None = None,
    if_exists: Literal["adopt", "fail", "recreate"] = "adopt",
    max_credits: int | str | None = None,
    max_credits_per_run: int | str | None = None,
    max_credits_per_day: int | str | None = None,
    min_credits_left: int | str | None = None,
    on_truncated: Literal["warn", "fail", "skip", "split"] = "warn",
    poke_interval: timedelta | float = 30,
    deferrable: bool = True,
    repeats: Literal["keep", "drop"] = "keep",
    on_incomplete: Literal["fail", "warn"] = "fail",
    salvage: bool = True,
    delete_collector: bool = True,
    ledger_path: str | None = None,
    outlets: Sequence[Asset | AssetAlias] = (),
    talkwalker_conn_id: str = TalkwalkerHook.default_conn_name,
    **kwargs: Any,
) -> TaskGroup:
    """Return a task group that creates a collector, orders an export, waits for it and lands its results.

    Its tasks are ``create_collector``, ``create_export``, ``wait_for_export``, ``to_object_storage`` and
    ``delete_collector``. Each may be retried and cleared without paying twice. Where the wait fails, ``salvage`` lands
    what the export had brought; the run fails all the same.

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
    :param partition_length: the length of the window of a run that has only a partition date.
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
    :param talkwalker_conn_id: Airflow connection of Talkwalker.
    :param kwargs: further arguments of :class:`ResultsLandingOperator`, such as ``file_format``, and of the task group,
        such as ``default_args`` or ``tooltip``.
    """
    parts = {it.name: kwargs.pop(it.name) for it in fields(PartOptions) if it.name in kwargs}
    scope: dict[str, Any] = {
        "start": start,
        "stop": stop,
        "project_id": project_id,
        "stream_id": stream_id,
        "query": query,
        "topics": topics,
        "limit": limit,
        "partition_length": partition_length,
        "talkwalker_conn_id": talkwalker_conn_id,
    }
    storage: dict[str, Any] = {
        "object_storage_path": object_storage_path,
        "object_storage_conn_id": object_storage_conn_id,
        "partition_by": partition_by,
        "ledger_path": ledger_path,
    }
    defaults: Any = {"map_index_template": MAPPED_NAME, **(kwargs.pop("default_args", None) or {})}
    with TaskGroup(group_id, default_args=defaults, **kwargs) as group:
        create_collector = TalkwalkerCreateCollectorOperator(task_id="create_collector", **scope)
        collector_id: Any = create_collector.output
        create_export = TalkwalkerCreateExportOperator(
            task_id="create_export",
            collector_id=collector_id,
            if_exists=if_exists,
            max_credits=max_credits,
            max_credits_per_run=max_credits_per_run,
            max_credits_per_day=max_credits_per_day,
            min_credits_left=min_credits_left,
            **scope,
            **storage,
        )
        export: Any = create_export.output
        wait = TalkwalkerExportSensor(
            task_id="wait_for_export",
            export_id=export["export_id"],
            limit=export["limit"],
            start=export["start"],
            manifest=export["manifest"],
            object_storage_conn_id=object_storage_conn_id,
            on_truncated=on_truncated,
            poke_interval=poke_interval,
            deferrable=deferrable,
            talkwalker_conn_id=talkwalker_conn_id,
        )
        landing: dict[str, Any] = {
            "collector_id": export["collector_id"],
            "export_id": export["export_id"],
            "limit": export["limit"],
            "start": export["start"],
            "stop": export["stop"],
            "project_id": project_id,
            "stream_id": stream_id,
            "query": query,
            "topics": topics,
            "repeats": repeats,
            "outlets": list(outlets),
            "talkwalker_conn_id": talkwalker_conn_id,
            **parts,
            **storage,
        }
        land = TalkwalkerToObjectStorageOperator(
            task_id="to_object_storage",
            on_incomplete=on_incomplete,
            **landing,
        )
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
                ledger_path=ledger_path,
                object_storage_conn_id=object_storage_conn_id,
                talkwalker_conn_id=talkwalker_conn_id,
            )
    return group
