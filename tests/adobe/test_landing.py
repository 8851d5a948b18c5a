"""Landing an Adobe job: every file once, byte for byte, whatever goes wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from pyarrow import parquet

from airflow_provider_twexport import exceptions
from airflow_provider_twexport.adobe.landing import JobLanding
from airflow_provider_twexport.adobe.models import ExportJobOrder
from airflow_provider_twexport.adobe.ranged_download import RANGE_BYTES
from airflow_provider_twexport.exceptions import DirectoryInUseError
from airflow_provider_twexport.storage import manifest
from tests.adobe_account import INSTANT, ORDER, client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.storage.manifest import Manifest
    from tests.object_stores import Place
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]
FILES = {"path": "/files/", "query": "path="}


def land(client: AdobeClient, job_id: str, directory: Any) -> Manifest:
    """Land a job."""
    way = JobLanding(client, job_id, range_bytes=64 * 1024)
    with way.open(directory) as landing:
        return landing.committed or way.land(landing)


def assert_landed(simulator: Simulator, job_id: str, directory: Any) -> Manifest:
    """Every file is there once, in its order, and nothing else."""
    landed = manifest.read(directory)
    truth = simulator.control(f"adobe/jobs/{job_id}/files")
    assert [(part.bytes, part.sha256) for part in landed.parts] == [
        (one["bytes"], one["sha256"]) for one in truth
    ]
    assert manifest.verify(directory) == []
    assert landed.complete
    assert (landed.results, landed.exported, landed.bytes) == (
        len(truth),
        len(truth),
        sum(one["bytes"] for one in truth),
    )
    return landed


@pytest.fixture
def big_directory(tmp_path: Path) -> Iterator[Path]:
    """A directory that is not kept after the test, as others are for a look at them."""
    yield tmp_path / "big"
    shutil.rmtree(tmp_path / "big")


@pytest.mark.slow
def test_a_gibibyte_lands_despite_a_killed_worker_expired_tokens_and_broken_responses(
    simulator: Simulator, big_directory: Path
) -> None:
    """Forty files land once each, in little memory, and at most 5% of their bytes are fetched twice."""
    simulator.settings(**INSTANT, adobe_files=40, adobe_file_bytes=31_600_000)
    job_id = client_of(simulator).create_export_job(ORDER).id
    total = sum(file["bytes"] for file in simulator.control(f"adobe/jobs/{job_id}/files"))
    assert total >= 2**30
    simulator.faults(
        {"match": FILES, "skip": 20, "fault": "cut", "after_bytes": 1_000_000},
        {"match": FILES, "skip": 80, "fault": "short_range"},
    )

    def start() -> subprocess.Popen[str]:
        program = [sys.executable, "-m", "tests.adobe.landing_a_job"]
        arguments = [simulator.url, job_id, str(big_directory), str(RANGE_BYTES)]
        return subprocess.Popen([*program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def wait_for(share: float) -> None:
        while simulator.ledger()["adobe"]["bytes_sent"] < share * total:
            assert worker.poll() is None

    worker = start()
    wait_for(0.2)
    simulator.control("adobe/revoke", {})
    wait_for(0.4)
    worker.kill()
    worker.communicate()
    assert not (big_directory / manifest.MANIFEST).exists()
    # the service ends each answer after 60 seconds, in which no more than this comes
    simulator.settings(adobe_bytes_per_answer=3_000_000)
    worker = start()
    wait_for(0.7)
    simulator.control("adobe/revoke", {})
    peak, _ = worker.communicate()
    assert worker.returncode == 0
    assert float(peak) < 150
    assert_landed(simulator, job_id, big_directory)
    assert sorted(path.name for path in big_directory.iterdir()) == [
        manifest.MANIFEST,
        *(part.name for part in manifest.read(big_directory).parts),
    ]
    ledger = simulator.ledger()
    assert ledger["adobe"]["bytes_sent"] <= 1.05 * total
    assert ledger["adobe"]["tokens"] == 1 + 2 + 2
    assert simulator.control("faults")["faults"] == []


@pytest.mark.slow
def test_what_has_landed_is_read_by_pyarrow_and_duckdb(
    simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """As many rows as the job counts, by the parts that the manifest names, and each id exact."""
    simulator.settings(adobe_profiles=12_345, adobe_files=7)
    job = adobe_client.get_export_job(adobe_client.create_export_job(ORDER).id)
    landed = land(adobe_client, job.id, tmp_path)
    paths = [str(tmp_path / part.name) for part in landed.parts]
    truth = {(one["ecid"], one["crm_id"]) for one in simulator.control(f"adobe/jobs/{job.id}/profiles")}
    rows = [row for path in paths for row in parquet.read_table(path).to_pylist()]
    assert len(rows) == len(truth) == job.profiles == landed.source["profiles"] == 12_345
    assert {(dict(row["identityMap"])["ECID"][0]["id"], row["_demo"]["crmId"]) for row in rows} == truth
    segment = ORDER.segments[0]["segmentId"]
    queried = duckdb.execute(
        "SELECT identityMap['ECID'][1].id, _demo.crmId, segmentMembership['ups'][?].status FROM read_parquet(?)",
        [segment, paths],
    ).fetchall()
    assert len(queried) == 12_345
    assert {(ecid, crm_id) for ecid, crm_id, _ in queried} == truth
    assert {status for *_, status in queried} == {"realized"}


@pytest.mark.parametrize("form", ["array", "object"])
@pytest.mark.parametrize("per_segment", [False, True])
def test_both_forms_of_a_destination_land(
    per_segment: bool, form: str, simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """The manifest says which part holds which segment."""
    simulator.settings(adobe_batches_form=form, adobe_dataset_key="dataSetId", adobe_errors_on_success=True)
    segments = [{"segmentId": "one"}, {"segmentId": "two"}]
    destination = {"datasetId": "d", "segmentPerBatch": per_segment}
    order = ExportJobOrder({**ORDER.body(), "destination": destination, "filter": {"segments": segments}})
    job_id = adobe_client.create_export_job(order).id
    land(adobe_client, job_id, tmp_path)
    landed = assert_landed(simulator, job_id, tmp_path)
    batches = landed.source["batches"]
    assert [batch["files"] for batch in batches] == [3] * (2 if per_segment else 1)
    if per_segment:
        assert [batch["segment_id"] for batch in batches] == ["one", "two"]
    assert (landed.source["profiles"], landed.source["dataset_id"]) == (1_000, "d")


@pytest.mark.slow
def test_many_files_and_directories_land_on_every_store(
    simulator: Simulator, adobe_client: AdobeClient, store: Place
) -> None:
    """More than a page of files lands, with responses cut at any size."""
    simulator.settings(
        adobe_files=101, adobe_file_bytes=30_000, adobe_directories=True, adobe_bytes_per_answer=10_000
    )
    job_id = adobe_client.create_export_job(ORDER).id
    land(adobe_client, job_id, store / "job")
    assert_landed(simulator, job_id, store / "job")


def test_an_existing_landing_costs_nothing(
    simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """Nothing is requested again; another job needs another directory."""
    job_id = adobe_client.create_export_job(ORDER).id
    first = land(adobe_client, job_id, tmp_path)
    requests = len(simulator.ledger()["requests"])
    assert land(adobe_client, job_id, tmp_path) == first
    assert len(simulator.ledger()["requests"]) == requests
    with pytest.raises(DirectoryInUseError, match=r"'100'.*'101'"):
        land(adobe_client, adobe_client.create_export_job(ORDER).id, tmp_path)


def test_an_empty_export_is_a_landing_too(
    simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """A job without profiles lands without files; a job whose files are missing does not."""
    simulator.settings(adobe_files=0)
    job_id = adobe_client.create_export_job(ORDER).id
    with pytest.raises(exceptions.NotReadyError, match="1000 profiles"):
        land(adobe_client, job_id, tmp_path)
    simulator.settings(adobe_profiles=0)
    assert land(adobe_client, job_id, tmp_path).parts == ()
    simulator.settings(adobe_files=2, adobe_file_bytes=0, adobe_profiles=1)
    job_id = adobe_client.create_export_job(ORDER).id
    land(adobe_client, job_id, tmp_path / "empty files")
    assert_landed(simulator, job_id, tmp_path / "empty files")


def test_only_an_empty_export_may_name_no_batch(simulator: Simulator, tmp_path: Path) -> None:
    """A job that succeeded without a batch lands if it exported no profiles; otherwise it is an error."""
    simulator.settings(adobe_queue_seconds=0, adobe_job_seconds=None, adobe_profiles=1)
    simulator.faults({"fault": "status", "status": "SUCCEEDED", "times": None})
    client = client_of(simulator)
    job_id = client.create_export_job(ORDER).id
    with pytest.raises(exceptions.UnexpectedResponseError, match="names no batch"):
        land(client, job_id, tmp_path)
    simulator.settings(adobe_profiles=0)
    assert (land(client, job_id, tmp_path).parts, manifest.read(tmp_path).complete) == ((), True)


@pytest.mark.parametrize(
    ("settings", "expected", "words"),
    [
        ({"adobe_job_seconds": None}, exceptions.NotReadyError, "wait for it"),
        ({"adobe_outcome": "FAILED"}, exceptions.ExportFailedError, "nothing to land"),
        ({"adobe_batch_lag_seconds": 3600}, exceptions.NotReadyError, "still loading"),
        ({"adobe_batch_status": "failed"}, exceptions.ExportFailedError, "is failed"),
        ({"adobe_batch_status": "mislaid"}, exceptions.NotReadyError, "still mislaid"),
    ],
)
def test_what_is_not_ready_is_not_landed(
    settings: dict[str, Any],
    expected: type[exceptions.TwexportError],
    words: str,
    simulator: Simulator,
    adobe_client: AdobeClient,
    tmp_path: Path,
) -> None:
    """The error says whether a retry helps."""
    simulator.settings(**settings)
    job_id = adobe_client.create_export_job(ORDER).id
    with pytest.raises(expected, match=words):
        land(adobe_client, job_id, tmp_path)


def test_lasting_faults_are_errors_and_a_retry_resumes(
    simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """Complete files stay; bursts of 500 and 503 are retried."""
    simulator.settings(adobe_file_bytes=200_000)
    job_id = adobe_client.create_export_job(ORDER).id
    simulator.faults(
        {"match": FILES, "fault": "error", "http": 503, "times": 2},
        {"match": FILES, "skip": 8, "fault": "error", "http": 500, "times": 30},
    )
    with pytest.raises(exceptions.TransientError, match="unavailable"):
        land(adobe_client, job_id, tmp_path)
    simulator.control("faults", method="DELETE")
    land(adobe_client, job_id, tmp_path)
    assert_landed(simulator, job_id, tmp_path)
    # one file had landed, and not one of its bytes came again
    assert simulator.ledger()["adobe"]["bytes_sent"] < 2 * manifest.read(tmp_path).bytes
