"""Draining a collector through everything that goes wrong on the way."""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_twexport.core.http import StreamedResponse
from airflow_provider_twexport.exceptions import (
    InsufficientCreditsError,
    ReadInterruptedError,
    ReadStalledError,
    TransientError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.results import EARLIEST
from airflow_provider_twexport.talkwalker.results_reader import ResultsReader
from tests.service_clients import JANUARY
from tests.talkwalker.test_results import control, result
from tests.waiting import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_provider_twexport.core.batch import Batch
    from tests.simulator_process import Simulator

RESULTS = {"path": "/results$"}


def export(client: TalkwalkerClient, simulator: Simulator, limit: int, collector_id: str = "box") -> str:
    """Fill a collector and return the export's id."""
    client.put_collector(collector_id)
    order = ExportOrder(JANUARY, project_id=simulator.project_id, limit=limit)
    return client.create_export(order, collector_id).id


def drained(client: TalkwalkerClient, export_id: str, expected: int, **options: Any) -> list[bytes]:
    """Return the distinct records of a collector, as a landing would keep them."""
    seen: dict[bytes, None] = {}

    def missing() -> int:
        return expected - len(seen)

    for batch in client.drain("box", export_id=export_id, missing=missing, **options):
        seen.update(dict.fromkeys(batch.records))
    return list(seen)


def truth(simulator: Simulator, export_id: str) -> list[str]:
    """Return the digests of what was exported, in order."""
    return [document["sha256"] for document in simulator.documents(export_id)]


def digests(records: list[bytes]) -> list[str]:
    """Return the digests of what arrived."""
    return [hashlib.sha256(record).hexdigest() for record in records]


def reads(simulator: Simulator) -> int:
    """Count the calls of the results endpoint."""
    return sum(call["path"].endswith("/results") for call in simulator.ledger()["requests"])


@pytest.mark.slow
def test_a_large_export_takes_few_reads(client: TalkwalkerClient, simulator: Simulator) -> None:
    """The endpoint allows 5 reads a minute; 100,000 results take one long read and its confirmation."""
    simulator.settings(results_per_day=5_000, reads_per_minute=5)
    export_id = export(client, simulator, 100_000)
    count = 0

    def batches() -> Iterator[Batch]:
        yield from client.drain("box", export_id=export_id, missing=lambda: 100_000 - count)

    for batch in batches():
        count += len(batch.records)
    assert count == 100_000
    assert reads(simulator) <= 3


@pytest.mark.parametrize("limit", [1, 99, 100, 101, 300, 301, 400, 401, 1_000])
def test_everything_arrives_in_order(limit: int, client: TalkwalkerClient, simulator: Simulator) -> None:
    """Whatever the number of results, each arrives, in the order of the log."""
    export_id = export(client, simulator, limit)
    assert digests(drained(client, export_id, limit)) == truth(simulator, export_id)


def test_an_empty_collector_ends(client: TalkwalkerClient) -> None:
    """A collector that holds nothing echoes `earliest` for ever; one read is enough to see that."""
    client.put_collector("box")
    assert [len(batch.records) for batch in client.drain("box", missing=lambda: 0)] == [0]


def test_without_a_known_number_everything_arrives(client: TalkwalkerClient, simulator: Simulator) -> None:
    """Where nobody knows how many there are, the read ends when nothing has come for a while."""
    export_id = export(client, simulator, 1_000)
    records = [record for batch in client.drain("box", export_id=export_id) for record in batch.records]
    assert len(set(records)) == 1_000


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "cut", "after_results": 150, "mid_line": True},
        {"fault": "cut", "after_bytes": 100_000},
        {"fault": "ct_error", "after_results": 250, "code": 25},
        {"fault": "no_final_control"},
        {"fault": "duplicate", "every": 7},
        {"fault": "duplicate", "block": True},
        {"fault": "foreign", "every": 5},
        {"fault": "unknown_chunk", "after_results": 5},
        {"fault": "garbage_line", "after_results": 205},
        {"fault": "wrong_echo"},
        {"fault": "long_line", "after_results": 120, "bytes": 20_000_000},
        {"fault": "wait_ends_early", "after_results": 205},
        {"fault": "stuck_keepalive", "seconds": 2},
        {"fault": "error", "code": 8, "retry_after": 0},
        {"fault": "error", "code": 30, "retry_after": 0},
        {"fault": "html", "status": 502},
        {"fault": "drop"},
        {"fault": "garbage"},
    ],
    ids=lambda fault: str(fault["fault"]),
)
@pytest.mark.parametrize("end_behaviour", ["wait", "stop"])
def test_one_fault_loses_nothing(
    end_behaviour: str, fault: dict[str, Any], client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Any single fault, in a long read or a short one, costs time but no result."""
    export_id = export(client, simulator, 1_000)
    simulator.faults(fault | {"match": RESULTS | {"query": f"end_behaviour={end_behaviour}"}})
    assert sorted(digests(drained(client, export_id, 1_000))) == sorted(truth(simulator, export_id))
    assert not simulator.control("faults")["faults"], "the fault was never met"


def test_a_lasting_fault_ends_the_read(client: TalkwalkerClient, simulator: Simulator) -> None:
    """A read that never gets further gives up, after as many tries as the policy says, with what it met."""
    export_id = export(client, simulator, 1_000)
    simulator.faults({"match": RESULTS, "fault": "cut", "after_results": 50, "times": 99})
    with pytest.raises(ReadInterruptedError, match="broke off"):
        drained(client, export_id, 1_000)
    assert reads(simulator) <= 2 * QUICK.retry.attempts + 1


def test_an_error_that_is_no_passing_fault_is_raised_at_once(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """No credits, inside a body of status 200, is no credits."""
    export_id = export(client, simulator, 1_000)
    simulator.faults({"match": RESULTS, "fault": "ct_error", "after_results": 50, "code": 9})
    with pytest.raises(InsufficientCreditsError):
        drained(client, export_id, 1_000)
    assert reads(simulator) == 1


def test_another_export_in_the_same_collector_is_left_out(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Two exports share a log; each is read by itself."""
    first, second = export(client, simulator, 700), export(client, simulator, 600)
    assert sorted(digests(drained(client, first, 700))) == sorted(truth(simulator, first))
    assert sorted(digests(drained(client, second, 600))) == sorted(truth(simulator, second))


def test_a_forgotten_offset_does_not_start_again_in_silence(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """A service that restarts a read elsewhere is found out."""
    export_id = export(client, simulator, 1_000)
    simulator.settings(bad_offset="restart")
    with pytest.raises(ReadInterruptedError, match="was to start at offset EgEBAAA"):
        drained(client, export_id, 1_000, cursor="EgEBAAA")


FAULTS = st.one_of(
    st.builds(
        lambda after, mid: {"fault": "cut", "after_results": after, "mid_line": mid},
        st.integers(0, 500),
        st.booleans(),
    ),
    st.builds(lambda after: {"fault": "cut", "after_bytes": after}, st.integers(0, 2_000_000)),
    st.builds(lambda every: {"fault": "duplicate", "every": every}, st.integers(1, 50)),
    st.just({"fault": "duplicate", "block": True}),
    st.builds(lambda every: {"fault": "foreign", "every": every}, st.integers(1, 50)),
    st.builds(lambda after: {"fault": "ct_error", "after_results": after}, st.integers(0, 500)),
    st.builds(lambda after: {"fault": "garbage_line", "after_results": after}, st.integers(0, 500)),
    # after 0 it would say what a drained collector says; the transfer then reads again
    st.builds(lambda after: {"fault": "wait_ends_early", "after_results": after}, st.integers(1, 500)),
    st.just({"fault": "delay", "seconds": 0.05}),
    st.just({"fault": "error", "code": 8, "retry_after": 0}),
    st.just({"fault": "html", "status": 502}),
)


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 900), faults=st.lists(FAULTS, max_size=5), skips=st.integers(0, 2))
def test_any_faults_lose_nothing_and_repeat_nothing(
    limit: int, faults: list[dict[str, Any]], skips: int, simulator: Simulator
) -> None:
    """Cut, repeated, mixed and delayed at random places, the results still arrive, each once."""
    client = TalkwalkerClient(
        simulator.token, simulator.url, replace(QUICK, retry=replace(QUICK.retry, attempts=10))
    )
    simulator.reset()
    simulator.settings(queue_seconds=0, results_per_second=None, reads_per_minute=None)
    export_id = export(client, simulator, limit)
    simulator.faults(
        *[fault | {"match": RESULTS, "skip": skips * index} for index, fault in enumerate(faults)]
    )
    assert sorted(digests(drained(client, export_id, limit))) == sorted(truth(simulator, export_id))


