"""A real Airflow API server in this process, with the plugin loaded and a visitor of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport.plugin.state import server_state
from tests.plugin.visiting import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A directory that the page searches for landings."""
    return tmp_path / "lake"


@pytest.fixture
def server(
    airflow_database: None,
    talkwalker_connection: Callable[..., None],
    lake: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Server]:
    """An API server that has polled nothing yet."""
    _delete_task_results()
    monkeypatch.setenv("AIRFLOW__TWEXPORT__LANDINGS", f"file://{lake}")
    monkeypatch.setenv("AIRFLOW__TWEXPORT__POLL_SECONDS", "1")
    server_state.cache_clear()
    yield Server.started()
    server_state.cache_clear()


def _delete_task_results() -> None:
    """The simulator numbers its jobs from 1 in each test: what earlier tests ordered had the same ids."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(XComModel))
