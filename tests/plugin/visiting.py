"""Visit the routes of the plugin as somebody with a role, through the whole of Airflow's API server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from fastapi import FastAPI

# for what takes seconds on an idle machine and must not fail on a busy one
PATIENCE = 120.0
OUR_PAGE = {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}


@dataclass(frozen=True)
class Server:
    """A running API server."""

    app: FastAPI

    @classmethod
    def started(cls) -> Server:
        """Return the one of this process."""
        return cls(_app())

    def visitor(self, role: str | None) -> Visitor:
        """Return a browser in which somebody of a role, or nobody, is logged in."""
        client = TestClient(self.app, headers=OUR_PAGE)
        if role:
            user = SimpleAuthManagerUser(username=f"some {role}", role=role)
            client.cookies.set("_token", get_auth_manager().generate_jwt(user))
        return Visitor(client)


@dataclass(frozen=True)
class Visitor:
    """Somebody's browser, on our page."""

    client: TestClient

    def get(self, path: str, **params: Any) -> httpx.Response:
        """Ask for something."""
        return self.client.get(f"/twexport/{path}", params=params)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Do something."""
        return self.client.post(f"/twexport/{path}", **options)

    def json(self, path: str, **params: Any) -> Any:
        """Return an answer."""
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, promised: Callable[[], Any]) -> Any:
        """Return what becomes true as the server looks again and again."""
        deadline = time.monotonic() + PATIENCE
        while not (kept := promised()):
            assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s"
            time.sleep(0.2)
        return kept


@cache
def _app() -> FastAPI:
    return create_app(apps="core")
