"""An X Enterprise connection on the page: how much of its contract was used. X has no exports that could be listed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.core.timing import ONCE
from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook, client_for
from airflow_provider_twexport.plugin.accounts.base import UsageAccount, connection
from airflow_provider_twexport.plugin.polling import Poll
from airflow_provider_twexport.plugin.rows import UsageDay, UsageRow
from airflow_provider_twexport.x.usage import latest_month, rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_twexport.plugin.accounts.base import Context
    from airflow_provider_twexport.storage.manifest import Manifest

# free, but the service answers at most twice a minute, there may be several servers, and people test connections
USAGE_SECONDS = 600.0
_SEARCH = "x_search"


class XAccount(UsageAccount):
    """A connection to X Enterprise."""

    conn_type = XEnterpriseHook.conn_type
    service = XEnterpriseHook.hook_name
    systems = (_SEARCH, "x_stream", "x_stream_recovery", "x_stream_replay")

    def __init__(self, conn_id: str, context: Callable[[], Context]) -> None:
        super().__init__(conn_id, context)
        self.usage = Poll(self._read_usage, USAGE_SECONDS)

    @classmethod
    def requests(cls, manifest: Manifest) -> int | None:
        """Return how many requests a search took: its cursor counts them."""
        if manifest.source.get("system") != _SEARCH or manifest.final_cursor is None:
            return None
        requests: int | None = json.loads(manifest.final_cursor).get("requests")
        return requests

    def _read_usage(self) -> UsageRow:
        # without a last day X includes today
        month = pendulum.now("UTC").start_of("month")
        return usage_in(client_for(connection(self.conn_id), ONCE).get_usage("day", month))


def usage_in(report: dict[str, Any]) -> UsageRow:
    """Return the counts of the latest month, and those of its products on the days that they were used.

    :param report: X's usage by day, in which anything may be missing.
    """
    month, used = latest_month(report)
    days = [
        UsageDay(day=row["period"], product=row["product"], requests=row["requests"], posts=row["activities"])
        for row in rows(report)
        if month and row["label"] is None and str(row["period"]).startswith(month)
    ]
    return UsageRow(month=month, used=used, days=[it for it in days if it.requests or it.posts])
