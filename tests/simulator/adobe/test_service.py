"""Adobe: the life of a job, its batches and files, and what is surprising about its API."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

import pytest
import requests
from pyarrow import parquet

from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

JOBS = "/data/core/ups/export/jobs"
EXPORT = "/data/foundation/export"
ORG_ID = "1BD6382559DF0C130A49422D@AdobeOrg"
SEGMENTS = [{"segmentId": "one", "segmentNs": "ups", "status": ["realized"]}, {"segmentId": "two"}]
ORDER = {
    "destination": {"datasetId": "5b7c86968f7b6501e21ba9df"},
    "schema": {"name": "_xdm.context.profile"},
    "filter": {"segments": SEGMENTS},
}
CREDENTIALS = {"client_id": "demo-client-id", "client_secret": "demo-client-secret", "scope": "openid"}


class Api:
    """The vendor's API through plain `requests`."""

    def __init__(self, simulator: Simulator) -> None:
        self.url = simulator.url
        self.headers = {"x-api-key": "demo-client-id", "x-gw-ims-org-id": ORG_ID, "x-sandbox-name": "prod"}
        self.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"

    def token(self, **changes: str) -> requests.Response:
        """Ask for a token."""
        form = {**CREDENTIALS, "grant_type": "client_credentials", **changes}
        return requests.post(f"{self.url}/ims/token/v3", data=form, timeout=PATIENCE)

    def call(self, method: str, path: str, without: str = "", **options: Any) -> requests.Response:
        """Send one request, with all headers but one."""
        own = options.pop("headers", {})
        headers = {name: value for name, value in self.headers.items() if name != without} | own
        return requests.request(method, self.url + path, headers=headers, timeout=PATIENCE, **options)

    def job(self, **changes: Any) -> Any:
        """Order a job."""
        response = self.call("POST", JOBS, json={**ORDER, **changes})
        assert response.ok, response.text
        return response.json()

    def look(self, job: Any) -> Any:
        """Look at a job."""
        return self.call("GET", f"{JOBS}/{job['id']}").json()


@pytest.fixture
def adobe(simulator: Simulator) -> Api:
    """The API, with jobs that end immediately."""
    simulator.settings(adobe_queue_seconds=0, adobe_job_seconds=0)
    return Api(simulator)


def test_a_job_goes_through_its_life(simulator: Simulator, adobe: Api) -> None:
    """A job is NEW, PROCESSING, then SUCCEEDED, as simulated time passes."""
    simulator.settings(adobe_queue_seconds=60, adobe_job_seconds=60)
    job = adobe.job()
    seen = [job["status"]]
    for _ in range(2):
        simulator.advance(60)
        seen.append(adobe.look(job)["status"])
    assert seen == ["NEW", "PROCESSING", "SUCCEEDED"]
    assert adobe.look(job)["metrics"]["totalExportedProfileCounter"] == 1_000


def test_a_stuck_job_can_be_cancelled(simulator: Simulator, adobe: Api) -> None:
    """A cancelled job is CANCELLED, whatever the status of the response."""
    simulator.settings(adobe_job_seconds=None)
    for status in (200, 202, 204):
        simulator.settings(adobe_delete_status=status)
        job = adobe.job()
        assert adobe.look(job)["status"] == "PROCESSING"
        assert adobe.call("DELETE", f"{JOBS}/{job['id']}").status_code == status
        assert adobe.look(job)["status"] == "CANCELLED"


@pytest.mark.parametrize("last_link", ["empty", "absent"])
def test_the_list_is_paged_by_a_cursor(last_link: str, simulator: Simulator, adobe: Api) -> None:
    """The newest job is first; the last page has an empty link or none; each sandbox has its own jobs."""
    simulator.settings(adobe_last_link=last_link)
    ids = [adobe.job()["id"] for _ in range(5)]
    path, seen = f"{JOBS}?limit=2&status=SUCCEEDED", []
    while path:
        body = adobe.call("GET", path).json()
        seen += [job["id"] for job in body["records"]]
        following = body["link"].get("next")
        path = f"/data/core/ups{following}" if following else ""
    assert seen == ids[::-1]
    assert adobe.call("GET", JOBS, headers={"x-sandbox-name": "dev"}).json()["records"] == []
    assert adobe.call("GET", f"{JOBS}?status=PROCESSING").status_code == 400


