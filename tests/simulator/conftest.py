"""One simulator for the whole folder, reset for each test, and plain functions to call it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulator_process import Simulator

DATA_START = b'{"chunk_type":"CT_RESULT","chunk_result":{"data":'
INSTANT = {"queue_seconds": 0, "results_per_second": None, "reads_per_minute": None}
JANUARY = {"start": "2024-01-01", "stop": "2024-02-01"}


@dataclass(frozen=True)
class Api:
    """The vendor's API through plain `requests`."""

    simulator: Simulator

    def call(self, method: str, path: str, token: str | None = None, **kwargs: Any) -> requests.Response:
        """Send one request with a token."""
        params = {"access_token": token or self.simulator.token, **kwargs.pop("params", {})}
        return requests.request(
            method,
            f"{self.simulator.url}{path}",
            params=params,
            allow_redirects=False,
            timeout=kwargs.pop("timeout", PATIENCE),
            **kwargs,
        )

    def collector(self, collector_id: str = "box") -> str:
        """Create an empty collector."""
        assert self.call("PUT", f"/api/v3/stream/c/{collector_id}", json={}).ok
        return collector_id

    def order(self, **body: Any) -> requests.Response:
        """Request an export of January into `box`, with some changes."""
        path = f"/api/v3/stream/p/{self.simulator.project_id}/export"
        return self.call("POST", path, json={**JANUARY, "target": "box", **body})

    def export(self, **body: Any) -> str:
        """Create a collector and an export into it; return the id."""
        self.collector(body.get("target", "box"))
        response = self.order(**body)
        assert response.ok, response.text
        return str(response.json()["result_tasks"]["tasks"][0]["id"])

    def task(self, task_id: str) -> Any:
        """Return an export."""
        return self.call("GET", f"/api/v3/tasks/export/{task_id}").json()["result_tasks"]["tasks"][0]

    def read(self, offset: str = "earliest", end: str = "stop", **kwargs: Any) -> requests.Response:
        """Read `box`, by default once from the start."""
        params = {"resume_offset": offset, "end_behaviour": end, **kwargs.pop("params", {})}
        return self.call("GET", "/api/v3/stream/c/box/results", params=params, **kwargs)

    def read_all(self, offset: str = "earliest") -> list[bytes]:
        """Read with `stop` until a read has no results and repeats the offset."""
        results: list[bytes] = []
        while True:
            got = lines(self.read(offset).content)
            results += [line for line in got if is_result(line)]
            if offset == (offset := offset_of(got[-1])):
                return results


def lines(body: bytes) -> list[bytes]:
    """Split a body into lines, without the blank ones."""
    return [line for line in body.split(b"\n") if line]


def live_lines(response: requests.Response) -> Iterator[bytes]:
    """Split a body without end into lines, blank ones too, as they arrive."""
    rest = b""
    for piece in response.iter_content(None):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole


def is_result(line: bytes) -> bool:
    """Whether a line is a result."""
    return line.startswith(DATA_START)


def data_of(line: bytes) -> bytes:
    """Return the bytes of `chunk_result.data`."""
    return line[len(DATA_START) : -2]


def offset_of(line: bytes) -> str:
    """Read the offset of a control."""
    return str(json.loads(line)["chunk_control"]["resume_offset"])


def document_of(line: bytes) -> dict[str, Any]:
    """Parse the document of a result."""
    document: dict[str, Any] = json.loads(data_of(line))["data"]
    return document


def key_of(line: bytes) -> str:
    """Return what identifies a document."""
    document = document_of(line)
    return str(document.get("url") or document["external_id"])


def shape_of(body: bytes) -> list[int | str]:
    """Write runs of results as numbers, controls as their offset: `['earliest', 34, 'EgT4', ...]`."""
    shape: list[int | str] = []
    for line in lines(body):
        if not is_result(line):
            shape.append(offset_of(line))
        elif isinstance(shape[-1], int):
            shape[-1] += 1
        else:
            shape.append(1)
    return shape


@pytest.fixture
def simulator(simulator_process: Simulator) -> Simulator:
    """Reset the shared simulator, with exports that finish at once and reads without limit."""
    simulator_process.reset()
    simulator_process.settings(**INSTANT)
    return simulator_process


@pytest.fixture
def api(simulator: Simulator) -> Api:
    """Call the shared simulator."""
    return Api(simulator)
