"""The client for Adobe: tokens, jobs, batches, files, and every refusal."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport import exceptions
from airflow_provider_twexport.adobe.error_codes import GATEWAY
from airflow_provider_twexport.adobe.files import FileVersion
from airflow_provider_twexport.adobe.models import CatalogBatch, DataFile, ExportJob, JobBatch, JobStatus
from airflow_provider_twexport.adobe.oauth import AccessToken, ServerCredential
from airflow_provider_twexport.adobe.orders import ExportJobOrder
from tests.adobe import adobe_examples
from tests.adobe_account import CREDENTIAL, ORDER, client_of
from tests.waiting import QUICK

if TYPE_CHECKING:
    from airflow_provider_twexport.adobe.client import AdobeClient
    from tests.simulator_process import Simulator


# records


def test_the_vendors_examples_round_trip() -> None:
    """A record returns the document that it was read from."""
    assert ExportJobOrder(adobe_examples.ORDER).body() == adobe_examples.ORDER
    for job in [adobe_examples.JOB, *adobe_examples.PAGE["records"]]:
        assert ExportJob.from_json(job).to_json() == job
        assert ExportJob.from_json(ExportJob.from_json(job).to_json()) == ExportJob.from_json(job)


def test_the_vendors_responses_are_read_from_the_wire(
    simulator: Simulator, adobe_client: AdobeClient
) -> None:
    """The client reads the vendor's page of jobs, new job, job and cancellation."""
    examples = {
        "GET": [adobe_examples.PAGE, adobe_examples.JOB],
        "POST": [adobe_examples.JOB],
        "DELETE": [adobe_examples.CANCELLED],
    }
    simulator.faults(
        *(
            {"match": {"path": "jobs", "method": method}, "fault": "garbage", "body": json.dumps(answer)}
            for method, answers in examples.items()
            for answer in answers
        )
    )
    assert [job.to_json() for job in adobe_client.list_export_jobs()] == adobe_examples.PAGE["records"]
    assert adobe_client.get_export_job("100").to_json() == adobe_examples.JOB
    assert (
        adobe_client.create_export_job(ExportJobOrder(adobe_examples.ORDER)).to_json() == adobe_examples.JOB
    )
    adobe_client.cancel_export_job("100")
    assert simulator.control("faults")["faults"] == []


def test_the_vendors_example_is_understood() -> None:
    """A job with errors has succeeded, its times are milliseconds, and `batches` may be an object."""
    job = ExportJob.from_json(adobe_examples.JOB)
    assert (job.id, job.status, job.is_unfinished) == ("100", JobStatus.SUCCEEDED, False)
    assert job.batches == (
        JobBatch("da5cfb4de32c4b93a09f7e37fa53ad52", "52c26d0d-45f2-47a2-ab30-ed06abc981ff", "ups"),
    )
    assert job.errors == ("0100000003: Error in Export Job",)
    assert job.created == pendulum.datetime(2018, 10, 4, 1, 19, 33, 895_000)
    assert job.cursor == "1538615973895_100"
    assert ExportJobOrder(adobe_examples.ORDER).matches(job)


@pytest.mark.parametrize(
    ("destination", "batches"),
    [
        ({"batchId": "a"}, [JobBatch("a")]),
        ({"batchId": ""}, []),
        ({}, []),
        ({"batches": [{"batchId": "a", "segmentId": "s", "status": "realized"}, {"batchId": "b"}]},
         [JobBatch("a", "s"), JobBatch("b")]),
        ({"batches": {"batchId": "a", "segmentId": "s", "segmentNs": "ups"}}, [JobBatch("a", "s", "ups")]),
        ({"batchId": "a", "batches": [{"batchId": "a", "segmentId": ""}]}, [JobBatch("a")]),
        ({"batchId": "a", "batches": [{"batchId": "b", "segmentId": "s"}]}, [JobBatch("a"), JobBatch("b", "s")]),
    ],
)  # fmt: skip
def test_batches_come_in_several_forms(destination: dict[str, Any], batches: list[JobBatch]) -> None:
    """A job has one batch for all segments, one for each, or none."""
    job = ExportJob.from_json({"id": 1, "status": "SUCCEEDED", "destination": destination})
    assert list(job.batches) == batches


