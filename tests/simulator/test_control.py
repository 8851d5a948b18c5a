"""The control plane describes itself, and refuses what it does not know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.simulator_process import Simulator


@pytest.fixture
def description(simulator: Simulator) -> Any:
    """What `GET /_control/` returns."""
    return simulator.control("")


def test_every_call_is_described(simulator: Simulator, description: Any) -> None:
    """Each call has a method, a description, and a path that the simulator serves."""
    assert {"GET /_control/ledger", "POST /_control/faults", "POST /_control/adobe/revoke"} <= {
        f"{call['method']} {call['path']}" for call in description["calls"]
    }
    for call in description["calls"]:
        path = re.sub(r"\{\w+\}", "1", call["path"])
        response = requests.request(call["method"], simulator.url + path, timeout=PATIENCE)
        assert "no such call" not in response.text, call
        assert response.status_code < 500, call
        assert call["description"], call


def test_every_setting_is_described(simulator: Simulator, description: Any) -> None:
    """Each setting that can be changed has a description and its default."""
    schemas = {name: schema for group in description["settings"].values() for name, schema in group.items()}
    assert schemas.keys() == simulator.settings().keys()
    assert all(schema["description"] for schema in schemas.values())
    simulator.reset()
    assert {name: schema["default"] for name, schema in schemas.items()} == simulator.settings()


def test_every_fault_is_described(simulator: Simulator, description: Any) -> None:
    """Each kind of fault has a description and can be queued, also in the form of the example."""
    kinds = {kind: text for group in description["faults"].values() for kind, text in group.items()}
    assert {"drop", "ct_error", "silence", "short_range"} <= kinds.keys()
    assert all(kinds.values())
    example = {**description["example_fault"], "match": {"path": "nothing"}}
    simulator.faults(*({**example, "fault": kind} for kind in kinds))
    assert {fault["fault"] for fault in simulator.control("faults")["faults"]} == kinds.keys()


@pytest.mark.parametrize("call", ["GET /_control", "GET /_control/nothing", "PATCH /_control/reset"])
def test_unknown_calls(simulator: Simulator, call: str) -> None:
    """A call that does not exist is 404, and the response names the call that lists all others."""
    method, path = call.split()
    response = requests.request(method, simulator.url + path, timeout=PATIENCE)
    assert response.status_code == 404
    assert response.json() == {"error": f"no such call: {call}; GET /_control/ lists all of them"}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (
            "faults",
            {"faults": [{"fault": "earthquake"}]},
            "unknown fault 'earthquake'; known: changed, ct_error, cut,",
        ),
        ("faults", {"faults": [{"fault": "drop", "match": {"host": "x"}}]}, "unknown key in match: host"),
        ("settings", {"creditz": 1}, "unknown setting creditz; known: speed, credits,"),
        ("settings", {"credits": "many"}, "credits"),
        ("time", {"minutes": 1}, "unknown key minutes"),
        ("adobe/jobs/7/files", None, "7"),
        ("x/posts", None, "query"),
    ],
)
def test_invalid_calls(simulator: Simulator, path: str, body: object, words: str) -> None:
    """An invalid call is 400, and the response names what is wrong and what is known."""
    method = "GET" if body is None else "POST"
    response = requests.request(method, f"{simulator.url}/_control/{path}", json=body, timeout=PATIENCE)
    assert (response.status_code, words in response.json()["error"]) == (400, True), response.text
