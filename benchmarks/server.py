"""Serves a prepared body from the page cache, so that the server is not the bottleneck.

It has one collector: `earliest` brings everything, any later offset nothing new. A `wait` connection stays open until
the client ends it.
"""

from __future__ import annotations

import socketserver
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from benchmarks.corpus import control

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)


class Handler(socketserver.StreamRequestHandler):
    """Responds to one request."""

    def handle(self) -> None:
        """Send the whole body, or only its last control."""
        target = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        params = parse_qs(urlsplit(target).query)
        offset = params.get("resume_offset", ["earliest"])[0]
        self.connection.sendall(HEAD)
        if offset == "earliest":
            with BODY.open("rb") as file:
                self.connection.sendfile(file)
        else:
            line = control(offset)
            self.connection.sendall(b"%x\r\n%b\r\n" % (len(line), line))
        if params.get("end_behaviour") == ["wait"]:
            self.connection.recv(1)
        else:
            self.connection.sendall(b"0\r\n\r\n")


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: clients disconnect when they have what they want."""


if __name__ == "__main__":
    BODY = Path(sys.argv[1])
    with Server(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
