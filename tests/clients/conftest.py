"""A client of the simulator, and orders to place with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pendulum
import pytest

from airflow_provider_twexport.clients.talkwalker import ExportOrder
from airflow_provider_twexport.clients.window import Window

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

JANUARY = Window(pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 2, 1))


@pytest.fixture
def order(simulator: Simulator) -> ExportOrder:
    """An order for January of the demo project."""
    return ExportOrder(JANUARY, project_id=simulator.project_id, limit=1_000)
