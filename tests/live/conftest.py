"""One Airflow and one Talkwalker for all live tests: starting them costs as much as most of the tests together."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.stack import AirflowStack
from tests.live.pipeline import Live
from tests.simulator_process import running_simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulator_process import Simulator


@pytest.fixture(scope="session")
def live_home() -> Iterator[Callable[[str], Path]]:
    """Make directories that stay open to PostgreSQL, which runs as another user.

    Each pytest that starts closes the parent of its ``tmp_path`` to other users, also while another one runs.
    """
    with tempfile.TemporaryDirectory(prefix="twexport-live-", ignore_cleanup_errors=True) as parent:
        Path(parent).chmod(0o755)

        def make(name: str) -> Path:
            home = Path(parent, name)
            home.mkdir()
            return home

        yield make


@pytest.fixture(scope="session")
def landing(live_home: Callable[[str], Path]) -> Path:
    """Return the directory in which every export lands."""
    return live_home("landing")


@pytest.fixture(scope="session")
def stack(live_home: Callable[[str], Path], landing: Path) -> Iterator[AirflowStack]:
    """Return a running Airflow with the DAGs of this folder and the example of the project, logging all it can."""
    env = {
        "TWEXPORT_DESTINATION": f"file://{landing}",
        "TWEXPORT_POKE_SECONDS": "1",
        "TWEXPORT_STREAM_SECONDS": "15",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
    }
    home = live_home("airflow")
    with AirflowStack(home, Path(__file__).parent / "dags", env=env) as running:
        running.api.log_in_as_anybody()
        yield running


@pytest.fixture(scope="session")
def talkwalker() -> Iterator[Simulator]:
    """Return a Talkwalker that holds every export in its queue until it is told not to."""
    settings = {
        "queue-seconds": "10000000",
        "results-per-second": "null",
        "reads-per-minute": "null",
        "results-per-day": "60",
        "echo-token": "true",
    }
    with running_simulator(
        *(word for name, value in settings.items() for word in (f"--{name}", value))
    ) as running:
        yield running


@pytest.fixture(scope="session")
def live(stack: AirflowStack, talkwalker: Simulator) -> Live:
    """Return both, connected."""
    stack.api.create_connection(
        connection_id="talkwalker_default",
        conn_type="talkwalker",
        host=talkwalker.url,
        password=talkwalker.token,
        extra=json.dumps({"project_id": talkwalker.project_id}),
    )
    return Live(stack, talkwalker)
