"""A bucket of S3 seen from both sides, and programs in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.object_stores import Place, own_name
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Bucket(Place):
    """A bucket of its own for each test, seen from both sides."""

    name: str
    client: Any

    def keys(self) -> list[str]:
        """Return the keys of all objects."""
        return [found["Key"] for found in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def open_uploads(self) -> list[tuple[str, str]]:
        """Return key and id of the uploads that were neither completed nor aborted."""
        found = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return [(upload["Key"], upload["UploadId"]) for upload in found]

    def abort_uploads(self) -> None:
        """Abort all open uploads, as a bucket's lifecycle rule may."""
        for key, upload in self.open_uploads():
            self.client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)


@pytest.fixture
def bucket(s3_address: str, request: pytest.FixtureRequest) -> Bucket:
    """Make a bucket named after the test."""
    import boto3

    name = own_name(request)
    client = boto3.client(
        "s3",
        endpoint_url=s3_address,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=name)
    options = {"endpoint_url": s3_address, "key": "key", "secret": "secret"}
    return Bucket(address=f"s3://{name}", options=options, name=name, client=client)


@pytest.fixture
def run_program() -> Callable[..., Any]:
    """Run a module of the tests in a process of its own, and return the JSON that it prints."""

    def run(module: str, *arguments: object) -> Any:
        command = [sys.executable, "-m", module, *map(str, arguments)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
