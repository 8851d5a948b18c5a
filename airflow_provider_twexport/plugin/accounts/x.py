"""What X tells of a connection: how much of its contract was used. X has no exports that could be listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.timing import ONCE
from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook, client_for, latest_month
from airflow_provider_twexport.plugin.accounts.base import Account, connection
from airflow_provider_twexport.plugin.polling import Poll

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_twexport.plugin.accounts.base import Surroundings

# free, but the service answers twice a minute at most, there may be several servers, and people test connections
USAGE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a contract was used for in the latest month.

    :param month: such as ``2024-06``; ``None`` if X tells of none.
    :param used: how many requests or posts, by X's name for them.
    """

    month: str | None
    used: dict[str, int]


class XAccount(Account):
    """A connection to X enterprise search."""

    conn_type = XEnterpriseHook.conn_type

    def __init__(self, conn_id: str, surroundings: Callable[[], Surroundings]) -> None:
        super().__init__(conn_id, surroundings)
        self.usage = Poll(self._ask_usage, USAGE_SECONDS)

    def _ask_usage(self) -> Usage:
        return usage_in(client_for(connection(self.conn_id), ONCE).get_usage())


def usage_in(told: dict[str, Any]) -> Usage:
    """Return the counts of the latest month.

    :param told: X's answer about its usage.
    """
    latest = latest_month(told) or {}
    period = str(latest.get("timePeriod") or "")
    counts = {str(name): it for name, it in latest.items() if isinstance(it, int)}
    return Usage(f"{period[:4]}-{period[4:6]}" if len(period) >= 6 else None, counts)
