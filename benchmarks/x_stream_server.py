"""Sends posts of the Decahose at a steady rate, with little CPU, so that the server is not the bottleneck.

``python -m benchmarks.x_stream_server POSTS_PER_SECOND``, for each partition.
"""

from __future__ import annotations

import os
import socketserver
import sys
import time
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import msgspec
from isal import isal_zlib

from airflow_provider_twexport.simulator.day import Day
from airflow_provider_twexport.simulator.x.documents import TEMPLATES, X_EPOCH_MS, Posts

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)
TICK_SECONDS = 0.05
ID = b"1234567890123456789"


def templates() -> list[list[bytes]]:
    """Return posts, split where their id belongs."""
    posts, day = Posts(1), Day(20_000 * 86_400_000, 1, 1_000_000)
    parts = []
    for index in range(TEMPLATES):
        post = posts.post(day, index, None, edit_metadata=True)
        del post["matching_rules"]
        text = msgspec.json.encode(post)
        parts.append((text.replace(post["id_str"].encode(), ID) + b"\r\n").split(ID))
    return parts


class Handler(socketserver.StreamRequestHandler):
    """Serves one connection to one partition, until the client disconnects."""

    def handle(self) -> None:
        """Send posts at the rate."""
        target = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        partition = int(parse_qs(urlsplit(target).query)["partition"][0])
        gzip = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
        start, sent = time.time(), 0
        with suppress(OSError):
            self.connection.sendall(HEAD)
            while True:
                due = int((time.time() - start) * RATE)
                text = b"".join(post(partition, number) for number in range(sent, due))
                block = gzip.compress(text) + gzip.flush(isal_zlib.Z_SYNC_FLUSH)
                self.connection.sendall(b"%x\r\n%b\r\n" % (len(block), block))
                sent = due
                time.sleep(TICK_SECONDS)


def post(partition: int, number: int) -> bytes:
    """Return a post that was created now."""
    post_id = (int(time.time() * 1000) - X_EPOCH_MS) << 22 | (number * 2 + partition) & 0x3FFFFF
    return (b"%d" % post_id).join(PARTS[number % TEMPLATES])


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    RATE, PARTS = float(sys.argv[1]), templates()
    if len(sys.argv) > 2:
        os.sched_setaffinity(0, {int(sys.argv[2])})
    with Server(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
