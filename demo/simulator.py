"""The simulator of Talkwalker, in its own process."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from demo.api import Json
from demo.component import Component, stop_all, wait_until
from demo.ports import LOOPBACK
from demo.progress import step
from demo.signals import signals_ignored

TOKEN = "demo-token-read-write"  # noqa: S105 - the simulator's own
PROJECT_ID = "11111111-2222-4333-8444-555555555555"

# Simulated seconds per real second: Talkwalker allows five reads a minute, and three months need six.
SPEED = 20


class Simulator:
    """A running simulator."""

    def __init__(self, component: Component, url: str) -> None:
        self.url = url
        self._component = component

    def check_alive(self) -> None:
        """Raise if it has ended."""
        self._component.check_alive()

    def exports(self) -> dict[str, Json]:
        """Return what was bought, by export id."""
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(f"{self.url}/_control/ledger", timeout=30)
        response.raise_for_status()
        return {export["id"]: export for export in response.json()["exports"]}


@contextmanager
def running_simulator(port: int, log: Path) -> Iterator[Simulator]:
    """Run the simulator while the block runs."""
    command = [
        sys.executable,
        "-m",
        "airflow_provider_twexport.simulator",
        "--port",
        str(port),
        "--speed",
        str(SPEED),
    ]
    component = Component("simulator", command, os.environ, log)
    url = f"http://{LOOPBACK}:{port}"
    try:
        with step("starting the Talkwalker simulator"):
            component.start()
            if not wait_until(lambda: url in log.read_text(), [component], timeout=30):
                raise component.failure("was not ready after 30 s")
        yield Simulator(component, url)
    finally:
        with signals_ignored():
            stop_all([component])