@pytest.mark.parametrize(
    ("per_segment", "form", "batches"),
    [(False, "array", list), (False, "object", dict), (True, "array", list)],
)
def test_a_destination_has_several_forms(
    per_segment: bool, form: str, batches: type, simulator: Simulator, adobe: Api
) -> None:
    """`batches` is an object or an array, and `batchId` is missing where each segment has its own."""
    simulator.settings(adobe_batches_form=form, adobe_dataset_key="dataSetId", adobe_errors_on_success=True)
    job = adobe.look(adobe.job(destination={"datasetId": "d", "segmentPerBatch": per_segment}))
    destination = job["destination"]
    assert isinstance(destination["batches"], batches)
    assert ("batchId" in destination) is not per_segment
    assert destination["dataSetId"] == "d"
    assert job["status"] == "SUCCEEDED"
    assert job["errors"][0]["code"] == "0100000003"


@pytest.mark.parametrize(
    ("without", "code", "status"),
    [("Authorization", "403010", 403), ("x-api-key", "403000", 403), ("x-gw-ims-org-id", "400003", 400)],
)
def test_the_gateway_requires_its_headers(without: str, code: str, status: int, adobe: Api) -> None:
    """Each missing header has its own error code."""
    response = adobe.call("GET", JOBS, without=without)
    assert (response.status_code, response.json()["error_code"]) == (status, code)


def test_tokens_expire(simulator: Simulator, adobe: Api) -> None:
    """A token is invalid after its lifetime, and once it is revoked."""
    simulator.advance(86_400)
    assert adobe.call("GET", JOBS).json()["error_code"] == "401013"
    again = Api(simulator)
    assert again.call("GET", JOBS).ok
    simulator.control("adobe/revoke", {})
    assert again.call("GET", JOBS).status_code == 401
    assert adobe.token(client_secret="no").json()["error"] == "invalid_client"


def test_orders_are_checked_and_never_deduplicated(simulator: Simulator, adobe: Api) -> None:
    """There is no idempotency key: the same order twice creates two jobs."""
    assert adobe.call("POST", JOBS, json={}).json()["detail"] == "destination.datasetId is required"
    assert adobe.job()["id"] != adobe.job()["id"]
    assert simulator.ledger()["adobe"]["repeated_orders"] == 1


@pytest.mark.parametrize("directories", [False, True])
def test_files_are_paged_and_have_ranges(directories: bool, simulator: Simulator, adobe: Api) -> None:
    """More than 100 files need several pages, and a range has the bytes of the whole file."""
    simulator.settings(adobe_files=205, adobe_file_bytes=200_001, adobe_directories=directories)
    job = adobe.look(adobe.job())
    path, found = f"{EXPORT}/batches/{job['destination']['batchId']}/files?limit=500", []
    while path:
        body = adobe.call("GET", path).json()
        found += [file["dataSetFileId"] for file in body["data"]]
        path = body["_links"].get("next", {}).get("href", "").removeprefix("https://platform.adobe.io:443")
    assert len(set(found)) == len(found) == 205
    entries = adobe.call("GET", f"{EXPORT}/files/{found[0]}").json()["data"]
    file_id = entries[0]["dataSetFileId"] if directories else found[0]
    (entry,) = adobe.call("GET", f"{EXPORT}/files/{file_id}").json()["data"]
    address = f"{EXPORT}/files/{file_id}?path={entry['name']}"
    assert adobe.call("HEAD", address).headers["Content-Length"] == entry["length"]
    whole = adobe.call("GET", address).content
    middle = adobe.call("GET", address, headers={"Range": "bytes=70000-79999"})
    assert middle.headers["Content-Range"] == f"bytes 70000-79999/{entry['length']}"
    assert middle.content == whole[70_000:80_000]
    expected = next(one for one in simulator.control(f"adobe/jobs/{job['id']}/files") if one["id"] == file_id)
    assert expected["sha256"] == hashlib.sha256(whole).hexdigest()


