"""Dataset exports: one run for each order, and a manifest only when all that the run wrote is in the user's store."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from airflow.sdk import DAG

from airflow_provider_twexport import exceptions
from airflow_provider_twexport.adobe.dataset_export import DatasetExport
from airflow_provider_twexport.adobe.flow_runs import FlowRun, run_once
from airflow_provider_twexport.operators.adobe import AdobeRunDatasetExportOperator
from airflow_provider_twexport.sensors.adobe import AdobeDatasetExportSensor
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.transfers.adobe_dataset_export import AdobeRegisterDatasetExportOperator
from tests.adobe_account import client_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.storage.manifest import Manifest
    from tests.object_stores import Place
    from tests.running_dags import DagRunner
    from tests.simulator_process import Simulator

FLOW = "eb54b3b3-3949-4f12-89c8-64eafaba858f"
RUNS = "/data/foundation/flowservice/runs"
POST = {"path": "flowservice/runs$", "method": "POST"}
SINCE = pendulum.now("UTC").subtract(minutes=5)


@pytest.fixture
def client(simulator: Simulator) -> AdobeClient:
    """A client of an organization whose exports end at once."""
    simulator.settings(adobe_flow_seconds=0)
    return client_of(simulator)


def export_files(simulator: Simulator, run_id: str, directory: Any) -> list[dict[str, Any]]:
    """Do what Adobe does: write the files of a run to the user's store."""
    files: list[dict[str, Any]] = simulator.control(f"adobe/runs/{run_id}/files")
    directory.mkdir(parents=True, exist_ok=True)
    for file in files:
        (directory / file["name"]).write_bytes(base64.b64decode(file["content"]))
    return files


def register(client: AdobeClient, run_id: str, directory: Any) -> Manifest:
    """Write the manifest."""
    export = DatasetExport(client, run_id)
    registration = export.open(directory)
    return registration.committed or export.register(registration)


# runs


def test_a_run_is_started_once(simulator: Simulator, client: AdobeClient) -> None:
    """A retry adopts it; a run of before, or of another dataflow, is not adopted."""
    simulator.control("time", {"offset_seconds": -7200})
    client.start_flow_run(FLOW)
    simulator.control("time", {"offset_seconds": 0})
    first = run_once(client, FLOW, SINCE)
    again = run_once(client, FLOW, SINCE)
    assert (first.adopted, again.adopted, again.run.id) == (False, True, first.run.id)
    assert simulator.ledger()["counts"][f"POST {RUNS}"] == 2
    with pytest.raises(exceptions.NotFoundError):
        run_once(client, "no-such-flow", SINCE)


def test_a_lost_answer_starts_no_second_run(simulator: Simulator, client: AdobeClient) -> None:
    """The run that was started is found."""
    simulator.faults({"match": POST, "fault": "lost_answer"})
    assert not run_once(client, FLOW, SINCE).adopted
    assert simulator.ledger()["counts"][f"POST {RUNS}"] == 1
    simulator.faults({"match": POST, "fault": "drop"})
    with pytest.raises(exceptions.OrderUnconfirmedError, match="No run shows"):
        run_once(client, FLOW, pendulum.now("UTC").add(hours=1))


@pytest.mark.slow
def test_runs_at_the_same_moment_return_the_oldest(client: AdobeClient) -> None:
    """Also the one that started a younger one."""
    ids = [client.start_flow_run(FLOW) for _ in range(45)]
    assert run_once(client, FLOW, SINCE).run.id == ids[0]
    assert len({run.id for run in client.list_flow_runs(FLOW)}) == 45


def test_a_scheduled_run_is_waited_for_and_not_started(simulator: Simulator, client: AdobeClient) -> None:
    """While there is none, the task fails so that a retry helps."""
    with pytest.raises(exceptions.NotReadyError, match="Adobe's schedule starts it"):
        run_once(client, FLOW, SINCE, start=False)
    assert f"POST {RUNS}" not in simulator.ledger()["counts"]
    run_id = client.start_flow_run(FLOW)
    assert run_once(client, FLOW, SINCE, start=False).run.id == run_id


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"metrics": None},
        {"metrics": {"statusSummary": "x", "recordSummary": [], "fileSummary": {"outputFileCount": "n"}}},
        {"createdAt": "soon", "flowId": None},
    ],
)
def test_an_odd_run_is_unfinished(odd: dict[str, Any]) -> None:
    """What has no status goes on."""
    run = FlowRun.from_json({"id": "r", **odd})
    assert (run.is_unfinished, run.files, run.records) == (True, None, None)
    run.check_status()


def test_the_vendors_spellings_of_a_status_are_one() -> None:
    """Upper case, underscores and blanks make no difference."""
    for text, unfinished in (("SUCCESS", False), ("partial_success", False), ("In Progress", True)):
        run = FlowRun.from_json({"id": "r", "metrics": {"statusSummary": {"status": text}}})
        assert run.is_unfinished is unfinished
    with pytest.raises(exceptions.UnexpectedResponseError, match="'mislaid'"):
        FlowRun.from_json(
            {"id": "r", "createdAt": 1, "metrics": {"statusSummary": {"status": "mislaid"}}}
        ).check_status()


# files