@pytest.mark.parametrize(
    "changes",
    [
        {"fields": "identities.id"},
        {"destination": {"datasetId": "another"}},
        {"destination": {"datasetId": "5b7c86968f7b6501e21ba9df", "segmentPerBatch": True}},
        {"filter": {}},
        {"mergePolicy": {"id": "another"}},
        {"filter": {**adobe_examples.ORDER["filter"], "fromIngestTimestamp": "2019-01-01T00:00:00Z"}},
        {"filter": {**adobe_examples.ORDER["filter"], "segmentQualificationTime": {}}},
        {"additionalFields": {}},
    ],
)
def test_a_different_order_does_not_match(changes: dict[str, Any]) -> None:
    """Any difference makes another export."""
    assert not ExportJobOrder({**adobe_examples.ORDER, **changes}).matches(
        ExportJob.from_json(adobe_examples.JOB)
    )


def test_what_the_order_leaves_open_matches_anything() -> None:
    """An order without merge policy matches a job with any."""
    short = {name: value for name, value in adobe_examples.ORDER.items() if name != "mergePolicy"}
    (segment,) = short["filter"]["segments"]
    filters = {
        **short["filter"],
        "segments": [{"segmentId": segment["segmentId"]}],
        "fromIngestTimestamp": "2018-01-01T01:00:00+01:00",
    }
    order = ExportJobOrder({**short, "filter": filters, "fields": "personalEmail.address, identities.id"})
    assert order.matches(ExportJob.from_json(adobe_examples.JOB))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"destination": {}}, "datasetId"),
        ({"schema": {}}, "schema has no name"),
        ({"filter": {"segments": [{"segmentNs": "ups"}]}}, "no segmentId"),
        ({"filter": {"fromIngestTimestamp": "yesterday"}}, "RFC 3339"),
    ],
)
def test_an_invalid_order_is_refused(changes: dict[str, Any], words: str) -> None:
    """An invalid order is not sent."""
    with pytest.raises(exceptions.InvalidRequestError, match=words):
        ExportJobOrder({**adobe_examples.ORDER, **changes})


def test_an_undocumented_status_is_accepted_for_ten_minutes() -> None:
    """After ten minutes, it is an error that names the status."""
    now = pendulum.now("UTC")

    def job(minutes_ago: int) -> ExportJob:
        at = round(now.subtract(minutes=minutes_ago).timestamp() * 1000)
        return ExportJob.from_json({"id": 7, "status": "PAUSED", "updateTime": at})

    assert job(minutes_ago=1).is_unfinished
    job(minutes_ago=1).check_status()
    assert job(minutes_ago=11).status is JobStatus.UNDOCUMENTED
    with pytest.raises(exceptions.UnexpectedResponseError, match="'PAUSED'"):
        job(minutes_ago=11).check_status()


# tokens


