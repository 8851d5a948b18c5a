"""What every test may use: an Airflow home of its own, object stores, and a simulator as new for each test."""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# before anything imports airflow
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="twexport-airflow-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "INFO"
# before anything imports gcsfs, which would ask the test's server by gRPC what kind of bucket it has
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"

from airflow_provider_twexport.core import timing
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from tests.adobe_account import adobe_client, adobe_connection
from tests.object_stores import airflow_bucket, azure_account, gcs_address, s3_address, store
from tests.running_dags import airflow_database, run_dag
from tests.service_clients import order, x_client
from tests.simulator_process import Simulator, running_simulator
from tests.waiting import QUICK

# how long an example may take depends on what else the machine does
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

LIVE = "tests/live/"
LONG = ("tests/transfers", "tests/dags", "tests/storage", "tests/hostile", "tests/x/streams")
# whoever uses one of these runs DAGs, starts processes, or has a server that takes seconds to start
SLOW = frozenset({"airflow_database", "run_program", "s3_address", "azure_account", "gcs_address"})

__all__ = [
    "adobe_client",
    "adobe_connection",
    "airflow_bucket",
    "airflow_database",
    "azure_account",
    "gcs_address",
    "order",
    "run_dag",
    "s3_address",
    "store",
    "x_client",
]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xdist.remote import Producer


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    """One simulator for the whole session."""
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_process: Simulator) -> Simulator:
    """A simulator that remembers nothing, finishes exports at once and does not throttle."""
    simulator_process.reset()
    simulator_process.settings(
        queue_seconds=0, results_per_second=None, reads_per_minute=None, keepalive_seconds=0.6
    )
    simulator_process.settings(x_requests_per_minute=None, x_requests_per_second=None)
    return simulator_process


@pytest.fixture
def client(simulator: Simulator) -> TalkwalkerClient:
    """A client with a token that may do everything."""
    return TalkwalkerClient(simulator.token, simulator.url, QUICK)


@pytest.fixture
def quick_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not told how long to wait does not wait long."""
    monkeypatch.setattr(timing, "DEFAULT", QUICK)


@pytest.fixture
def x_connection(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Point the connection ``x_enterprise_default`` at the simulator; called again, change it."""

    def connect(**changes: Any) -> None:
        connection = {
            "conn_type": "x_enterprise",
            "host": simulator.url,
            "login": simulator.x_login,
            "password": simulator.x_password,
            "extra": {"account": "demo", "label": "prod", "requests_per_minute": 100_000},
        }
        monkeypatch.setenv("AIRFLOW_CONN_X_ENTERPRISE_DEFAULT", json.dumps(connection | changes))

    connect()
    return connect


@pytest.fixture
def talkwalker_connection(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Point the connection ``talkwalker_default`` at the simulator; called again, change it."""

    def connect(**changes: Any) -> None:
        connection = {
            "conn_type": "talkwalker",
            "host": simulator.url,
            "password": simulator.token,
            "extra": {"project_id": simulator.project_id},
        }
        monkeypatch.setenv("AIRFLOW_CONN_TALKWALKER_DEFAULT", json.dumps(connection | changes))

    connect()
    return connect


class ByFile(LoadScopeScheduling):
    """Gives each file of tests to one process, and all live tests, which share an Airflow, to the same."""

    def _split_scope(self, nodeid: str) -> str:
        return LIVE if nodeid.startswith(LIVE) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Share the tests among the processes."""
    return ByFile(config, log)


def is_slow(item: pytest.Function) -> bool:
    """Tell whether a test is slow for what it uses; others say so themselves."""
    store = item.callspec.params.get("store", "file") if hasattr(item, "callspec") else "file"
    return store != "file" or not SLOW.isdisjoint(item.fixturenames) or item.nodeid.startswith(LIVE)


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark what is slow; begin with what takes longest, so that no process is left with it at the end."""
    for item in items:
        if is_slow(item):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: (not item.nodeid.startswith(LIVE), not item.nodeid.startswith(LONG)))
