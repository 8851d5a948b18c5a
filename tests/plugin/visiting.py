"""Visit the routes of the plugin as somebody with a role, through the whole of Airflow's API server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI

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


@cache
def _app() -> FastAPI:
    return create_app(apps="core")