def test_one_token_serves_many_calls(simulator: Simulator, adobe_client: AdobeClient) -> None:
    """Many threads that need the first token at the same time request one."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: adobe_client.list_export_jobs(), range(24)))
    assert simulator.ledger()["adobe"]["tokens"] == 1


@pytest.mark.parametrize("milliseconds", [False, True])
def test_a_token_is_renewed_before_it_expires(milliseconds: bool, simulator: Simulator) -> None:
    """It is renewed ten minutes earlier, also if its validity is in milliseconds."""
    simulator.settings(adobe_token_milliseconds=milliseconds)
    token = AccessToken(CREDENTIAL, simulator.url, QUICK.retry)
    assert [token.ensure_valid(), token.ensure_valid()] == [1, 1]
    assert 85_000 < token.seconds_left < 86_399 - 600
    simulator.settings(adobe_token_seconds=0)
    ended = AccessToken(CREDENTIAL, simulator.url, QUICK.retry)
    assert [ended.ensure_valid(), ended.ensure_valid()] == [1, 2]


@pytest.mark.parametrize("form", ["gateway", "problem", "html", "empty"])
def test_a_refused_token_is_replaced_with_patience(
    form: str, simulator: Simulator, adobe_client: AdobeClient
) -> None:
    """The call is repeated with new tokens, whatever the refusal looks like; an error says if none is accepted."""
    simulator.settings(adobe_invalid_token=form)
    adobe_client.list_export_jobs()
    simulator.control("adobe/revoke", {})
    assert adobe_client.create_export_job(ORDER).id == "100"
    assert simulator.ledger()["adobe"]["tokens"] == 2
    refusal = {"fault": "error", "code": "401013", "match": {"path": "jobs"}}
    simulator.faults(refusal | {"times": 3})
    assert [job.id for job in adobe_client.list_export_jobs()] == ["100"]
    assert len(simulator.ledger()["adobe"]["jobs"]) == 1
    simulator.faults(refusal | {"times": 4})
    with pytest.raises(exceptions.ConnectionConfigError, match="not even a new one"):
        adobe_client.list_export_jobs()


@pytest.mark.parametrize(
    ("credential", "words"),
    [
        (
            ServerCredential("someone", "not-the-secret", "x@AdobeOrg", ("openid",)),
            "does not know this client id and secret",
        ),
        (ServerCredential("demo-client-id", "demo-client-secret", "x@AdobeOrg", ("openid",)), "org_id"),
    ],
)
def test_a_wrong_credential_is_an_error(
    credential: ServerCredential, words: str, simulator: Simulator
) -> None:
    """The error names the wrong field of the connection, without its secret."""
    client = type(client_of(simulator))(credential, "prod", simulator.url, simulator.url)
    with pytest.raises(exceptions.ConnectionConfigError, match=words) as raised:
        client.list_export_jobs()
    assert credential.client_secret not in str(raised.value)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("client_id", "login"),
        ("client_secret", "password"),
        ("org_id", "AdobeOrg"),
        ("scopes", "Developer Console"),
    ],
)
def test_a_missing_field_is_an_error(missing: str, words: str) -> None:
    """Before anything is sent."""
    whole = {"client_id": "a", "client_secret": "b", "org_id": "c", "scopes": ("d",)}
    with pytest.raises(exceptions.ConnectionConfigError, match=words):
        ServerCredential(**{**whole, missing: type(whole[missing])()})  # type: ignore[arg-type]


# errors


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("403010", "connection's host"),
        ("401013", "secret and scopes"),
        ("403000", "login"),
        ("403003", "login"),
        ("400003", "org_id"),
        ("403025", "org_id"),
    ],
)
def test_each_code_of_the_gateway_has_its_message(
    code: str, field: str, simulator: Simulator, adobe_client: AdobeClient
) -> None:
    """Each is an error of the connection and names its field."""
    assert field in GATEWAY[code][1]
    simulator.faults({"fault": "error", "code": code, "times": 4, "match": {"path": "jobs"}})
    with pytest.raises(exceptions.ConnectionConfigError) as raised:
        adobe_client.get_export_job("1")
    error, sentence = GATEWAY[code]
    assert (type(raised.value), raised.value.message) == (error, sentence)
    assert raised.value.evidence
    assert (raised.value.evidence.code, raised.value.evidence.status) == (code, int(code[:3]))


def test_no_code_of_the_gateway_is_missing() -> None:
    """The table knows each code that the vendor documents, and no other."""
    assert sorted(GATEWAY) == ["400003", "401013", "403000", "403003", "403010", "403025"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            {"fault": "error", "http": 400, "message": "A valid content-type must be specified"},
            exceptions.InvalidRequestError,
        ),
        ({"fault": "error", "http": 401}, exceptions.ConnectionConfigError),
        ({"fault": "error", "http": 403}, exceptions.PermissionDeniedError),
        ({"fault": "error", "http": 404}, exceptions.NotFoundError),
        ({"fault": "error", "http": 418}, exceptions.UnexpectedResponseError),
        ({"fault": "error", "http": 429}, exceptions.ThrottledError),
        ({"fault": "error", "http": 500}, exceptions.TransientError),
        ({"fault": "error", "http": 503}, exceptions.TransientError),
        ({"fault": "error", "code": "403999"}, exceptions.PermissionDeniedError),
        ({"fault": "html", "status": 403}, exceptions.PermissionDeniedError),
        ({"fault": "error", "code": "418999"}, exceptions.UnexpectedResponseError),
        ({"fault": "error", "code": "503201"}, exceptions.TransientError),
        ({"fault": "html", "status": 502}, exceptions.TransientError),
        ({"fault": "redirect"}, exceptions.ConnectionConfigError),
        ({"fault": "garbage"}, exceptions.UnexpectedResponseError),
    ],
)
def test_each_error_says_what_to_do(
    fault: dict[str, Any],
    expected: type[exceptions.TwexportError],
    simulator: Simulator,
    adobe_client: AdobeClient,
) -> None:
    """The service's message is the evidence, and an order is never sent twice."""
    adobe_client.list_export_jobs()
    simulator.faults(fault | {"match": {"path": "jobs", "method": "POST"}, "times": 99})
    with pytest.raises(expected) as raised:
        adobe_client.create_export_job(ORDER)
    assert type(raised.value) is expected
    assert str(fault.get("message", "")) in str(raised.value)
    # a refused token says that nothing was done, so only then the order goes out again
    sent = 4 if fault.get("http") == 401 else 1
    assert simulator.ledger()["counts"]["POST /data/core/ups/export/jobs"] == sent