def reader_of(bodies: Callable[[str, str], Iterable[bytes]], **options: Any) -> ResultsReader:
    """Return a reader of what ``bodies`` returns for a cursor and an end behaviour."""

    @contextmanager
    def open_read(cursor: str, end_behaviour: str) -> Iterator[StreamedResponse]:
        yield StreamedResponse(200, {}, iter(bodies(cursor, end_behaviour)))

    timing = replace(QUICK, idle_read=0.2, read_stalled=1.0)
    return ResultsReader(open_read, lambda chunk: TransientError(str(chunk)), **{"timing": timing, **options})


def rows_of(reader: ResultsReader) -> list[bytes]:
    """Return all rows that a reader yields."""
    return [record for batch in reader for record in batch.records]


def test_an_offset_that_stays_is_no_endless_loop() -> None:
    """Results behind an offset that stays are read once; their replays end the read."""
    body = control(EARLIEST) + result("a") + control(EARLIEST)
    assert len(rows_of(reader_of(lambda cursor, end: [body]))) == 1


def test_equal_rows_of_the_log_all_arrive() -> None:
    """A repeat that no reconnect explains was exported and paid for."""
    body = control(EARLIEST) + result("a") * 3 + control("o1") + result("a") + control("o2")
    reader = reader_of(lambda cursor, end: [body if cursor == EARLIEST else control(cursor)])
    assert len(rows_of(reader)) == 4


