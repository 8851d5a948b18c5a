"""A server of one collector with captured rows: 356 different ones, each twice, in the four reads of the capture."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportTask
from tests import captured
from tests.waiting import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPORT_ID = "2e9b6d81-8deb-4747-a6eb-5a045ce9b4aa"
DIFFERENT = 356
# results before each control, by connection
READS = ((34, 100, 100, 100), (47, 99, 100, 100), (32,))


@dataclass
class Service:
    """The server, seen from outside.

    :param reads: how many connections were opened.
    """

    client: TalkwalkerClient
    task: ExportTask
    reads: int = 0


def rows() -> list[Any]:
    """Return the rows of the log; the data has 334 of them, so the last of the 356 differ in their address only."""
    found = captured.results(captured.text())
    for original in found[: DIFFERENT - len(found)]:
        more = json.loads(json.dumps(original))
        more["data"]["url"] += "?page=2"
        found.append(more)
    for row in found:
        row["data"]["matched"]["task_id"] = EXPORT_ID
    return found * 2


@contextmanager
def serving(*, heartbeats: bool) -> Iterator[Service]:
    """Serve the collector ``box``; an open connection that has nothing to send is silent, or repeats its control."""
    log, ends, blocks = rows(), [], [0]
    for read in READS:
        for size in read:
            blocks.append(blocks[-1] + size)
        ends.append(blocks[-1])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.reads += 1
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            at = 0 if asked["resume_offset"] == "earliest" else int(asked["resume_offset"][1:])
            self.send_response(200)
            self.end_headers()
            self.chunk("CT_CONTROL", "control", {"resume_offset": asked["resume_offset"]})
            is_open = asked["end_behaviour"] == "wait"
            last = len(log) if is_open else min([end for end in ends if end > at], default=at)
            for first, end in pairwise(blocks):
                if at <= first and end <= last:
                    for row in log[first:end]:
                        self.chunk("CT_RESULT", "result", {"data": row})
                    self.chunk("CT_CONTROL", "control", {"resume_offset": f"O{end}"})
            while is_open and not stopping.wait(0.1):
                if heartbeats:
                    try:
                        self.chunk("CT_CONTROL", "control", {"resume_offset": f"O{last}"})
                    except OSError:
                        return

        def chunk(self, kind: str, name: str, body: dict[str, Any]) -> None:
            text = json.dumps({"chunk_type": kind, f"chunk_{name}": body}, indent=4, ensure_ascii=False)
            self.wfile.write(text.encode() + b"\n")

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    stopping = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    client = TalkwalkerClient("token", f"http://127.0.0.1:{server.server_port}", QUICK)
    body = {
        "id": EXPORT_ID,
        "target": "box",
        "status": "finished",
        "processed": 712,
        "ready": 712,
        "progress": 1,
    }
    service = Service(client, ExportTask.from_json(body))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield service
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
