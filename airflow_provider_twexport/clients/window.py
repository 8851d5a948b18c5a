"""A half-open window of time, as every service is asked for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_twexport.clients.errors import FixRequestError

if TYPE_CHECKING:
    import pendulum


@dataclass(frozen=True, slots=True)
class Window:
    """The time from ``start``, inclusive, to ``stop``, exclusive, in UTC.

    :raises FixRequestError: if nothing lies between them.
    """

    start: pendulum.DateTime
    stop: pendulum.DateTime

    def __post_init__(self) -> None:
        if self.start >= self.stop:
            raise FixRequestError(f"The window {self} is empty: stop must come after start.")

    def __str__(self) -> str:
        return f"[{self.start.to_iso8601_string()}, {self.stop.to_iso8601_string()})"