def test_rows_that_came_twice_do_not_hide_others() -> None:
    """After a reconnect a count that fits proves nothing: the log is read until it brings nothing."""
    bodies = {
        (EARLIEST, "wait"): control(EARLIEST) + result("a") + result("b") + control("o1"),
        ("o1", "wait"): control("o1") + result("b") + control("o1") + result("c"),
        ("o1", "stop"): control("o1") + result("c") + control("o2"),
        ("o2", "stop"): control("o2") + result("d") + control("o3"),
        ("o3", "stop"): control("o3"),
    }
    rows: list[bytes] = []
    # more than one `stop` read brings are missing at first, so the log is read by `wait`
    reader = reader_of(
        lambda cursor, end: [bodies[cursor, end]], missing=lambda: 4 - len(rows) if rows else 1_000
    )
    for batch in reader:
        rows += batch.records
    assert rows == [record_of(each) for each in "abbcd"]


def record_of(text: str) -> bytes:
    """Return the record that a result chunk holds."""
    return json.dumps(json.loads(result(text))["chunk_result"]["data"], separators=(",", ":")).encode()


@pytest.mark.parametrize("seed", range(20))
def test_a_replay_is_dropped_and_a_repeat_is_not(seed: int) -> None:
    """Whatever equal rows a log holds and wherever it is cut, the rows that arrive are those of the log."""
    rng = random.Random(seed)
    log = [rng.choice("abc") for _ in range(6_000)]
    marks = sorted(rng.sample(range(1, 6_000), 3))  # controls so rare that rows are yielded before them

    def bodies(cursor: str, end_behaviour: str) -> Iterator[bytes]:
        start = 0 if cursor == EARLIEST else int(cursor[1:])
        yield control(cursor)
        cut = rng.randrange(start, 9_000)
        for at in range(start, min(cut, len(log))):
            yield result(log[at])
            if at + 1 in marks:
                yield control(f"o{at + 1}")
        if cut >= len(log):
            yield control(f"o{len(log)}") if start < len(log) else b""

    reader = reader_of(
        bodies, timing=replace(QUICK, retry=replace(QUICK.retry, attempts=1_000, first_wait=0))
    )
    reader.missing = lambda: math.inf
    assert Counter(rows_of(reader)) == Counter(record_of(letter) for letter in log)


