"""S3 as companies have it, through the fields of the Airflow connection: role, key, payer, endpoints, certificate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from airflow.sdk import DAG, ObjectStoragePath

from airflow_provider_twexport.object_storage import storage_path
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.task_groups.talkwalker import talkwalker_export
from tests.company_s3 import KEY, ROLE, CompanyS3
from tests.storage.stream import land, large_stream, open_landing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running_dags import DagRunner

pytestmark = pytest.mark.slow

ENCRYPTED = ("aws:kms", KEY)


@pytest.fixture
def company() -> Iterator[CompanyS3]:
    """A server that enforces what companies' bucket policies do."""
    with CompanyS3() as server:
        yield server


def extra(company: CompanyS3, **s3: Any) -> dict[str, Any]:
    """Return the extra of a connection that has all that is wanted."""
    return {
        "region_name": "us-east-1",
        "role_arn": ROLE,
        "service_config": {
            "sts": {"endpoint_url": company.url},
            "s3": {
                "endpoint_url": company.url,
                "requester_pays": True,
                "s3_additional_kwargs": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY},
                **s3,
            },
        },
    }


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Store a connection of a name of its own, for Airflow keeps a filesystem for each; return the name."""

    def store(extra: dict[str, Any]) -> str:
        conn_id = f"company_{uuid4().hex}"
        connection = {"conn_type": "aws", "login": "not-a-key", "password": "not-a-secret", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        return conn_id

    return store


@pytest.fixture
def bucket(company: CompanyS3) -> str:
    """A bucket of its own."""
    name = f"lake-{uuid4().hex}"
    company.create_bucket(name)
    return name


@pytest.mark.usefixtures("talkwalker_connection", "quick_timing")
def test_an_export_lands_by_the_role_encrypted_and_paid_by_us(
    company: CompanyS3, connect: Any, bucket: str, run_dag: DagRunner
) -> None:
    """Every call of a task group is one that such a bucket accepts, and each object has the key."""
    with DAG("company", schedule=None) as dag:
        talkwalker_export(
            "export",
            start="2024-01-01",
            stop="2024-01-03",
            limit=300,
            poke_interval=0.2,
            max_part_bytes=50_000,
            object_storage_path=f"s3://{bucket}/lake",
            object_storage_conn_id=connect(extra(company)),
            ledger_path=f"s3://{bucket}/ledger",
        )
    run = run_dag(dag)
    assert (run.state, company.refused) == ("success", [])
    assert run.results["export.to_object_storage"]["parts"] > 1
    encryption = company.encryption(bucket)
    assert len(encryption) > 3
    assert set(encryption.values()) == {ENCRYPTED}


def test_large_parts_and_dead_uploads_too(company: CompanyS3, connect: Any, bucket: str) -> None:
    """Uploads in blocks, those that a dead try left, and reading back what landed."""
    path = storage_path(f"s3://{bucket}/large", connect(extra(company)))
    landing = open_landing(path, file_format="jsonl")
    for batch in large_stream(12):
        landing.write(batch)
    assert company.open_uploads(bucket) == 1
    land(path, large_stream(20), file_format="jsonl")
    assert (company.open_uploads(bucket), company.refused) == (0, [])
    assert manifest.verify(path) == []
    assert set(company.encryption(bucket).values()) == {ENCRYPTED}


def test_a_role_is_assumed_again_before_it_ends(company: CompanyS3, connect: Any, bucket: str) -> None:
    """A landing may take longer than a session of a role lasts."""
    # botocore renews a session a quarter of an hour before its end, so with each call
    short = extra(company) | {"assume_role_kwargs": {"DurationSeconds": 900}}
    directory = Directory(storage_path(f"s3://{bucket}/long", connect(short)))
    directory.write("a", b"1")
    assumed = company.roles_assumed
    company.end_sessions()
    assert directory.read("a") == b"1"
    assert company.roles_assumed > assumed >= 1


@pytest.mark.parametrize(
    ("without", "problem"),
    [("requester_pays", "who pays?"), ("s3_additional_kwargs", "not encrypted with the key")],
)
def test_the_server_does_enforce_it(
    company: CompanyS3, connect: Any, bucket: str, without: str, problem: str
) -> None:
    """Without the field, the same write is refused."""
    path = storage_path(f"s3://{bucket}/lake", connect(extra(company, **{without: None})))
    with pytest.raises(PermissionError):
        Directory(path).write("a", b"1")
    assert company.refused == [f"PUT /{bucket}/lake/a: {problem}"]


def test_a_connection_in_the_address_is_read_as_well(company: CompanyS3, connect: Any, bucket: str) -> None:
    """Also where Airflow has opened the same bucket before."""
    address = f"s3://{connect(extra(company))}@{bucket}/lake"
    ObjectStoragePath(address)
    Directory(storage_path(address)).write("a", b"1")
    assert company.encryption(bucket) == {"lake/a": ENCRYPTED}


def test_a_certificate_of_the_company_is_used(company: CompanyS3, connect: Any) -> None:
    """The file that ``verify`` names; Airflow's filesystem ignores it."""
    own = extra(company) | {"verify": "/etc/ssl/company.pem"}
    assert storage_path("s3://bucket/lake", connect(own)).fs.client_kwargs == {
        "verify": "/etc/ssl/company.pem"
    }