def test_an_order_whose_response_was_lost_is_not_repeated(
    simulator: Simulator, adobe_client: AdobeClient
) -> None:
    """The job may exist, so a repetition could export twice."""
    simulator.faults({"fault": "lost_answer", "match": {"path": "jobs", "method": "POST"}})
    with pytest.raises(exceptions.TransientError):
        adobe_client.create_export_job(ORDER)
    assert len(simulator.ledger()["adobe"]["jobs"]) == 1


# jobs


@pytest.mark.parametrize("last_link", ["empty", "absent"])
def test_jobs_are_listed_over_pages(last_link: str, simulator: Simulator, adobe_client: AdobeClient) -> None:
    """Jobs come newest first, by limit, cursor and status."""
    simulator.settings(adobe_last_link=last_link)
    ids = [adobe_client.create_export_job(ORDER).id for _ in range(5)][::-1]
    listed = list(adobe_client.iter_export_jobs(page=2))
    assert [job.id for job in listed] == ids
    assert [job.id for job in adobe_client.list_export_jobs(limit=2)] == ids[:2]
    assert [job.id for job in adobe_client.list_export_jobs(cursor=listed[1].cursor)] == ids[2:]
    assert len(adobe_client.list_export_jobs(status="SUCCEEDED")) == 5
    assert adobe_client.list_export_jobs(status="FAILED") == []
    for wrong in ({"status": "PROCESSING"}, {"limit": 0}):
        with pytest.raises(exceptions.InvalidRequestError):
            adobe_client.list_export_jobs(**wrong)  # type: ignore[arg-type]
    assert client_of(simulator, sandbox="dev").list_export_jobs() == []


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_job_is_cancelled(status: int, simulator: Simulator, adobe_client: AdobeClient) -> None:
    """Adobe may respond with a body or without."""
    simulator.settings(adobe_job_seconds=None, adobe_delete_status=status)
    job = adobe_client.create_export_job(ORDER)
    adobe_client.cancel_export_job(job.id)
    assert adobe_client.get_export_job(job.id).status is JobStatus.CANCELLED


