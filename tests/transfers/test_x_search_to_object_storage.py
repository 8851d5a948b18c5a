"""Landing searches in a real Airflow: from the simulator, over a socket, to a directory or a bucket."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath

from airflow_provider_twexport.core import timing
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.formats import FORMATS
from airflow_provider_twexport.transfers.x_search_to_object_storage import XSearchToObjectStorageOperator
from airflow_provider_twexport.x.search.pages import post_id
from tests.service_clients import JANUARY
from tests.waiting import QUICK
from tests.x.search.test_client import failing, truth

if TYPE_CHECKING:
    from pathlib import Path

    from tests.running_dags import DagRunner, Run
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("x_connection", "quick_timing")

WHAT = {"query": "coffee", "start": "2024-01-01", "stop": "2024-02-01"}


@pytest.fixture
def directory(tmp_path: Path) -> dict[str, str]:
    """A directory of this machine."""
    return {"object_storage_path": f"file://{tmp_path}/x/2024-01"}


@pytest.fixture(params=["directory", "airflow_bucket"])
def place(request: pytest.FixtureRequest) -> dict[str, str]:
    """Each kind of place to land in."""
    place: dict[str, str] = request.getfixturevalue(request.param)
    return place


def land(run_dag: DagRunner, **arguments: Any) -> Run:
    """Return what became of a search."""
    with DAG("searching", schedule=None, default_args={"retries": 3, "retry_delay": timedelta(0)}) as dag:
        XSearchToObjectStorageOperator(task_id="land", **WHAT | arguments)
    return run_dag(dag)


def landed(place: dict[str, str]) -> list[str]:
    """Return the ids of all posts that a reader of the manifest sees, in order."""
    path = ObjectStoragePath(place["object_storage_path"], conn_id=place.get("object_storage_conn_id"))
    assert list(manifest.verify(path)) == []
    found = manifest.read(path)
    ids = []
    for part in found.parts:
        with (path / part.name).open("rb") as file:
            ids += [
                post_id(one).decode() for lines in FORMATS[found.file_format].decode(file) for one in lines
            ]
    return ids


def billed(simulator: Simulator) -> int:
    """Return how many pages were billed."""
    return len(simulator.ledger()["x"]["pages"])


def test_each_post_lands_once_through_faults_and_no_page_is_paid_twice(
    run_dag: DagRunner, simulator: Simulator, place: dict[str, str]
) -> None:
    """Repeated posts, a lost answer, throttling, overload: only the page whose answer was lost is paid again."""
    simulator.settings(x_repeat_at_edges=True, x_posts_per_day=300)
    simulator.faults({"fault": "lost_answer", "skip": 3}, failing(429), failing(503))
    run = land(run_dag, **place, max_part_results=1_000)
    assert (run.state, run.tries["land"]) == ("success", 2), run.log
    told = run.results["land"]
    assert landed(place) == truth(simulator, "coffee", JANUARY)
    assert told["parts"] > 2
    assert not told["truncated"]
    pages = [page["before"] for page in simulator.ledger()["x"]["pages"]]
    assert len(pages) == len(set(pages)) + 1
    again = land(run_dag, **place)
    assert again.results["land"] == told
    assert billed(simulator) == len(pages)


def test_a_thousand_posts_in_each_file_lose_none(
    run_dag: DagRunner, simulator: Simulator, directory: dict[str, str], tmp_path: Path
) -> None:
    """Each part is a file of its own, however quickly one follows the other."""
    simulator.settings(x_posts_per_day=600)
    run = land(run_dag, **directory, max_part_results=1_000)
    assert run.state == "success", run.log
    *parts, last = manifest.read(f"file://{tmp_path}/x/2024-01").parts
    assert [part.results for part in parts] == [1_000] * len(parts)
    assert len(parts) >= 3
    posts = truth(simulator, "coffee", JANUARY)
    assert 1_000 * len(parts) + last.results == len(posts)
    assert landed(directory) == posts


def test_a_refused_query_shows_the_words_of_the_service(
    run_dag: DagRunner, simulator: Simulator, directory: dict[str, str]
) -> None:
    """In the task's log, with what its support asks for, and without another try."""
    words = "There were errors processing your request: missing EOF at ')' (at position 51)"
    simulator.faults(failing(422, message=words))
    run = land(run_dag, **directory)
    assert (run.state, run.tries["land"], words in run.log) == ("failed", 1, True)
    assert re.search("request [0-9a-f]{16}", run.log)


