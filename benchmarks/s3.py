"""A fast S3 server on loopback: it accepts every upload, and keeps nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "not-a-real-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}
LANDED = "'{url}' 's3://bench{target}' {count}"
UPLOADED = "'{sample}' 's3://bench{target}' {count}"
METHODS = {
    "ours jsonl.gz to S3": "{python} -m benchmarks.methods 'ours jsonl.gz' " + LANDED,
    "same bytes to S3, s3fs alone": "{python} -m benchmarks.methods 's3fs alone' " + UPLOADED,
    "same bytes to S3, boto3 alone": "{python} -m benchmarks.methods 'boto3 alone' " + UPLOADED,
}


class Sink(BaseHTTPRequestHandler):
    """Responds as S3 does with empty buckets."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Accept an object, or a part of one."""
        remaining = int(self.headers["Content-Length"])
        while remaining and (data := self.rfile.read1(min(remaining, 1 << 20))):
            remaining -= len(data)
        self._respond(200, b"")

    def do_POST(self) -> None:
        """Start or complete an upload."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._respond(200, b"<R><UploadId>1</UploadId><ETag>1</ETag></R>")

    def do_GET(self) -> None:
        """List nothing, and have no object."""
        is_list = "?" in self.path
        self._respond(200 if is_list else 404, b"<R><IsTruncated>false</IsTruncated></R>" if is_list else b"")

    def do_HEAD(self) -> None:
        """Have no object."""
        self._respond(404, b"")

    def do_DELETE(self) -> None:
        """Delete an object that does not exist."""
        self._respond(204, b"")

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def _respond(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body:
            self.wfile.write(body)


@contextmanager
def serving_s3() -> Iterator[None]:
    """Make this process and its children use the server instead of Amazon's."""
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.s3"], stdout=subprocess.PIPE, text=True)
    try:
        port = server.stdout.readline().strip() if server.stdout else ""
        os.environ |= CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        yield
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Sink) as listening:
        print(listening.server_address[1], flush=True)
        listening.serve_forever()
