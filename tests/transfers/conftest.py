"""A bucket to land in."""

from __future__ import annotations

import json
from uuid import uuid4

import boto3
import pytest


@pytest.fixture
def bucket(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
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
