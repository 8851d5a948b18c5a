"""Request the plugin's routes as a user with a role, through Airflow's whole API server."""

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
        """Return a browser in which a user with a role, or nobody, is logged in."""
        client = TestClient(self.app, headers=OUR_PAGE)
        if role:
            user = SimpleAuthManagerUser(username=f"some {role}", role=role)
            client.cookies.set("_token", get_auth_manager().generate_jwt(user))
        return Visitor(client)


@dataclass(frozen=True)
class Visitor:
    """A browser, on our page."""

    client: TestClient

    def get(self, path: str, **params: Any) -> httpx.Response:
        """Read a route."""
        return self.client.get(f"/twexport/{path}", params=params)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Take an action."""
        return self.client.post(f"/twexport/{path}", **options)

    def json(self, path: str, **params: Any) -> Any:
        """Return the JSON of a route."""
        response = self.get(path, **params)
        assert response.status_code == 200, response.text
        return response.json()


@cache
def _app() -> FastAPI:
    return create_app(apps="core")