def test_a_kill_cancels_with_one_request(simulator: Simulator, adobe_client: AdobeClient) -> None:
    """A kill sends one request, no request for a token, and raises nothing."""
    simulator.settings(adobe_job_seconds=None)
    job = adobe_client.create_export_job(ORDER)
    before = len(simulator.ledger()["requests"])
    adobe_client.cancel_when_killed(job.id)
    assert len(simulator.ledger()["requests"]) == before + 1
    assert simulator.ledger()["adobe"]["jobs"][0]["status"] == "CANCELLED"
    client_of(simulator).cancel_when_killed("no such job")


def test_an_entry_that_is_no_job_hides_no_other(simulator: Simulator, adobe_client: AdobeClient) -> None:
    """What cannot be read is skipped with a warning."""
    body = json.dumps({"records": [None, 7, {"status": "NEW"}, adobe_examples.JOB], "link": "none"})
    simulator.faults({"match": {"path": "jobs"}, "fault": "garbage", "body": body})
    assert [job.id for job in adobe_client.list_export_jobs()] == ["100"]


# files


@pytest.mark.parametrize("lengths", ["text", "number", "float", "null"])
@pytest.mark.parametrize("count", ["total", "page", "none"])
@pytest.mark.parametrize("start", ["index", "page", "name"])
@pytest.mark.parametrize("links", [True, False])
def test_every_file_is_listed_once_whatever_a_page_looks_like(
    links: bool, start: str, count: str, lengths: str, simulator: Simulator, adobe_client: AdobeClient
) -> None:
    """With links or without, whatever ``start`` and ``_page.count`` mean, and whatever form a length has."""
    simulator.settings(
        adobe_files=3,
        adobe_file_bytes=100,
        adobe_directories=True,
        adobe_directory_files=13,
        adobe_files_per_page=4,
        adobe_file_links=links,
        adobe_file_start=start,
        adobe_file_count=count,
        adobe_lengths=lengths,
    )
    job = adobe_client.get_export_job(adobe_client.create_export_job(ORDER).id)
    truth = simulator.control(f"adobe/jobs/{job.id}/files")
    found = list(adobe_client.list_files(job.batches[0].id))
    assert found == [DataFile(file["id"], file["name"], file["bytes"]) for file in truth]


def test_bare_arrays_are_lists_too(simulator: Simulator, adobe_client: AdobeClient) -> None:
    """More than a page of entries, as the ETL guide shows them."""
    simulator.settings(
        adobe_bare_arrays=True,
        adobe_directories=True,
        adobe_directory_files=205,
        adobe_file_bytes=100,
        adobe_files=1,
    )
    job = adobe_client.get_export_job(adobe_client.create_export_job(ORDER).id)
    assert len(list(adobe_client.list_files(job.batches[0].id))) == 205


def test_a_list_that_ends_before_its_count_is_not_complete(
    simulator: Simulator, adobe_client: AdobeClient
) -> None:
    """A page that comes again, without those that the service counts, ends the list with an error."""
    job = adobe_client.get_export_job(adobe_client.create_export_job(ORDER).id)
    body = {"data": [{"dataSetFileId": "x"}], "_page": {"limit": 1, "count": 2}, "_links": {}}
    simulator.faults(
        {"match": {"path": "batches/.*/files"}, "fault": "garbage", "body": json.dumps(body), "times": 9}
    )
    with pytest.raises(exceptions.NotReadyError, match="lists 1 of 2 files"):
        list(adobe_client.list_files(job.batches[0].id))


@pytest.mark.parametrize("directories", [False, True])
def test_all_files_are_found(directories: bool, simulator: Simulator, adobe_client: AdobeClient) -> None:
    """Files are found over pages and in directories, without the links, which lead to another host."""
    simulator.settings(adobe_files=103, adobe_file_bytes=1_000, adobe_directories=directories)
    job = adobe_client.get_export_job(adobe_client.create_export_job(ORDER).id)
    assert adobe_client.get_batch(job.batches[0].id) == CatalogBatch("success", 1000, None, ())
    found = list(adobe_client.list_files(job.batches[0].id))
    truth = simulator.control(f"adobe/jobs/{job.id}/files")
    assert found == [DataFile(file["id"], file["name"], file["bytes"]) for file in truth]
    assert len(found) == (206 if directories else 103)


