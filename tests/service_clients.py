"""Clients of the simulator, and an order to place with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.x.search.client import XSearchClient
from airflow_provider_twexport.x.session import XCredential
from tests.waiting import QUICK

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

JANUARY = Window(pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 2, 1))


@pytest.fixture
def order(simulator: Simulator) -> ExportOrder:
    """An order for January of the demo project."""
    return ExportOrder(JANUARY, project_id=simulator.project_id, limit=1_000)


def x_credential_of(simulator: Simulator, **changes: str) -> XCredential:
    """Return the credential of the simulator's account."""
    usual = {
        "login": simulator.x_login,
        "password": simulator.x_password,
        "account": "demo",
        "label": "prod",
    }
    return XCredential(**usual | changes)


def x_client_of(simulator: Simulator, password: str | None = None, **changes: Any) -> XSearchClient:
    """Return a client of the full archive that does not wait long."""
    credential = x_credential_of(simulator, password=password or simulator.x_password)
    usual = {"base_url": simulator.url, "requests_per_minute": 100_000, "timing": QUICK}
    return XSearchClient(credential, **usual | changes)


@pytest.fixture
def x_client(simulator: Simulator) -> XSearchClient:
    """A client of the full archive."""
    return x_client_of(simulator)
