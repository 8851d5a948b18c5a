"""Run the simulator as a process of its own, and talk to its control plane."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
READY = "twexport simulator: "


@dataclass(frozen=True)
class Simulator:
    """A running simulator: its address, its demo accounts, and its control plane."""

    url: str
    process: subprocess.Popen[str]
    token: str = "demo-token-read-write"
    read_only_token: str = "demo-token-read-only"
    project_id: str = "11111111-2222-4333-8444-555555555555"
    other_project_id: str = "66666666-7777-4888-8999-aaaaaaaaaaaa"
    topic_id: str = "md000001_aaaaaaaaaaaa"
    topic_ids: tuple[str, ...] = (
        "md000001_aaaaaaaaaaaa",
        "md000002_bbbbbbbbbbbb",
        "md000003_cccccccccccc",
        "md000004_dddddddddddd",
    )
    stream_id: str = "demo-stream"
    x_login: str = "demo@example.com"
    x_password: str = "demo-password"

    def control(self, path: str, json: Any = None, method: str | None = None) -> Any:
        """GET `/_control/<path>`, or POST `json` there; return the parsed body."""
        method = method or ("GET" if json is None else "POST")
        response = requests.request(
            method, f"{self.url}/_control/{path.lstrip('/')}", json=json, timeout=PATIENCE
        )
        assert response.ok, response.text
        return response.json()

    def ledger(self) -> Any:
        """Return what was requested, and what it would have cost."""
        return self.control("ledger")

    def faults(self, *faults: dict[str, Any]) -> Any:
        """Queue faults after those that wait."""
        return self.control("faults", {"faults": list(faults)})

    def settings(self, **changes: Any) -> Any:
        """Change settings, if any, and return all of them."""
        return self.control("settings", changes or None)

    def advance(self, seconds: float) -> Any:
        """Let simulated time pass at once."""
        return self.control("time", {"advance_seconds": seconds})

    def documents(self, export_id: str) -> list[dict[str, Any]]:
        """List the results of an export in order: position, key, bytes, sha256 of `chunk_result.data`."""
        response = requests.get(f"{self.url}/_control/exports/{export_id}/documents", timeout=PATIENCE)
        assert response.ok, response.text
        return [json.loads(line) for line in response.content.split(b"\n") if line]

    def reset(self) -> Any:
        """Return to the state of the start, with the settings of the command line."""
        return self.control("reset", {})


@contextlib.contextmanager
def running_simulator(*args: str) -> Iterator[Simulator]:
    """Run the simulator on a free port while the block runs."""
    command = [sys.executable, "-m", "airflow_provider_twexport.simulator", "--port", "0", *args]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield Simulator(_ready_url(process), process)
    finally:
        _stop(process)


def _ready_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    line = process.stdout.readline() if ready else ""
    if not line.startswith(READY):
        process.kill()
        raise RuntimeError(f"the simulator did not start: {line!r} {process.communicate()[1]}")
    return line.removeprefix(READY).strip()


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
