"""The transfer in a real Airflow: from the simulator, over a socket, to a directory or a bucket."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from airflow.sdk import DAG, ObjectStoragePath
from upath import UPath

from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.already_landed import read
from airflow_provider_twexport.storage.formats import FORMATS
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.record_identity import identity
from airflow_provider_twexport.talkwalker.remainder_of import RemainderOf
from airflow_provider_twexport.transfers.talkwalker_to_object_storage import TalkwalkerToObjectStorageOperator
from tests.service_clients import JANUARY
from tests.waiting import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.running_dags import DagRunner, Run
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("talkwalker_connection", "quick_timing")

RESULTS = {"path": "/results$"}


@pytest.fixture
def export(simulator: Simulator) -> Callable[..., str]:
    """Fill the collector ``box`` and return the export's id."""

    def create(limit: int = 1_000) -> str:
        client = TalkwalkerClient(simulator.token, simulator.url, QUICK)
        client.put_collector("box")
        order = ExportOrder(JANUARY, project_id=simulator.project_id, limit=limit)
        return client.create_export(order, "box").id

    return create


@pytest.fixture
def container(azure_account: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A container of its own on Azure Blob, and the Airflow connection that leads there."""
    from azure.storage.blob import BlobServiceClient

    name = f"lake-{uuid4().hex}"
    BlobServiceClient.from_connection_string(azure_account).create_container(name)
    connection = {"conn_type": "wasb", "extra": {"connection_string": azure_account}}
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_LAKE", json.dumps(connection))
    return {"object_storage_path": f"abfs://azure_lake@{name}/talkwalker/2024-01"}


@pytest.fixture
def directory(tmp_path: Path) -> dict[str, str]:
    """A directory of this machine."""
    return {"object_storage_path": f"file://{tmp_path}/talkwalker/2024-01"}


@pytest.fixture(params=["directory", "airflow_bucket", "container"])
def place(request: pytest.FixtureRequest) -> dict[str, str]:
    """Each kind of place to land in."""
    place: dict[str, str] = request.getfixturevalue(request.param)
    return place


def land(run_dag: DagRunner, **arguments: Any) -> Run:
    """Return what became of a transfer."""
    with DAG("landing", schedule=None, default_args={"retries": 3, "retry_delay": timedelta(0)}) as dag:
        TalkwalkerToObjectStorageOperator(
            task_id="land", **({"collector_id": "box", "max_part_bytes": 150_000} | arguments)
        )
    return run_dag(dag)


def landed(place: dict[str, str]) -> list[str]:
    """Return the digests of all results that a reader of the manifest sees."""
    path = ObjectStoragePath(place["object_storage_path"], conn_id=place.get("object_storage_conn_id"))
    assert list(manifest.verify(path)) == []
    found = manifest.read(path)
    digests = []
    for part in found.parts:
        with (path / part.name).open("rb") as file:
            for lines in FORMATS[found.file_format].decode(file):
                digests += [hashlib.sha256(line).hexdigest() for line in lines]
    return digests


def truth(simulator: Simulator, export_id: str) -> list[str]:
    """Return the digests of what was exported."""
    return [document["sha256"] for document in simulator.documents(export_id)]


def reads(simulator: Simulator) -> int:
    """Count the calls of the results endpoint."""
    return sum(call["path"].endswith("/results") for call in simulator.ledger()["requests"])


def test_lands_each_result_once_through_all_faults(
    place: dict[str, str], export: Callable[..., str], simulator: Simulator, run_dag: DagRunner
) -> None:
    """A cut in mid-line, an error chunk, throttling, a 502, and foreign rows: complete, and it says so."""
    export_id = export(1_000)
    simulator.settings(reads_per_minute=None)
    simulator.faults(
        {"match": RESULTS, "fault": "cut", "after_results": 150, "mid_line": True},
        {"match": RESULTS, "fault": "ct_error", "after_results": 120, "code": 25},
        {"match": RESULTS, "fault": "error", "code": 8},
        {"match": RESULTS, "fault": "html", "status": 502},
        {"match": RESULTS, "fault": "foreign", "every": 7},
    )
    run = land(run_dag, export_id=export_id, start="2024-01-01", stop="2024-02-01", **place)
    assert (run.state, run.tries["land"]) == ("success", 1)
    assert simulator.control("faults")["faults"] == []
    assert landed(place) == truth(simulator, export_id)
    path = ObjectStoragePath(place["object_storage_path"], conn_id=place.get("object_storage_conn_id"))
    written = manifest.read(path)
    assert (written.complete, written.results, written.exported, written.truncated) == (
        True,
        1_000,
        1_000,
        True,
    )
    assert written.foreign_dropped > 0
    assert written.source["window"] == {"start": "2024-01-01T00:00:00Z", "stop": "2024-02-01T00:00:00Z"}
    assert len(written.parts) > 2
    assert run.results["land"] == {
        "manifest": str(path / "_manifest.json"),
        "results": 1_000,
        "bytes": written.bytes,
        "parts": len(written.parts),
    }
    assert simulator.token not in run.log


def test_a_hundred_thousand_results_need_few_reads(
    directory: dict[str, str], export: Callable[..., str], simulator: Simulator, run_dag: DagRunner
) -> None:
    """The endpoint allows 5 reads a minute: one long read brings them all."""
    simulator.settings(results_per_day=5_000, reads_per_minute=5)
    export_id = export(100_000)
    run = land(run_dag, export_id=export_id, max_part_bytes=64 * 1024 * 1024, **directory)
    assert run.results["land"]["results"] == 100_000
    assert reads(simulator) <= 3


def test_short_reads_take_over_where_long_ones_misbehave(
    directory: dict[str, str], export: Callable[..., str], simulator: Simulator, run_dag: DagRunner
) -> None:
    """If every `wait` connection is cut at once, `stop` reads of 400 results each bring everything."""
    export_id = export(1_000)
    simulator.faults({"match": RESULTS | {"query": "end_behaviour=wait"}, "fault": "drop", "times": 99})
    land(run_dag, export_id=export_id, **directory)
    assert landed(directory) == truth(simulator, export_id)


def test_a_retry_goes_on_from_the_checkpoint(
    place: dict[str, str], export: Callable[..., str], simulator: Simulator, run_dag: DagRunner
) -> None:
    """A try that fails after some parts is continued, not repeated."""
    export_id = export(1_000)
    broken = {"fault": "cut", "after_results": 0, "times": 2 * QUICK.retry.attempts}
    simulator.faults({"match": RESULTS, "fault": "cut", "after_results": 650}, {"match": RESULTS} | broken)
    run = land(run_dag, export_id=export_id, **place)
    assert (run.state, run.tries["land"]) == ("success", 2)
    assert landed(place) == truth(simulator, export_id)


def test_what_has_landed_is_left_alone(
    place: dict[str, str], export: Callable[..., str], simulator: Simulator, run_dag: DagRunner
) -> None:
    """Clearing a finished transfer reads nothing and tells the same, also when the collector is gone."""
    export_id = export(300)
    first = land(run_dag, export_id=export_id, **place)
    before = reads(simulator)
    TalkwalkerClient(simulator.token, simulator.url).delete_collector("box")
    assert land(run_dag, export_id=export_id, **place).results == first.results
    assert reads(simulator) == before


def test_another_windows_directory_is_not_overwritten(
    directory: dict[str, str], export: Callable[..., str], simulator: Simulator, run_dag: DagRunner
) -> None:
    """One directory holds one landing; the error names both collectors."""
    land(run_dag, export_id=export(200), **directory)
    TalkwalkerClient(simulator.token, simulator.url).put_collector("other")
    run = land(run_dag, collector_id="other", **directory)
    assert (run.state, run.tries["land"]) == ("failed", 1)
    assert "box" in run.log
    assert "other" in run.log


@pytest.mark.parametrize(
    ("on_incomplete", "state", "complete"), [("fail", "failed", None), ("warn", "success", False)]
)
def test_missing_results_are_told(
    on_incomplete: str,
    state: str,
    complete: bool | None,
    directory: dict[str, str],
    export: Callable[..., str],
    simulator: Simulator,
    run_dag: DagRunner,
) -> None:
    """Results that are gone fail the transfer, or are landed as incomplete and said to be."""
    export_id = export(300)
    TalkwalkerClient(simulator.token, simulator.url).delete_collector("box")
    TalkwalkerClient(simulator.token, simulator.url).put_collector("box")
    run = land(run_dag, export_id=export_id, on_incomplete=on_incomplete, retries=1, **directory)
    assert run.state == state
    assert "Only 0 of 300 exported results" in run.log
    if complete is not None:
        assert manifest.read(directory["object_storage_path"]).complete is complete


def test_a_deleted_collector_is_told(
    directory: dict[str, str], export: Callable[..., str], simulator: Simulator, run_dag: DagRunner
) -> None:
    """Somebody deleted it before it was read: no retry brings it back."""
    export_id = export(300)
    TalkwalkerClient(simulator.token, simulator.url).delete_collector("box")
    run = land(run_dag, export_id=export_id, **directory)
    assert (run.state, run.tries["land"]) == ("failed", 1)
    assert "perhaps by another pipeline" in run.log


def test_an_empty_export_lands_an_empty_manifest(
    directory: dict[str, str], export: Callable[..., str], simulator: Simulator, run_dag: DagRunner
) -> None:
    """Nothing matched; that is a result, and a reader can tell it from a landing that never happened."""
    simulator.settings(results_per_day=0)
    run = land(run_dag, export_id=export(10), **directory)
    assert run.results["land"]["results"] == 0
    assert manifest.read(directory["object_storage_path"]).complete


def test_a_running_export_is_not_landed(
    directory: dict[str, str], export: Callable[..., str], simulator: Simulator, run_dag: DagRunner
) -> None:
    """A read of an unfinished export would prove nothing; the error names the sensor."""
    simulator.settings(queue_seconds=3600)
    run = land(run_dag, export_id=export(10), retries=0, **directory)
    assert run.state == "failed"
    assert "TalkwalkerExportSensor" in run.log


def test_without_an_export_everything_in_the_collector_lands(
    directory: dict[str, str], export: Callable[..., str], simulator: Simulator, run_dag: DagRunner
) -> None:
    """Two exports into one collector, read together."""
    both = sorted(truth(simulator, export(200)) + truth(simulator, export(150)))
    assert land(run_dag, **directory).state == "success"
    assert sorted(landed(directory)) == both


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"file_format": "xlsx"}, "choose one of jsonl, jsonl.gz, jsonl.zst, parquet"),
        ({"file_format": "jsonl.gz", "compression_level": 9}, "choose 0 to 3"),
    ],
)
def test_a_format_that_there_is_not_is_refused_before_anything_is_bought(
    options: dict[str, Any], advice: str
) -> None:
    """The DAG does not parse, and the error names what there is."""
    with pytest.raises(InvalidRequestError, match=advice):
        TalkwalkerToObjectStorageOperator(
            task_id="land", collector_id="box", object_storage_path="file:///lake", **options
        )


@pytest.mark.parametrize("file_format", FORMATS)
def test_each_format_holds_each_result(
    directory: dict[str, str],
    export: Callable[..., str],
    run_dag: DagRunner,
    simulator: Simulator,
    file_format: str,
) -> None:
    """Byte for byte, and in as many parts as asked for."""
    export_id = export(700)
    options = {"file_format": file_format, "max_part_bytes": 10**9, "max_part_results": 300}
    run = land(run_dag, export_id=export_id, row_group_bytes=200_000, **options, **directory)
    assert run.state == "success"
    parts = manifest.read(directory["object_storage_path"]).parts
    assert [300 <= part.results < 500 for part in parts[:-1]] == [True, True]
    assert sorted(landed(directory)) == sorted(truth(simulator, export_id))


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ({}, {"project_id": "<default>", "stream_id": None, "query": None, "topics": []}),
        (
            {"project_id": "p", "query": " cats ", "topics": "a, b", "limit": "300"},
            {"project_id": "p", "query": "cats", "topics": ["a", "b"], "limit": 300},
        ),
        ({"stream_id": "s"}, {"project_id": None, "stream_id": "s"}),
        ({"project_id": "", "query": "cats"}, {"project_id": None, "query": "cats"}),
    ],
)
def test_the_manifest_tells_the_scope(
    directory: dict[str, str],
    export: Callable[..., str],
    simulator: Simulator,
    run_dag: DagRunner,
    scope: dict[str, str],
    told: dict[str, Any],
) -> None:
    """From which coverage is told; where neither project nor stream is named, it is the connection's project."""
    assert land(run_dag, export_id=export(100), **scope, **directory).state == "success"
    source = manifest.read(directory["object_storage_path"]).source
    expected = {key: simulator.project_id if value == "<default>" else value for key, value in told.items()}
    assert {key: source[key] for key in told} == expected


def keys(path: Path) -> list[bytes]:
    """Return what identifies each result of a landing."""
    found: list[bytes] = []
    read(path, lambda records: found.extend(map(identity, records)))
    return found


@pytest.mark.parametrize("file_format", ["jsonl.zst", "parquet"])
def test_what_landed_before_is_left_out(
    file_format: str, export: Callable[..., str], simulator: Simulator, run_dag: DagRunner, tmp_path: Path
) -> None:
    """The same time ordered twice lands once, through a broken read and a retry; the manifest and the XCom tell."""
    first = export(1_000)
    land(run_dag, export_id=first, object_storage_path=f"file://{tmp_path}/first")
    client = TalkwalkerClient(simulator.token, simulator.url, QUICK)
    client.put_collector("more")
    whole = client.create_export(ExportOrder(JANUARY, project_id=simulator.project_id), "more").id
    simulator.settings(reads_per_minute=None)
    simulator.faults(
        {"match": RESULTS, "fault": "cut", "after_results": 700, "mid_line": True},
        {"match": RESULTS, "fault": "error", "code": 1, "times": 9},
    )
    remainder_of = RemainderOf(collector_ids=("box",), paths=(f"file://{tmp_path}/first",), windows=1)
    remainder_of.record(UPath(tmp_path / "more"))
    run = land(
        run_dag,
        collector_id="more",
        export_id=whole,
        object_storage_path=f"file://{tmp_path}/more",
        file_format=file_format,
    )
    assert (run.state, run.tries["land"]) == ("success", 2)
    landed = manifest.read(tmp_path / "more")
    assert (landed.excluded, landed.complete, landed.results + landed.excluded) == (
        1_000,
        True,
        landed.exported,
    )
    assert (landed.source["remainder_of"], landed.source["remainder_windows"]) == (["box"], 1)
    assert run.results["land"]["excluded"] == 1_000
    results = keys(tmp_path / "first") + keys(tmp_path / "more")
    assert len(results) == len(set(results)) == len(simulator.documents(whole))


def test_what_is_missing_is_told(export: Callable[..., str], run_dag: DagRunner, tmp_path: Path) -> None:
    """By the log and the manifest of a truncated landing, in numbers."""
    run = land(run_dag, export_id=export(1_000), object_storage_path=f"file://{tmp_path}")
    missing = manifest.read(tmp_path).missing
    assert missing is not None
    assert missing > 2_000
    assert f"about {missing:,} matching results are missing" in run.log


@pytest.mark.parametrize(("days_ago", "warned"), [(5.5, False), (6.5, True)])
def test_the_last_day_before_the_deadline_is_told(
    days_ago: float,
    warned: bool,
    run_dag: DagRunner,
    simulator: Simulator,
    export: Callable[..., str],
    directory: dict[str, str],
) -> None:
    """A day before the service forgets the results, the log warns; they land all the same."""
    simulator.control("time", {"offset_seconds": -86_400 * days_ago})
    export_id = export()
    simulator.control("time", {"offset_seconds": 0})
    run = land(run_dag, export_id=export_id, **directory)
    assert run.state == "success"
    assert ("less than a day is left" in run.log) is warned
