"""A stream whose bytes are damaged on the way, from a real server through the client into a landing."""

from __future__ import annotations

import json
import random
import signal
import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_twexport.core.retry import Retry
from airflow_provider_twexport.core.timing import Timing
from airflow_provider_twexport.exceptions import TwexportError
from airflow_provider_twexport.storage import formats, part_verification
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.manifest import CHECKPOINT, MANIFEST, load
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.results import EARLIEST
from tests.storage.stream import open_landing
from tests.talkwalker.test_results import OURS, control
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_twexport.storage.manifest import Manifest

RESULTS = 500
SEEDS = [*range(20), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(20, 240))]
SHORT = Timing(
    retry=Retry(attempts=3, first_wait=0.001, max_wait=0.002, throttled_wait=0.001, throttled_for=0.01),
    idle_read=0.03,
)
WORDS = [
    "tea",
    "té",
    "чай",
    "お茶",
    "شاي",
    "תה",
    "🍵",
    "👩\u200d💻",
    "a\u2028b",
    'say "{}"',
    "}\n{",
    "\\",
    "\ud83d",
]


def records(chance: random.Random) -> Iterator[bytes]:
    """Yield documents of many scripts and shapes, some escaped, some with half an emoji."""
    for number in range(RESULTS):
        document: dict[str, Any] = {
            "url": f"https://example.com/{number}",
            "content": " ".join(chance.choices(WORDS[:-1], k=chance.randint(0, 40))),
            "external_id": 2**53 + number,
            "tags": chance.choices(["a", "b"], k=chance.randint(0, 3)),
            "reach": chance.choice([None, 1, -2.5, 1e300]),
        }
        if number % 10:
            document["matched"] = {"task_id": OURS}
        if number % 50 == 0:
            document["title"] = WORDS[-1]
        text = json.dumps({"data": document}, ensure_ascii=number % 3 == 0 or "title" in document)
        yield text.encode()


def body_of(documents: list[bytes], chance: random.Random) -> bytes:
    """Return a whole read of them, with a control now and then."""
    lines = [control(EARLIEST)]
    for number, document in enumerate(documents, 1):
        lines.append(b'{"chunk_type":"CT_RESULT","chunk_result":{"data":%b}}\n' % document)
        if chance.random() < 0.04 or number == RESULTS:
            lines.append(control(f"o{number}"))
    return b"".join(lines)


SENT = list(records(random.Random(1)))
BODY = body_of(SENT, random.Random(2))


def flipped(body: bytes, chance: random.Random) -> bytes:
    """Return it with some bits flipped."""
    damaged = bytearray(body)
    for _ in range(chance.choice((1, 1, 3, 20))):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def overwritten(body: bytes, chance: random.Random) -> bytes:
    """Return it with noise in one place."""
    start, stop = slice_of(body, chance)
    return body[:start] + chance.randbytes(stop - start) + body[stop:]


def cut(body: bytes, chance: random.Random) -> bytes:
    """Return its beginning."""
    return body[: chance.randrange(len(body))]


def shortened(body: bytes, chance: random.Random) -> bytes:
    """Return it without a slice."""
    start, stop = slice_of(body, chance)
    return body[:start] + body[stop:]


def repeated(body: bytes, chance: random.Random) -> bytes:
    """Return it with a slice that comes twice."""
    start, stop = slice_of(body, chance)
    return body[:stop] + body[start:]


def swapped(body: bytes, chance: random.Random) -> bytes:
    """Return it with two neighbouring slices in the wrong order."""
    start, stop = slice_of(body, chance)
    middle = chance.randint(start, stop)
    return body[:start] + body[middle:stop] + body[start:middle] + body[stop:]


def slice_of(body: bytes, chance: random.Random) -> tuple[int, int]:
    """Return the bounds of a slice; most are short."""
    start = chance.randrange(len(body))
    return start, min(len(body), start + chance.choice((1, 2, 8, 100, 1_000, 30_000)))


DAMAGES: list[Callable[[bytes, random.Random], bytes]] = [
    flipped,
    overwritten,
    cut,
    shortened,
    repeated,
    swapped,
]


