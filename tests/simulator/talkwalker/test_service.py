"""Tokens, rights, errors and the envelope around every response."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.simulator.conftest import Api

EXPORT = "/api/v3/stream/p/11111111-2222-4333-8444-555555555555/export"
OK_BODY = {"start": "2024-01-01", "stop": "2024-02-01", "target": "box"}


def test_every_response_has_the_envelope(api: Api) -> None:
    """A response has a status in text, its message, the request with a masked token, and an id."""
    response = api.call("GET", "/api/v1/search/info").json()
    assert response["status_code"] == "0"
    assert response["status_message"] == "OK"
    assert response["request"] == "GET /api/v1/search/info?access_token=***"
    assert response["request_id"].startswith("#")
    assert response["request_id"].endswith("#")
    assert [project["name"] for project in response["result_accinfo"]["projects"]]


def test_token_echo_is_a_switch(api: Api) -> None:
    """Older versions echoed the token itself."""
    api.simulator.settings(echo_token=True)
    assert "demo-token-read-write" in api.call("GET", "/api/v1/search/info").json()["request"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/v3/nothing/here", None, 404, "26"),
        ("PATCH", "/api/v1/search/info", None, 404, "26"),
        ("GET", "/api/v3/stream/c/nobody", None, 404, "15"),
        ("DELETE", "/api/v3/stream/c/nobody", None, 404, "15"),
        ("GET", "/api/v3/stream/c/nobody/results", None, 404, "15"),
        ("PUT", "/api/v3/stream/c/Upper", {}, 400, "5"),
        ("PUT", "/api/v3/stream/c/9lives", {}, 400, "5"),
        ("GET", "/api/v3/tasks/export/nothing", None, 404, "15"),
        ("DELETE", "/api/v3/tasks/export/nothing", None, 404, "15"),
        ("POST", "/api/v3/stream/p/unknown/export", OK_BODY, 403, "29"),
        ("POST", "/api/v3/stream/s/unknown/export", OK_BODY, 404, "15"),
        ("POST", "/api/v3/stream/export", OK_BODY, 400, "3"),
        ("POST", EXPORT, {**OK_BODY, "target": "nobody"}, 400, "5"),
        ("POST", EXPORT, {**OK_BODY, "topics": ["nothing"]}, 400, "5"),
        ("POST", EXPORT, {**OK_BODY, "limit": 0}, 400, "5"),
        ("POST", EXPORT, {**OK_BODY, "limit": 1_000_001}, 400, "5"),
        ("POST", EXPORT, {**OK_BODY, "start": "2024-02-01"}, 400, "5"),
        ("POST", EXPORT, {**OK_BODY, "start": "yesterday"}, 400, "5"),
        ("POST", EXPORT, {**OK_BODY, "query": 'an "open quote'}, 400, "4"),
        ("POST", EXPORT, {"target": "box"}, 400, "3"),
        ("GET", "/api/v1/search/histogram/published", None, 400, "3"),
        ("GET", "/api/v2/talkwalker/p/unknown/resources", None, 403, "29"),
    ],
)
def test_refusals(api: Api, method: str, path: str, body: object, status: int, code: str) -> None:
    """Each bad request is refused with the vendor's HTTP status and code."""
    api.collector()
    response = api.call(method, path, json=body)
    assert (response.status_code, response.json()["status_code"]) == (status, code)


def test_details_are_pairs(api: Api) -> None:
    """An error names its details as keys with lists of values."""
    api.collector()
    response = api.order(target="nobody").json()
    assert response["result_error"]["data"][0] == {"key": "param", "value": ["target"]}


def test_body_that_is_not_json(api: Api) -> None:
    """A body that is not JSON is error 17."""
    assert api.call("PUT", "/api/v3/stream/c/box", data=b"{").json()["status_code"] == "17"


def test_unknown_token(api: Api) -> None:
    """An unknown token is error 7 with HTTP 401."""
    response = api.call("GET", "/api/v1/search/info", token="nobody")
    assert (response.status_code, response.json()["status_code"]) == (401, "7")


def test_read_only_token(api: Api) -> None:
    """A read-only token may search; for everything else the response names the missing right."""
    token = api.simulator.read_only_token
    assert api.call("GET", "/api/v1/status/credits", token=token).ok
    response = api.call("GET", "/api/v3/tasks/export", token=token)
    assert (response.status_code, response.json()["status_code"]) == (403, "13")
    assert response.json()["result_error"]["data"] == [
        {"key": "rights_req", "value": ["read_write"]},
        {"key": "rights_got", "value": ["read_only"]},
    ]


def test_topics_of_a_project(api: Api) -> None:
    """Resources list the topics with id and title."""
    path = f"/api/v2/talkwalker/p/{api.simulator.project_id}/resources"
    project = api.call("GET", path, params={"type": "search"}).json()["result_resources"]["projects"][0]
    assert [node["id"] for node in project["topics"][0]["nodes"]] == list(api.simulator.topic_ids)
