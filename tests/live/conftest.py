"""One Airflow for all live tests: starting one costs as much as most of them together."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.stack import AirflowStack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """Return a running Airflow with the DAGs of this folder and the examples of the project."""
    with AirflowStack(tmp_path_factory.mktemp("airflow"), Path(__file__).parent / "dags") as running:
        yield running