def test_a_file_is_read_in_ranges(simulator: Simulator, adobe_client: AdobeClient) -> None:
    """A short response ends early and a broken one raises; a read can resume after both."""
    simulator.settings(adobe_files=1, adobe_file_bytes=500_000)
    job = adobe_client.get_export_job(adobe_client.create_export_job(ORDER).id)
    (file,) = adobe_client.list_files(job.batches[0].id)
    (truth,) = simulator.control(f"adobe/jobs/{job.id}/files")
    simulator.faults(
        {"match": {"query": "path="}, "fault": "short_range"},
        {"match": {"query": "path="}, "fault": "cut", "after_bytes": 100_000},
    )
    version = FileVersion()
    got = b"".join(adobe_client.read(file, 0, file.size, version))
    assert len(got) == 250_000
    blocks, broken = adobe_client.read(file, len(got), file.size, version), []
    with pytest.raises(exceptions.ReadInterruptedError):
        broken.extend(blocks)
    got += b"".join(broken)
    simulator.control("adobe/revoke", {})
    got += b"".join(adobe_client.read(file, len(got), file.size, version))
    assert hashlib.sha256(got).hexdigest() == truth["sha256"]
    assert simulator.ledger()["adobe"]["bytes_sent"] <= 900_000


def test_bytes_that_were_not_requested_are_refused(simulator: Simulator, adobe_client: AdobeClient) -> None:
    """A file of another size than listed is another file, or not all of it."""
    file = first_file(adobe_client)
    for start in (0, 10):
        with pytest.raises(exceptions.NotReadyError, match="was listed with"):
            read(adobe_client, DataFile(file.id, file.name, file.size + 1), start)


def first_file(client: AdobeClient) -> DataFile:
    """Return the first file of a new job."""
    job = client.get_export_job(client.create_export_job(ORDER).id)
    first, *_ = client.list_files(job.batches[0].id)
    return first


def read(client: AdobeClient, file: DataFile, start: int = 0, version: FileVersion | None = None) -> bytes:
    """Return the bytes of a file from one on."""
    return b"".join(client.read(file, start, file.size, version or FileVersion()))


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("etags", [True, False])
def test_a_file_that_is_sent_as_a_whole_is_read_from_any_byte(
    ranges: bool, etags: bool, simulator: Simulator, adobe_client: AdobeClient
) -> None:
    """A service that ignores ranges brings the same bytes."""
    simulator.settings(adobe_ranges=ranges, adobe_etags=etags)
    file = first_file(adobe_client)
    version = FileVersion()
    whole = read(adobe_client, file, 0, version)
    assert len(whole) == file.size
    assert read(adobe_client, file, 1_000, version) == whole[1_000:]


@pytest.mark.parametrize("start", [0, 10])
@pytest.mark.parametrize("fault", [{"fault": "html", "status": 200}, {"fault": "garbage", "body": "{}"}])
def test_a_page_is_no_file(
    fault: dict[str, Any], start: int, simulator: Simulator, adobe_client: AdobeClient
) -> None:
    """A page that arrives with status 200 is an error that a retry may mend."""
    file = first_file(adobe_client)
    simulator.faults(fault | {"match": {"query": "path="}})
    with pytest.raises(exceptions.TransientError, match="not the file"):
        read(adobe_client, file, start)


def test_a_replaced_file_is_not_mixed(simulator: Simulator, adobe_client: AdobeClient) -> None:
    """A range of another version of the file is refused."""
    simulator.settings(adobe_etags=True)
    file, version = first_file(adobe_client), FileVersion()
    read(adobe_client, file, 0, version)
    simulator.faults({"fault": "changed", "match": {"query": "path="}})
    with pytest.raises(exceptions.NotReadyError, match="changed while it was read"):
        read(adobe_client, file, 10, version)
