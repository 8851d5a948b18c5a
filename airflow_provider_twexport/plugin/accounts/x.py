"""An X Enterprise connection on the page: how much of its contract was used. X has no exports that could be listed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.timing import ONCE
from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook, client_for, latest_month
from airflow_provider_twexport.plugin.accounts.base import UsageAccount, connection
from airflow_provider_twexport.plugin.polling import Poll
from airflow_provider_twexport.plugin.rows import UsageRow

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
        return usage_in(client_for(connection(self.conn_id), ONCE).get_usage())


def usage_in(response: dict[str, Any]) -> UsageRow:
    """Return the counts of the latest month.

    :param response: X's response about its usage, in which anything may be missing.
    """
    latest = latest_month(response) or {}
    period = str(latest.get("timePeriod") or "")
    counts = {str(name): it for name, it in latest.items() if isinstance(it, int)}
    return UsageRow(month=f"{period[:4]}-{period[4:6]}" if len(period) >= 6 else None, used=counts)
