"""An S3 server on loopback for the ways that upload; it is slower than they are, so compare only those rows."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVER = """
from threading import Event
import boto3
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
address = "http://127.0.0.1:%d" % server.get_host_and_port()[1]
boto3.client("s3", endpoint_url=address).create_bucket(Bucket="bench")
print(address, flush=True)
Event().wait()
"""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "not-a-real-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}
LANDED = "'{url}' 's3://bench{target}' {count}"
UPLOADED = "'{sample}' 's3://bench{target}' {count}"
WAYS = {
    "ours jsonl.gz to S3": "{python} -m benchmarks.ways 'ours jsonl.gz' " + LANDED,
    "same bytes to S3, s3fs alone": "{python} -m benchmarks.ways 's3fs alone' " + UPLOADED,
    "same bytes to S3, boto3 alone": "{python} -m benchmarks.ways 'boto3 alone' " + UPLOADED,
}


@contextmanager
def serving_s3(directory: Path) -> Iterator[None]:
    """Let this process and its children find the server and a bucket as they find Amazon's.

    :param directory: where the server keeps what is too large for its memory.
    """
    os.environ |= CREDENTIALS
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TMPDIR": str(directory)},
    )
    try:
        os.environ["AWS_ENDPOINT_URL"] = server.stdout.readline().strip() if server.stdout else ""
        yield
    finally:
        server.terminate()
        server.wait()
