"""The process: its address, its refusals, its end, and its home page."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import requests

from tests.simulator.conftest import Api
from tests.simulator_process import ROOT, Simulator, running_simulator
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "airflow_provider_twexport.simulator"]


def test_port_in_use(simulator_process: Simulator) -> None:
    """A port in use is one sentence on stderr and exit code 1."""
    port = simulator_process.url.rpartition(":")[2]
    done = subprocess.run(
        [*COMMAND, "--port", port], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr


def test_bad_option() -> None:
    """An invalid setting is refused in one sentence."""
    done = subprocess.run(
        [*COMMAND, "--credits", "many"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_immediate_silent_end(number: signal.Signals) -> None:
    """A signal ends the process without waiting for open reads, and leaves nothing on stderr."""
    with running_simulator("--credits", "77", "--reads-per-minute", "null") as simulator:
        api = Api(simulator)
        api.collector()
        assert simulator.settings()["credits"] == 77
        with api.read(end="wait", stream=True):
            simulator.process.send_signal(number)
            out, err = simulator.process.communicate(timeout=PATIENCE)
    assert (simulator.process.returncode, out, err) == (0, "", "")


def test_home_page(api: Api) -> None:
    """The home page lists the exports and links the control plane."""
    task_id = api.export(limit=5)
    page = requests.get(api.simulator.url, timeout=PATIENCE)
    assert page.headers["content-type"].startswith("text/html")
    assert task_id in page.text
    assert 'href="/_control/"' in page.text
