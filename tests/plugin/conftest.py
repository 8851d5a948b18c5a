"""A real Airflow API server in this process, with the plugin loaded and a visitor of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport.plugin.state import watch
from tests.plugin.visiting import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A directory that the page looks for landings below."""
    return tmp_path / "lake"


@pytest.fixture
def server(
    airflow_database: None,
    talkwalker_connection: Callable[..., None],
    lake: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Server]:
    """An API server that has looked at nothing yet."""
    _forget_what_tasks_returned()
    monkeypatch.setenv("AIRFLOW__TWEXPORT__LANDINGS", f"file://{lake}")
    monkeypatch.setenv("AIRFLOW__TWEXPORT__POLL_SECONDS", "1")
    watch.cache_clear()
    yield Server.started()
    watch.cache_clear()


def _forget_what_tasks_returned() -> None:
    """The simulator counts its jobs anew for each test: what earlier tests ordered had the same ids."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(XComModel))