class Service(socketserver.ThreadingTCPServer):
    """Sends a body from the offset that is asked for, in HTTP chunks of any size; long reads stay open."""

    daemon_threads = True
    body = BODY
    chance = random.Random()
    ends_properly = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Reader)

    def after(self, offset: str) -> bytes:
        """Return what comes after an offset; everything where the body has no such offset."""
        asked = control(offset)
        _, found, rest = self.body.partition(asked)
        return asked + rest if found else self.body

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the client leaves when it has what it wants."""


class Reader(socketserver.StreamRequestHandler):
    """Answers one request."""

    server: Service

    def handle(self) -> None:
        """Send one read."""
        asked = parse_qs(urlsplit(self.rfile.readline().split()[1].decode()).query)
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        body = self.server.after(asked["resume_offset"][0])
        while body:
            size = self.server.chance.choice((1_000, 10_000, 65_536))
            self.send(body[:size])
            body = body[size:]
        left = threading.Event()
        while asked["end_behaviour"] == ["wait"] and self.server.ends_properly:
            self.send(b"\n")
            left.wait(0.01)
        if self.server.ends_properly:
            self.wfile.write(b"0\r\n\r\n")

    def send(self, piece: bytes) -> None:
        """Send one HTTP chunk."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """The service, on a free port."""
    with Service() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def _watchdog() -> Iterator[None]:
    """Whatever hangs is interrupted."""

    def bark(*_: object) -> None:
        pytest.fail("the landing hangs")

    before = signal.signal(signal.SIGALRM, bark)
    signal.alarm(int(PATIENCE))
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def land(service: Service, directory: Path, file_format: str) -> Manifest:
    """Land whatever the service sends."""
    client = TalkwalkerClient("not-a-token", f"http://127.0.0.1:{service.server_address[1]}", SHORT)
    with open_landing(directory, file_format=file_format, max_part_bytes=20_000) as landing:
        drain = client.drain("twx-one", export_id=OURS, missing=lambda: RESULTS - landing.results)
        with naming_the_offset(lambda: landing.cursor or EARLIEST):
            for batch in drain:
                landing.write(batch)
        return landing.commit(exported=RESULTS)


@contextmanager
def naming_the_offset(offset: Callable[[], str]) -> Iterator[None]:
    """Check that an error says how far the read came."""
    try:
        yield
    except TwexportError as error:
        if f"reached offset {offset()}." not in str(error):
            pytest.fail(f"names no offset: {error}")
        raise


def landed_records(directory: Path) -> list[bytes]:
    """Return the records of the parts that the manifest or checkpoint lists, having checked them against it."""
    place = Directory(directory)
    listed = load(place, MANIFEST) or load(place, CHECKPOINT)
    found: list[bytes] = []
    if listed:
        file_format = formats.by_name(listed.file_format)
        problems = [
            part_verification.problem(place, part, file_format, found.extend) for part in listed.parts
        ]
        assert not any(problems)
        assert listed.results == len(found)
    return found


def assert_whole(landed: list[bytes], sent: bytes) -> None:
    """Check that each record is one valid document, came in one piece, and came from one result."""
    for record in landed:
        assert isinstance(json.loads(record.decode()), dict)
        assert b'"data":%b' % record in sent
    assert len(set(landed)) == len(landed)


def test_the_undamaged_stream_is_landed(service: Service, tmp_path: Path) -> None:
    """All results, in order, byte for byte."""
    service.body, service.ends_properly = BODY, True
    assert land(service, tmp_path, "jsonl").results == RESULTS
    assert landed_records(tmp_path) == SENT


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_stream_lands_no_corrupt_part(seed: int, service: Service, tmp_path: Path) -> None:
    """Bytes flipped, cut, repeated, swapped, the same on each try: an error that names the offset, or a valid landing.

    The stream has no checksum, so damage that leaves whole valid chunks cannot be told from data: another letter or
    digit in a document or in an offset, results that are gone, or a slice lost from within one text to within another,
    which joins two results into one. Those that are gone show in the counts: the manifest says how many were exported.
    """
    chance = random.Random(seed)
    damage = DAMAGES[seed % len(DAMAGES)]
    service.body, service.chance, service.ends_properly = damage(BODY, chance), chance, bool(seed % 4)
    try:
        land(service, tmp_path, "jsonl.gz" if seed % 10 == 0 else "jsonl")
    except TwexportError:
        assert load(Directory(tmp_path), MANIFEST) is None
    assert_whole(landed_records(tmp_path), service.body)
