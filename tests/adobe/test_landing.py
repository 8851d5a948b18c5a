"""Landing an Adobe job: every file once, byte for byte, whatever goes wrong."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
from argparse import Namespace
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pendulum
import pytest
from pyarrow import parquet

from airflow_provider_twexport import exceptions
from airflow_provider_twexport.adobe.landing import JobLanding
from airflow_provider_twexport.adobe.order_once import order_once
from airflow_provider_twexport.adobe.orders import ExportJobOrder
from airflow_provider_twexport.adobe.ranged_download import RANGE_BYTES
from airflow_provider_twexport.cli import manifest as cli_manifest
from airflow_provider_twexport.exceptions import DirectoryInUseError
from airflow_provider_twexport.storage import manifest
from tests.adobe_account import INSTANT, ORDER, client_of
from tests.waiting import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.adobe.client import AdobeClient
    from airflow_provider_twexport.storage.manifest import Manifest
    from tests.object_stores import Place
    from tests.simulator_process import Simulator

ROOT = Path(__file__).parents[2]
FILES = {"path": "/files/", "query": "path="}
LONG_AGO = "Fri, 31 Dec 1999 23:59:59 GMT"


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
    with pytest.raises(exceptions.NotReadyError, match="1,000 records"):
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
    with pytest.raises(exceptions.NotReadyError, match="names 0 of 1 batches"):
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


PER_SEGMENT = ExportJobOrder(
    {
        **ORDER.body(),
        "destination": {"datasetId": "d", "segmentPerBatch": True},
        "filter": {"segments": [{"segmentId": "one"}, {"segmentId": "two"}, {"segmentId": "three"}]},
    }
)
HOUR = 3600


@pytest.mark.parametrize(
    "settings",
    [
        # the files are not all listed, or none of them; the catalog counts records, or files, or only the job counts
        {"adobe_files_lag_seconds": HOUR},
        {"adobe_files_lag_seconds": HOUR, "adobe_records_key": "outputRecordCount"},
        {"adobe_files_lag_seconds": HOUR, "adobe_records_key": "none", "adobe_files_counted": True},
        {"adobe_files_lag_seconds": HOUR, "adobe_records_key": "none"},
        {"adobe_files_lag_seconds": HOUR, "adobe_profile_counter": False},
        {"adobe_files_lag_seconds": HOUR, "adobe_profile_counter": False, "adobe_files": 1},
        {"adobe_files_lag_seconds": HOUR, "adobe_files": 1, "adobe_records_key": "none"},
        {"adobe_files_lag_seconds": HOUR, "adobe_counts_as_text": True},
        {
            "adobe_files_lag_seconds": HOUR,
            "adobe_files": 1,
            "adobe_records_key": "none",
            "adobe_profile_counter": False,
        },
        # a batch has no id yet, or is not mentioned
        {"adobe_batch_ids_lag_seconds": HOUR},
        {"adobe_batch_ids_lag_seconds": HOUR, "adobe_batch_ids_lack": "entry"},
        {
            "adobe_batch_ids_lag_seconds": HOUR,
            "adobe_profile_counter": False,
            "adobe_batch_ids_lack": "entry",
        },
        {"adobe_batch_ids_lag_seconds": HOUR, "adobe_batches_form": "ids"},
        {"adobe_batch_ids_lag_seconds": HOUR, "adobe_batches_form": "map"},
        # the catalog does not know the batch
        {"adobe_batch_lag_seconds": HOUR, "adobe_batch_lags_as": "missing"},
        {"adobe_batch_lag_seconds": HOUR, "adobe_batch_lags_as": "empty"},
    ],
)
@pytest.mark.parametrize("order", [ORDER, PER_SEGMENT], ids=["one batch", "three batches"])
def test_a_job_is_landed_when_all_of_it_is_there(
    order: ExportJobOrder,
    settings: dict[str, Any],
    simulator: Simulator,
    adobe_client: AdobeClient,
    tmp_path: Path,
) -> None:
    """Until then the landing fails so that a retry helps, and leaves nothing that looks complete."""
    simulator.settings(**settings)
    job_id = adobe_client.create_export_job(order).id
    with pytest.raises(exceptions.NotReadyError):
        land(adobe_client, job_id, tmp_path)
    assert not (tmp_path / manifest.MANIFEST).exists()
    simulator.advance(HOUR)
    land(adobe_client, job_id, tmp_path)
    assert_landed(simulator, job_id, tmp_path)


def test_a_landing_waits_for_what_is_late(
    simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """A batch that is not in the catalog, or has no list of files, for a moment costs a look and no failure."""
    job_id = adobe_client.create_export_job(ORDER).id
    simulator.faults(
        {"match": {"path": "catalog"}, "fault": "error", "http": 404},
        {"match": {"path": "catalog"}, "fault": "garbage", "body": "{}"},
    )
    land(adobe_client, job_id, tmp_path / "catalog")
    assert_landed(simulator, job_id, tmp_path / "catalog")
    simulator.faults({"match": {"path": "batches/.*/files"}, "fault": "error", "http": 404})
    land(adobe_client, job_id, tmp_path)
    assert_landed(simulator, job_id, tmp_path)


def test_why_a_batch_failed_is_in_the_message(
    simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """The catalog's errors say it."""
    simulator.settings(adobe_batch_status="failed")
    job_id = adobe_client.create_export_job(ORDER).id
    with pytest.raises(exceptions.ExportFailedError, match=r"is failed \(106: Batch failed\)"):
        land(adobe_client, job_id, tmp_path)


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "html", "status": 200},
        {"fault": "garbage", "body": "{}"},
        {"fault": "changed", "skip": 1},
        {"fault": "changed"},
    ],
)
def test_a_body_is_checked_before_it_is_believed(
    fault: dict[str, Any], simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """A page, and two versions of one file, never become a part, at most the task is tried again."""
    simulator.settings(adobe_etags=True, adobe_profiles=20_000, adobe_files=2)
    job_id = adobe_client.create_export_job(ORDER).id
    simulator.faults(fault | {"match": FILES})
    with suppress(exceptions.RetriableError):
        land(adobe_client, job_id, tmp_path)
    land(adobe_client, job_id, tmp_path)
    assert_landed(simulator, job_id, tmp_path)
    assert simulator.control("faults")["faults"] == []


def test_a_file_that_is_named_parquet_is_parquet(
    simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """As many other bytes as the file has never become a part, and a retry reads the file."""
    simulator.settings(adobe_profiles=30, adobe_files=1)
    job_id = adobe_client.create_export_job(ORDER).id
    simulator.faults({"match": FILES, "fault": "changed"})
    with pytest.raises(exceptions.ReadInterruptedError, match="does not begin and end as Parquet does"):
        land(adobe_client, job_id, tmp_path)
    assert not list(tmp_path.glob("part-*"))
    land(adobe_client, job_id, tmp_path)
    assert_landed(simulator, job_id, tmp_path)


def test_a_manifest_counts_the_rows_of_each_file(
    simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """By the footers of the files, and as many as the job exported."""
    simulator.settings(adobe_profiles=1_001)
    job_id = adobe_client.create_export_job(ORDER).id
    landed = land(adobe_client, job_id, tmp_path)
    assert [part.rows for part in landed.parts] == [
        parquet.read_metadata(tmp_path / part.name).num_rows for part in landed.parts
    ]
    assert manifest.read(tmp_path).rows == 1_001
    shown = run_manifest(tmp_path)
    assert [line.split()[1] for line in shown if line.startswith("  part-")] == ["333", "334", "334"]
    assert any(line.split() == ["rows", "1,001"] for line in shown)


def run_manifest(directory: Path) -> list[str]:
    """Return the lines that ``twexport manifest`` prints."""
    output = io.StringIO()
    assert cli_manifest.run(Namespace(path=str(directory), conn_id=None, json=False, output=output)) == 0
    return output.getvalue().splitlines()


def test_verify_finds_a_page_that_was_landed_as_a_file(
    simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """Even if its size and its digest are those of the manifest."""
    job_id = adobe_client.create_export_job(ORDER).id
    landed = land(adobe_client, job_id, tmp_path)
    page, first = b"<html>502 Bad Gateway</html>", landed.parts[0]
    (tmp_path / first.name).write_bytes(page)
    damaged = replace(first, bytes=len(page), sha256=hashlib.sha256(page).hexdigest())
    text = replace(landed, parts=(damaged, *landed.parts[1:])).to_json()
    (tmp_path / manifest.MANIFEST).write_text(text)
    assert manifest.verify(tmp_path) == [f"{first.name} does not begin and end as Parquet does"]


@pytest.mark.slow
def test_files_land_while_others_are_listed(
    simulator: Simulator, adobe_client: AdobeClient, tmp_path: Path
) -> None:
    """The first byte is requested after a fraction of the list, and a try that dies keeps what it has."""
    simulator.settings(adobe_files=250, adobe_file_bytes=2_000)
    job_id = adobe_client.create_export_job(ORDER).id
    land(adobe_client, job_id, tmp_path)
    assert_landed(simulator, job_id, tmp_path)
    paths = [entry["path"] for entry in simulator.ledger()["requests"] if "/export/files/" in entry["path"]]
    first_read = next(number for number, path in enumerate(paths) if path in paths[:number])
    assert first_read < 60


ODDITIES = {
    "hostile": True,
    "adobe_queue_seconds": 0,
    "adobe_job_seconds": 0,
    "adobe_batch_lag_seconds": 60,
    "adobe_batch_ids_lag_seconds": 60,
    "adobe_files_lag_seconds": 120,
    "adobe_directories": True,
    "adobe_directory_files": 2,
    "adobe_files": 167,
    "adobe_profiles": 6_000,
    "adobe_requests_per_minute": 100,
    "speed": 60,
}


@pytest.mark.slow
def test_a_thousand_files_in_three_batches_land_through_every_oddity(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Each file lands once and with equal bytes, with hardly a request more than its list and its bytes need."""
    simulator.settings(**ODDITIES)
    client = client_of(simulator, timing=replace(QUICK, batch_ready=(0.2,) * 30))
    job_id = order_once(client, PER_SEGMENT, pendulum.now("UTC").subtract(minutes=5)).job.id
    pages: list[dict[str, Any]] = [
        {"match": FILES, "skip": 30, "fault": "html", "status": 200},
        {"match": FILES, "skip": 60, "fault": "changed"},
        {"match": FILES, "skip": 90, "fault": "cut", "after_bytes": 100},
        {"match": FILES, "skip": 120, "fault": "short_range"},
        {"match": FILES, "skip": 150, "fault": "error", "code": "401013", "times": 2},
        {"match": {"path": "/files/"}, "skip": 200, "fault": "error", "http": 503, "retry_after": LONG_AGO},
        {"match": {"path": "/files/"}, "skip": 250, "fault": "drop"},
        {"match": {"path": "batches/.*/files"}, "skip": 2, "fault": "html"},
        {"match": {"path": "catalog"}, "skip": 1, "fault": "error", "http": 404},
    ]
    simulator.faults(*pages)
    tries = 0
    while not (tmp_path / manifest.MANIFEST).exists():
        tries += 1
        assert tries < 5
        with suppress(exceptions.RetriableError):
            land(client, job_id, tmp_path)
    landed = assert_landed(simulator, job_id, tmp_path)
    assert len(landed.parts) == 1_002
    assert landed.rows == 6_000
    assert simulator.control("faults")["faults"] == []
    requests = [entry for entry in simulator.ledger()["requests"] if "/foundation/" in entry["path"]]
    throttled = sum(entry["status"] == 429 for entry in requests)
    assert throttled > 0
    # one for each directory, and two for each file; a tenth more for what went wrong
    assert len(requests) - throttled < 1.1 * (501 + 2 * 1_002)
