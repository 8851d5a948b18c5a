"""An S3 server on loopback that is not the bottleneck: it takes whatever is uploaded, and keeps nothing."""

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
WAYS = {
    "ours jsonl.gz to S3": "{python} -m benchmarks.ways 'ours jsonl.gz' " + LANDED,
    "same bytes to S3, s3fs alone": "{python} -m benchmarks.ways 's3fs alone' " + UPLOADED,
    "same bytes to S3, boto3 alone": "{python} -m benchmarks.ways 'boto3 alone' " + UPLOADED,
}


class Sink(BaseHTTPRequestHandler):
    """Answers as S3 does of which every bucket is empty."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Take an object, or a part of one."""
        left = int(self.headers["Content-Length"])
        while left and (data := self.rfile.read1(min(left, 1 << 20))):
            left -= len(data)
        self._answer(200, b"")

    def do_POST(self) -> None:
        """Begin or complete an upload."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(200, b"<R><UploadId>1</UploadId><ETag>1</ETag></R>")

    def do_GET(self) -> None:
        """List nothing, and know no object."""
        is_list = "?" in self.path
        self._answer(200 if is_list else 404, b"<R><IsTruncated>false</IsTruncated></R>" if is_list else b"")

    def do_HEAD(self) -> None:
        """Know no object."""
        self._answer(404, b"")

    def do_DELETE(self) -> None:
        """Remove what is not there."""
        self._answer(204, b"")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body:
            self.wfile.write(body)


@contextmanager
def serving_s3() -> Iterator[None]:
    """Let this process and its children find the server as they find Amazon's."""
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