def test_long_downloads_are_cut_and_ranges_may_be_short(simulator: Simulator, adobe: Api) -> None:
    """A download that takes too long breaks off, and a response may have less than the requested range."""
    simulator.settings(adobe_file_bytes=200_000, adobe_bytes_per_answer=100_000)
    job = adobe.look(adobe.job())
    (first, *_) = simulator.control(f"adobe/jobs/{job['id']}/files")
    address = f"{EXPORT}/files/{first['id']}?path={first['name']}"
    with pytest.raises(requests.RequestException):
        adobe.call("GET", address)
    simulator.faults({"fault": "short_range"})
    response = adobe.call("GET", address, headers={"Range": "bytes=0-99"})
    assert (response.headers["Content-Range"], len(response.content)) == (f"bytes 0-49/{first['bytes']}", 50)


def test_a_batch_lags_behind_its_job(simulator: Simulator, adobe: Api) -> None:
    """The catalog shows `loading` for a while."""
    simulator.settings(adobe_batch_lag_seconds=60)
    batch_id = adobe.look(adobe.job())["destination"]["batchId"]
    path = f"/data/foundation/catalog/batches/{batch_id}"
    assert adobe.call("GET", path).json()[batch_id]["status"] == "loading"
    simulator.advance(60)
    assert adobe.call("GET", path).json()[batch_id]["status"] == "success"


def read(adobe: Api, simulator: Simulator, job: Any) -> list[Any]:
    """Return the files of a job as tables."""
    expected = simulator.control(f"adobe/jobs/{job['id']}/files")
    paths = [f"{EXPORT}/files/{file['id']}?path={file['name']}" for file in expected]
    return [parquet.ParquetFile(io.BytesIO(adobe.call("GET", path).content)) for path in paths]


@pytest.mark.parametrize("directories", [False, True])
def test_files_are_parquet_of_the_jobs_profiles(directories: bool, simulator: Simulator, adobe: Api) -> None:
    """They have as many rows as the job counts, each person once, with the segments of the order."""
    simulator.settings(adobe_profiles=1_001, adobe_directories=directories)
    job = adobe.look(adobe.job())
    files = read(adobe, simulator, job)
    rows = [row for file in files for row in file.read().to_pylist()]
    assert len(rows) == job["metrics"]["totalExportedProfileCounter"] == 1_001
    assert {file.metadata.row_group(0).column(0).compression for file in files} == {"SNAPPY"}
    ids = [
        {"ecid": dict(row["identityMap"])["ECID"][0]["id"], "crm_id": row["_demo"]["crmId"]} for row in rows
    ]
    assert ids == simulator.control(f"adobe/jobs/{job['id']}/profiles")
    assert len({row["crm_id"] for row in ids}) == 1_001
    memberships = {name: one["status"] for name, one in dict(rows[0]["segmentMembership"])["ups"]}
    assert memberships == {"one": "realized", "two": "realized"}


def test_each_segment_has_its_share_of_the_profiles(simulator: Simulator, adobe: Api) -> None:
    """Each has a batch of its own, and no profile is in two of them."""
    job = adobe.look(adobe.job(destination={"datasetId": "d", "segmentPerBatch": True}))
    batches = [batch["batchId"] for batch in job["destination"]["batches"]]
    catalog = [adobe.call("GET", f"/data/foundation/catalog/batches/{one}").json()[one] for one in batches]
    assert [batch["metrics"]["recordsWritten"] for batch in catalog] == [500, 500]
    rows = [row for file in read(adobe, simulator, job) for row in file.read().to_pylist()]
    assert len({row["_demo"]["crmId"] for row in rows}) == 1_000
    assert [[name for name, _ in dict(rows[n]["segmentMembership"])["ups"]] for n in (0, -1)] == [
        ["one"],
        ["two"],
    ]


def test_the_same_job_has_the_same_bytes(simulator: Simulator, adobe: Api) -> None:
    """The bytes depend on the seed and the number of the job only."""
    once = simulator.control(f"adobe/jobs/{adobe.job()['id']}/files")
    simulator.reset()
    simulator.settings(adobe_queue_seconds=0, adobe_job_seconds=0)
    assert simulator.control(f"adobe/jobs/{Api(simulator).job()['id']}/files") == once


def test_a_new_job_is_listed_after_a_while(simulator: Simulator, adobe: Api) -> None:
    """A new job exists before the list shows it."""
    simulator.settings(adobe_list_lag_seconds=60)
    job = adobe.job()
    assert adobe.look(job)["id"] == job["id"]
    assert adobe.call("GET", JOBS).json()["records"] == []
    simulator.advance(60)
    assert [one["id"] for one in adobe.call("GET", JOBS).json()["records"]] == [job["id"]]