@pytest.mark.parametrize(
    ("status", "words"),
    [(429, "asks for fewer requests"), (503, "X is overloaded or out of service")],
)
def test_a_storm_ends_in_an_error_that_says_so(
    status: int,
    words: str,
    run_dag: DagRunner,
    simulator: Simulator,
    directory: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After all tries."""
    impatient = replace(QUICK, retry=replace(QUICK.retry, throttled_for=0.5))
    monkeypatch.setattr(timing, "DEFAULT", impatient)
    simulator.faults(failing(status, times=9_999))
    run = land(run_dag, **directory)
    assert (run.state, run.tries["land"], words in run.log) == ("failed", 4, True)
    assert billed(simulator) == 0


@pytest.mark.parametrize("most", [1, 500, 707])
def test_exactly_so_many_land_as_are_wanted(
    most: int, run_dag: DagRunner, simulator: Simulator, directory: dict[str, str]
) -> None:
    """The newest, with as few requests as there can be."""
    run = land(run_dag, **directory, max_results=str(most))
    assert run.state == "success", run.log
    assert landed(directory) == truth(simulator, "coffee", JANUARY)[:most]
    assert (run.results["land"]["requests"], run.results["land"]["truncated"]) == (-(-most // 500), True)


@pytest.mark.parametrize(("size", "words"), [("100", ""), ("9", "Give 10 to 500"), ("501", "Give 10 to 500")])
def test_a_page_has_as_many_posts_as_are_wanted(
    size: str, words: str, run_dag: DagRunner, simulator: Simulator, directory: dict[str, str]
) -> None:
    """Each is a request; sizes that X refuses cost none."""
    run = land(run_dag, **directory, page_size=size)
    assert (run.state, words in run.log) == ("failed" if words else "success", True)
    assert {page["maxResults"] for page in simulator.ledger()["x"]["pages"]} == (set() if words else {100})


def test_a_budget_stops_and_more_of_it_goes_on(
    run_dag: DagRunner, simulator: Simulator, directory: dict[str, str]
) -> None:
    """At once, without a manifest, and without losing a page."""
    run = land(run_dag, **directory, max_requests=2)
    assert (run.state, run.tries["land"]) == ("failed", 1)
    assert "max_requests=2 are used up" in run.log
    assert billed(simulator) == 2
    run = land(run_dag, **directory, max_requests=100)
    assert landed(directory) == truth(simulator, "coffee", JANUARY)
    assert run.results["land"]["requests"] == billed(simulator)


def test_a_window_that_is_too_much_is_made_smaller(
    run_dag: DagRunner, simulator: Simulator, directory: dict[str, str]
) -> None:
    """As the vendor advises."""
    simulator.settings(x_longest_window_hours=200)
    run = land(run_dag, **directory, file_format="parquet")
    assert run.state == "success", run.log
    assert landed(directory) == truth(simulator, "coffee", JANUARY)
    assert {page["fromDate"] for page in simulator.ledger()["x"]["pages"]} > {"202401010000", "202401240600"}


def test_another_search_does_not_land_on_top(
    run_dag: DagRunner, simulator: Simulator, directory: dict[str, str]
) -> None:
    """It is an error before a request is spent."""
    assert land(run_dag, **directory).state == "success"
    before = billed(simulator)
    run = land(run_dag, **directory, query="tea")
    assert "Choose another directory" in run.log
    assert (run.state, billed(simulator)) == ("failed", before)


def test_the_password_is_in_no_log(
    run_dag: DagRunner, simulator: Simulator, directory: dict[str, str]
) -> None:
    """Neither in a result."""
    simulator.faults(failing(401, message="Unauthorized"))
    run = land(run_dag, **directory)
    assert run.state == "failed"
    assert "refuses the login" in run.log
    assert simulator.x_password not in run.log
