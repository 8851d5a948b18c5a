"""The plugin that Airflow loads: a page in the navigation, tabs, and the routes behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_twexport.compat import AirflowPlugin, conf

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

PREFIX = "/twexport"


def bundle_url(base_url: str) -> str:
    """Return the path of the page's program below ``[api] base_url``.

    Airflow 3.1 and 3.2 import it as it is, so it must be absolute; 3.3 would also find a relative one.
    """
    return f"{urlsplit(base_url).path.rstrip('/')}{PREFIX}/static/exports.js"


# one name everywhere, because the bundle is loaded once and defines one component
_PAGE = {"name": "Exports", "bundle_url": bundle_url(conf.get("api", "base_url", fallback=""))}
_ROUTES = {"nav": "exports", "dag": "dag-exports", "dag_run": "run-exports", "task_instance": "task-exports"}


class Routes:
    """The routes, imported with the first request: every task's process loads plugins, only servers get requests."""

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        from airflow_provider_twexport.plugin.api import app

        await app(scope, receive, send)


class TwexportPlugin(AirflowPlugin):
    """Exports, collectors, credits, landings and coverage, in the Airflow UI."""

    name = "twexport"
    fastapi_apps = [{"name": "twexport", "app": Routes(), "url_prefix": PREFIX}]  # noqa: RUF012 - what Airflow expects
    react_apps = [  # noqa: RUF012
        {**_PAGE, "destination": destination, "url_route": route} for destination, route in _ROUTES.items()
    ]