def test_heartbeats_are_no_progress() -> None:
    """Controls that repeat an offset keep a connection open, but not for ever."""

    def bodies(cursor: str, end_behaviour: str) -> Iterator[bytes]:
        yield control(cursor)
        if cursor == EARLIEST:
            yield result("a") + control("o1")
        while end_behaviour == "wait":
            time.sleep(0.01)
            yield control("o1")

    reader = reader_of(bodies, missing=lambda: 1_000)
    assert len(rows_of(reader)) == 1


def test_offsets_that_move_without_results_end_in_an_error() -> None:
    """It says what is missing; a retry reads on."""
    offsets = map("o{}".format, count())

    def bodies(cursor: str, end_behaviour: str) -> Iterator[bytes]:
        yield control(cursor)
        for offset in offsets:
            time.sleep(0.01)
            yield control(offset)

    with pytest.raises(ReadStalledError, match="7 of results"):
        list(reader_of(bodies, missing=lambda: 7))


def test_a_store_that_is_slow_to_write_is_no_stall() -> None:
    """Only the service can stall a read: the time between batches is the reader's own."""
    log = [control(f"o{number}") + result(str(number)) for number in range(3)] + [control("o3")]
    bodies = {EARLIEST: [control(EARLIEST), *log]}
    reader = reader_of(
        lambda cursor, end: bodies.get(cursor, [control(cursor)]), timing=replace(QUICK, read_stalled=0.2)
    )
    arrived = 0
    for batch in reader:
        arrived += len(batch.records)
        time.sleep(0.3 if batch.records else 0)
    assert arrived == 3


def test_offsets_that_go_round_are_an_error() -> None:
    """A log that is back at an earlier offset would be read for ever."""
    body = control(EARLIEST) + b"".join(result("a") + control(offset) for offset in ("o1", "o2", "o1"))
    with pytest.raises(UnexpectedResponseError, match="offset o1 for the second time"):
        list(reader_of(lambda cursor, end: [body]))


def test_a_heartbeat_at_an_old_offset_is_no_circle() -> None:
    """A connection that begins before its offset may stay a while at each offset on its path."""
    first = [control(EARLIEST), result("a"), control("o1"), result("b"), control("o2")]
    resumed = [control(offset) for offset in ("o2", "o1", "o1", "o2")] + [result("c"), control("o3")]
    bodies = {EARLIEST: first, "o2": resumed}
    reader = reader_of(lambda cursor, end: bodies.get(cursor, [control(cursor)]))
    assert [json.loads(row)["data"]["content"] for row in rows_of(reader)] == ["a", "b", "c"]


def test_old_offsets_in_a_circle_are_an_error() -> None:
    """A connection that never comes from earlier offsets to its own one would be read for ever."""
    first = [control(EARLIEST), *(result("a") + control(f"o{number}") for number in range(1, 4))]
    circle = [control(f"o{number}") for number in (1, 2)] * 10
    bodies = {EARLIEST: first, "o3": [control("o3"), *circle]}
    with pytest.raises(UnexpectedResponseError, match=r"offset o. for the second time"):
        list(reader_of(lambda cursor, end: bodies.get(cursor, [control(cursor)])))


def test_live_results_are_read_up_to_the_moment_that_the_read_began() -> None:
    """A collector that also receives live results is not read for ever."""

    def bodies(cursor: str, end_behaviour: str) -> Iterator[bytes]:
        number = 0 if cursor == EARLIEST else int(cursor[1:])
        yield control(cursor)
        late = b'{"data":{"search_indexed":%d}}' % (time.time() * 1000 + (60_000 if number else -60_000))
        yield b'{"chunk_type":"CT_RESULT","chunk_result":{"data":%b}}\n' % late + control(f"o{number + 1}")

    assert len(rows_of(reader_of(bodies))) == 2
