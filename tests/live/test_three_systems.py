"""One Airflow, all three systems: their example DAGs run beside each other, as they are, and keep their secrets."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport.storage import manifest
from tests.adobe_account import CREDENTIAL
from tests.live.connections import connect_x_and_adobe
from tests.live.database import tables_with
from tests.live.pipeline import files_with
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from demo.api import AirflowApi
    from tests.live.pipeline import Live

pytestmark = pytest.mark.live

RUN = "beside-the-others"
# what each of them lands, below the directory of its own
LANDED = {
    "talkwalker_export": ["2022-07-01"],
    "x_search_daily": ["day=01"],
    "x_stream_hourly": ["capture", "recovered"],
    "adobe_segment_export": ["2022-07-01"],
}


@pytest.fixture(scope="module")
def ended(live: Live) -> dict[str, str]:
    """Run all of them at the same time, and return how each has ended."""
    live.talkwalker.settings(queue_seconds=0)
    api = live.stack.api
    connect_x_and_adobe(api, live.talkwalker)
    # the stream's DAG asks for it
    api.create_pool("x_recovery", 1)
    for dag_id in LANDED:
        api.wait_for_dag(dag_id)
        start(api, dag_id)
        api.unpause(dag_id)
    return {dag_id: str(api.wait_for_run(dag_id, RUN, PATIENCE)["state"]) for dag_id in LANDED}


def start(api: AirflowApi, dag_id: str) -> None:
    """Start a run: the stream's from half a minute ago on, the others for a day of the past.

    The stream's has the logical date of the run that the scheduler would make first, which would land in the same
    hour, and so is not made.
    """
    if dag_id == "x_stream_hourly":
        begin = datetime.now(UTC) - timedelta(seconds=30)
        hour_before = begin.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
        api.trigger(dag_id, run_id=RUN, logical_date=hour_before, interval=(hour_before, begin))
    else:
        days = {"start": "2022-07-01T00:00:00Z", "stop": "2022-07-02T00:00:00Z"}
        api.trigger(dag_id, run_id=RUN, conf=days)


@pytest.mark.parametrize("dag_id", LANDED)
def test_each_example_ends_well_beside_the_others(ended: dict[str, str], dag_id: str) -> None:
    """Waiting, reading, and a stream that is captured, all at the same time."""
    assert ended[dag_id] == "success"


@pytest.mark.parametrize("dag_id", LANDED)
def test_each_example_has_landed_whole(ended: dict[str, str], live: Live, landing: Path, dag_id: str) -> None:
    """What each task returned is a manifest that is complete, and whose parts are as it says."""
    api = live.stack.api
    told = [
        api.xcom(dag_id, RUN, task["task_id"]) for task in api.tasks(dag_id, RUN) if lands(task["task_id"])
    ]
    directories = [
        landing / one["manifest"].removeprefix(f"file://{landing}/").rpartition("/")[0] for one in told
    ]
    assert directories
    for directory, one in zip(directories, told, strict=True):
        landed = manifest.read(directory)
        assert landed.complete
        assert manifest.verify(directory) == []
        assert landed.results == one["results"]
        assert any(name in directory.parts for name in LANDED[dag_id])
    assert sum(one["results"] for one in told) > 0


def lands(task_id: str) -> bool:
    """Tell whether a task lands something."""
    return task_id in ("export.to_object_storage", "land", "capture", "recover", "land_files")


def test_no_secret_of_any_system_is_written_anywhere(
    ended: dict[str, str], live: Live, landing: Path
) -> None:
    """No file, log or database row holds a token, password or header of theirs, though everything is logged."""
    simulator = live.talkwalker
    basic = base64.b64encode(f"{simulator.x_login}:{simulator.x_password}".encode()).decode()
    secrets = [simulator.token, simulator.x_password, basic, CREDENTIAL.client_secret, "demo-adobe-token-"]
    # the search finds what is there
    assert "xcom" in tables_with(live.stack, "adobe_segment_export/2022-07-01")
    assert files_with(live.stack.home, "adobe_segment_export/2022-07-01") != []
    assert simulator.ledger()["adobe"]["tokens"] > 0
    found = {
        secret: [
            *tables_with(live.stack, secret),
            *files_with(live.stack.home, secret),
            *files_with(landing, secret),
        ]
        for secret in secrets
    }
    assert found == {secret: [] for secret in secrets}
