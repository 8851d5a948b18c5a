"""Partition directories, such as ``year=2024/month=01``, by which a lake prunes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from airflow_provider_twexport.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_provider_twexport.core.window import Window

PartitionBy = Literal["year", "month", "day", "hour"]
_KEYS = {"year": "YYYY", "month": "MM", "day": "DD", "hour": "HH"}


def partition_path(window: Window, partition_by: str) -> str:
    """Return ``year=2024/month=01`` and the like, by the start of the window.

    :param window: the window that lands there.
    :param partition_by: the smallest part: ``year``, ``month``, ``day`` or ``hour``.
    :raises InvalidRequestError: if there is no such part, or the window starts within one: two windows would then land
        in the same directory.
    """
    if partition_by not in _KEYS:
        raise InvalidRequestError(
            f"partition_by={partition_by!r} is unknown. Choose one of {', '.join(_KEYS)}."
        )
    if window.start != window.start.start_of(partition_by):
        raise InvalidRequestError(
            f"The window {window} does not start with a {partition_by}, so partition_by={partition_by!r} would put it "
            "into another window's directory. Choose a smaller part, or another path."
        )
    keys = list(_KEYS)[: list(_KEYS).index(partition_by) + 1]
    return "/".join(f"{key}={window.start.format(_KEYS[key])}" for key in keys)


def landing_path(object_storage_path: str, window: Window | None, partition_by: str | None) -> str:
    """Return the directory that a window lands in.

    :param object_storage_path: that directory itself, or, with ``partition_by``, the root above it.
    :raises InvalidRequestError: if the parts cannot be named; see :func:`partition_path`.
    """
    if partition_by is None:
        return object_storage_path
    if window is None:
        raise InvalidRequestError(f"partition_by={partition_by!r} needs a window: give start and stop.")
    return f"{object_storage_path.rstrip('/')}/{partition_path(window, partition_by)}"