@pytest.mark.parametrize("counts", ["all", "input"])
def test_the_manifest_lists_what_adobe_wrote(
    counts: str, simulator: Simulator, client: AdobeClient, tmp_path: Path
) -> None:
    """Each file with its bytes, digest and rows; nothing is copied, and a second try reads nothing again."""
    simulator.settings(adobe_flow_counts=counts, adobe_profiles=1_001)
    run_id = client.start_flow_run(FLOW)
    files = export_files(simulator, run_id, tmp_path)
    (tmp_path / "_SUCCESS").touch()
    landed = register(client, run_id, tmp_path)
    assert sorted((part.name, part.bytes, part.sha256) for part in landed.parts) == sorted(
        (file["name"], file["bytes"], file["sha256"]) for file in files
    )
    assert (landed.rows, landed.complete, manifest.verify(tmp_path)) == (1_001, True, [])
    assert len(list(tmp_path.iterdir())) == len(files) + 2
    requests = len(simulator.ledger()["requests"])
    assert register(client, run_id, tmp_path) == landed
    assert len(simulator.ledger()["requests"]) == requests


@pytest.mark.slow
def test_the_manifest_is_written_on_every_store(
    simulator: Simulator, client: AdobeClient, store: Place
) -> None:
    """Files in S3, Azure Blob and Google Cloud Storage too."""
    run_id = client.start_flow_run(FLOW)
    directory = store / "export"
    export_files(simulator, run_id, directory)
    assert register(client, run_id, directory).rows == 1_000
    assert manifest.verify(directory) == []


def _remove_one(directory: Path) -> None:
    min(directory.iterdir()).unlink()


def _cut_one(directory: Path) -> None:
    file = min(directory.iterdir())
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [_remove_one, _cut_one])
@pytest.mark.parametrize("counts", ["all", "input"])
def test_what_is_not_all_here_has_no_manifest(
    counts: str, damage: Callable[[Path], None], simulator: Simulator, client: AdobeClient, tmp_path: Path
) -> None:
    """A file that is missing or cut fails the task so that a retry helps, and it does."""
    simulator.settings(adobe_flow_counts=counts)
    run_id = client.start_flow_run(FLOW)
    export_files(simulator, run_id, tmp_path)
    damage(tmp_path)
    with pytest.raises(exceptions.NotReadyError):
        register(client, run_id, tmp_path)
    assert not (tmp_path / manifest.MANIFEST).exists()
    export_files(simulator, run_id, tmp_path)
    assert register(client, run_id, tmp_path).complete


def test_more_files_than_the_run_wrote_are_an_error(
    simulator: Simulator, client: AdobeClient, tmp_path: Path
) -> None:
    """Two times of export in one directory, and a directory with another manifest, are refused."""
    first, second = client.start_flow_run(FLOW), client.start_flow_run(FLOW)
    export_files(simulator, first, tmp_path / "one")
    register(client, first, tmp_path / "one")
    with pytest.raises(exceptions.DirectoryInUseError):
        register(client, second, tmp_path / "one")
    for run_id in (first, second):
        export_files(simulator, run_id, tmp_path / "both")
    with pytest.raises(exceptions.DirectoryInUseError, match=r"wrote 3 files, and .* has 6"):
        register(client, first, tmp_path / "both")


@pytest.mark.parametrize(
    ("settings", "expected", "words"),
    [
        ({"adobe_flow_seconds": None}, exceptions.NotReadyError, "wait for it"),
        ({"adobe_flow_outcome": "failed"}, exceptions.ExportFailedError, "Error occurred at export"),
        ({"adobe_flow_outcome": "partialSuccess"}, exceptions.ExportFailedError, "is partialSuccess"),
        ({"adobe_flow_counts": "none"}, exceptions.UnexpectedResponseError, "counts nothing"),
    ],
)
def test_a_run_that_wrote_not_everything_has_no_manifest(
    settings: dict[str, Any],
    expected: type[exceptions.TwexportError],
    words: str,
    simulator: Simulator,
    client: AdobeClient,
    tmp_path: Path,
) -> None:
    """The error says whether a retry helps."""
    run_id = client.start_flow_run(FLOW)
    export_files(simulator, run_id, tmp_path)
    simulator.settings(**settings)
    with pytest.raises(expected, match=words):
        register(client, run_id, tmp_path)
    assert not (tmp_path / manifest.MANIFEST).exists()


# in a DAG


@pytest.mark.slow
@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.usefixtures("adobe_connection", "quick_timing")
def test_a_dag_starts_waits_and_registers(
    deferrable: bool, simulator: Simulator, run_dag: DagRunner, tmp_path: Path
) -> None:
    """The three tasks one after the other, with the run's id from the first."""
    simulator.settings(adobe_flow_seconds=1)
    with DAG("exporting", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(0)}) as dag:
        run = AdobeRunDatasetExportOperator(task_id="run", flow_id=FLOW)
        wait = AdobeDatasetExportSensor(
            task_id="wait", run_id=run.output["run_id"], poke_interval=0.2, deferrable=deferrable
        )
        found = run_dag(dag)
    result = found.results["wait"]
    assert found.states == {"run": "success", "wait": "success"}, found.log
    assert (result["status"], result["files"], result["records"]) == ("success", 3, 1_000)
    assert wait.cancel_on_kill is False
    export_files(simulator, result["run_id"], tmp_path)
    with DAG("registering", schedule=None) as dag:
        AdobeRegisterDatasetExportOperator(
            task_id="register", run_id=result["run_id"], object_storage_path=str(tmp_path)
        )
    found = run_dag(dag)
    assert found.states == {"register": "success"}, found.log
    assert (found.results["register"]["rows"], found.results["register"]["results"]) == (1_000, 3)
    assert manifest.read(tmp_path).source["flow_id"] == FLOW
