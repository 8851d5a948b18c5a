"""Landing a collector whose rows repeat, come again, or are not as many as were exported."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.exceptions import IncompleteLandingError, ResultsExpiredError, RetriableError
from airflow_provider_twexport.storage.already_landed import read
from airflow_provider_twexport.storage.part_options import PartOptions
from airflow_provider_twexport.talkwalker.landing import CollectorLanding, open_landing, source_of
from airflow_provider_twexport.talkwalker.models import ExportOrder
from tests import captured
from tests.service_clients import JANUARY
from tests.storage.stream import landed_records
from tests.talkwalker.captured_collector import EXPORT_ID, serving
from tests.waiting import QUICK

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_twexport.storage import manifest
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from tests.simulator_process import Simulator

RESULTS = {"path": "/results$"}
# parts end at the first control
SMALL = PartOptions("jsonl", max_part_results=1)


def export(client: TalkwalkerClient, simulator: Simulator, limit: int = 1_000) -> str:
    """Fill the collector ``box`` and return the export's id."""
    client.put_collector("box")
    order = ExportOrder(JANUARY, project_id=simulator.project_id, limit=limit)
    return client.create_export(order, "box").id


def land(
    client: TalkwalkerClient, export_id: str, place: Any, repeats: Any = "keep", **options: Any
) -> manifest.Manifest:
    """Land an export as the operator does."""
    with open_landing(place, source_of("box", export_id, {}), SMALL, repeats=repeats) as landing:
        task = client.get_export(export_id)
        collector = CollectorLanding(client, "box", task, **options)
        return landing.committed or collector.land(landing)


def landed(place: Path) -> Counter[str]:
    """Return the digests of what a reader of the manifest sees, with their number."""
    return Counter(hashlib.sha256(record).hexdigest() for record in landed_records(place))


def truth(simulator: Simulator, *export_ids: str) -> Counter[str]:
    """Return the digests of what was exported, with their number."""
    return Counter(it["sha256"] for export_id in export_ids for it in simulator.documents(export_id))


def test_repeats_land_as_often_as_they_were_exported(
    client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """Half of an export repeats: each of its rows was paid for, arrives and is kept, also through a broken read."""
    simulator.settings(repeated_rows=0.5)
    export_id = export(client, simulator)
    simulator.faults({"match": RESULTS, "fault": "cut", "after_results": 730, "mid_line": True})
    found = land(client, export_id, tmp_path)
    expected = truth(simulator, export_id)
    assert (expected.total(), len(expected)) == (1_000, 500)
    assert landed(tmp_path) == expected
    assert (found.complete, found.results, found.exported, found.repeats) == (True, 1_000, 1_000, "keep")
    assert (found.repeats_dropped, found.duplicates_dropped) == (0, 0)
    assert simulator.ledger()["credits"]["charged_total"] == 1_000


def test_repeats_are_dropped_and_counted(
    client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """On request each different row lands once; the others count as arrived, so nothing is waited for."""
    simulator.settings(repeated_rows=0.5)
    export_id = export(client, simulator)
    found = land(client, export_id, tmp_path, "drop")
    assert landed(tmp_path) == Counter(set(truth(simulator, export_id)))
    assert (found.complete, found.results, found.exported, found.repeats) == (True, 500, 1_000, "drop")
    assert (found.repeats_dropped, found.duplicates_dropped) == (500, 0)


@pytest.mark.parametrize("repeats", ["keep", "drop"])
def test_a_retry_resumes_among_repeats(
    repeats: str, client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """What landed before the try broke off stays as it is, and the counts are those of one try."""
    simulator.settings(repeated_rows=0.5)
    export_id = export(client, simulator)
    broken = {"fault": "error", "code": 1, "times": 2 * QUICK.retry.attempts}
    simulator.faults({"match": RESULTS, "fault": "cut", "after_results": 730}, {"match": RESULTS} | broken)
    with pytest.raises(RetriableError):
        land(client, export_id, tmp_path, repeats)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("part-*")}
    found = land(client, export_id, tmp_path, repeats)
    expected = truth(simulator, export_id)
    assert landed(tmp_path) == (expected if repeats == "keep" else Counter(set(expected)))
    assert found.results + found.repeats_dropped == found.exported == 1_000
    assert len(before) >= 4
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in before} == before


@pytest.mark.slow
def test_rows_that_the_service_repeats_though_it_said_they_were_delivered(
    client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """More come than were exported, and each read breaks off, so of equal rows one lands: each row once."""
    export_id = export(client, simulator)
    simulator.settings(resume_overlap=50, results_per_wait=450)
    found = land(client, export_id, tmp_path)
    assert landed(tmp_path) == truth(simulator, export_id)
    assert (found.complete, found.results, found.repeats) == (True, 1_000, "drop")


@pytest.mark.parametrize("heartbeat", ["none", "moving_control", "circling_control"])
@pytest.mark.parametrize("repeats", ["keep", "drop"])
@pytest.mark.slow
def test_a_read_without_a_reconnect_decides_which_equal_rows_are_its_own(
    repeats: str, heartbeat: str, client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """An export repeats rows, and so does each resumed read: one that is not resumed brings each row once."""
    simulator.settings(repeated_rows=0.5, resume_overlap=50, heartbeat=heartbeat, keepalive_seconds=0.1)
    export_id = export(client, simulator)
    simulator.faults(
        {"match": RESULTS, "fault": "cut", "after_results": 450},
        {"match": RESULTS, "fault": "error", "code": 1, "skip": 3},
    )
    found = land(client, export_id, tmp_path, repeats)
    expected = truth(simulator, export_id)
    assert landed(tmp_path) == (expected if repeats == "keep" else Counter(set(expected)))
    assert (found.complete, found.exported, found.repeats) == (True, 1_000, repeats)


@pytest.mark.slow
@pytest.mark.parametrize("heartbeat", ["blank", "circling_control"])
def test_equal_rows_that_no_whole_read_tells_apart_are_not_guessed(
    heartbeat: str, client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """The error says that the deciding read broke off; a retry, which nothing breaks off, lands each row."""
    simulator.settings(repeated_rows=0.5, resume_overlap=50, results_per_wait=450)
    simulator.settings(heartbeat=heartbeat, keepalive_seconds=0.1)
    export_id = export(client, simulator)
    with pytest.raises(IncompleteLandingError, match=r"would decide it, but broke off: The read broke off"):
        land(client, export_id, tmp_path)
    simulator.settings(results_per_wait=None)
    assert land(client, export_id, tmp_path).complete
    assert landed(tmp_path) == truth(simulator, export_id)


@pytest.mark.slow
def test_a_retry_whose_read_begins_blocks_before_its_offset(
    client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """It comes to the offset that it was asked for once more, which is no circle; each row lands once."""
    export_id = export(client, simulator)
    simulator.settings(resume_overlap=250)
    broken = {"fault": "error", "code": 1, "times": 2 * QUICK.retry.attempts}
    simulator.faults({"match": RESULTS, "fault": "cut", "after_results": 730}, {"match": RESULTS} | broken)
    with pytest.raises(RetriableError):
        land(client, export_id, tmp_path)
    assert land(client, export_id, tmp_path).complete
    assert landed(tmp_path) == truth(simulator, export_id)


@pytest.mark.parametrize("repeats", ["keep", "drop"])
@pytest.mark.slow
def test_rows_of_an_aborted_duplicate_that_do_not_name_it(
    repeats: str, client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """They equal rows of the export that was kept: none is doubled, and none is lost."""
    simulator.settings(task_ids=False, results_per_second=100)
    duplicate = export(client, simulator)
    simulator.advance(3)
    client.abort_export(duplicate)
    simulator.settings(results_per_second=None)
    export_id = export(client, simulator, limit=10_000)
    found = land(client, export_id, tmp_path, repeats)
    expected = truth(simulator, export_id)
    assert found.complete
    assert landed(tmp_path) == expected
    assert found.results == found.exported == expected.total() > 3_000
    assert found.repeats_dropped == simulator.ledger()["exports"][0]["exported"] > 100


@pytest.mark.slow
def test_more_rows_than_can_be_explained_are_not_complete(
    client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """Repeats of its own and of a nameless duplicate look the same: an error, or all different rows."""
    simulator.settings(task_ids=False, repeated_rows=0.5)
    first, second = (export(client, simulator, limit) for limit in (200, 1_000))
    with pytest.raises(IncompleteLandingError, match=r"1,200 results came.*500 of them different") as raised:
        land(client, second, tmp_path)
    assert raised.value.facts["exported"] == 1_000
    assert not (tmp_path / "_manifest.json").exists()
    found = land(client, second, tmp_path, on_incomplete="warn")
    assert (found.complete, found.exported) == (False, 1_000)
    assert "another export" in (found.incomplete_because or "")
    assert landed(tmp_path) == Counter(set(truth(simulator, first, second)))


def test_fewer_rows_name_what_the_reasons_can_be(
    client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """After the log is drained: age, deletion, another reader, and rows that name another export, with numbers."""
    simulator.settings(ready_field=False)
    export_id = export(client, simulator, 300)
    client.delete_collector("box")
    client.put_collector("box")
    with pytest.raises(IncompleteLandingError) as raised:
        land(client, export_id, tmp_path, limit=300)
    for reason in (
        "Only 0 of 300",
        "older than 7 days",
        "deleted and created again",
        "another reader",
        "too high",
    ):
        assert reason in str(raised.value)
    simulator.settings(ready_field=True)
    other = export(client, simulator, 200)
    with pytest.raises(IncompleteLandingError, match="200 results name another export"):
        land(client, export_id, tmp_path)
    assert other != export_id


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_landing_that_lost_a_part_lands_again(
    damage: str,
    client: TalkwalkerClient,
    simulator: Simulator,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As long as the collector has the results, at no cost; the log names the part."""
    export_id = export(client, simulator, 500)
    part = tmp_path / land(client, export_id, tmp_path).parts[1].name
    part.unlink() if damage == "removed" else part.write_bytes(part.read_bytes()[:-1])
    caplog.clear()
    assert land(client, export_id, tmp_path).complete
    assert landed(tmp_path) == truth(simulator, export_id)
    assert f"{part.name} {'is missing' if damage == 'removed' else 'has'}" in caplog.text
    assert simulator.ledger()["credits"]["charged_total"] == 500


def test_a_landing_that_lost_a_part_for_good_stays_and_the_error_names_the_part(
    client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """Where the collector is gone, the other parts are all that is left, so they are not touched."""
    export_id = export(client, simulator, 500)
    parts = land(client, export_id, tmp_path).parts
    client.delete_collector("box")
    (tmp_path / parts[1].name).unlink()
    with pytest.raises(
        ResultsExpiredError, match=rf"{parts[1].name} is missing.*other parts are still there"
    ):
        land(client, export_id, tmp_path)
    assert {path.name for path in tmp_path.glob("part-*")} == {it.name for it in parts if it != parts[1]}


def test_a_landing_that_is_resumed_knows_which_rows_come_again(
    client: TalkwalkerClient, simulator: Simulator, tmp_path: Path
) -> None:
    """Rows after the last control are in an incomplete landing; the next read brings them again, and they land once."""
    simulator.settings(control_every=5_000, repeated_rows=0.5)
    export_id = export(client, simulator, 2_500)
    source, task = source_of("box", export_id, {}), client.get_export(export_id)
    with open_landing(tmp_path, source, SMALL) as landing:
        for batch in client.drain("box", export_id=export_id, missing=lambda: 2_000 - landing.arrived):
            landing.write(batch)
            if landing.arrived >= 2_000:
                break
        stopped = landing.commit(complete=False)
    assert (stopped.results, stopped.unconfirmed) == (2_000, 2_000)
    with open_landing(tmp_path, source, SMALL) as landing:
        found = CollectorLanding(client, "box", task).land(landing)
    assert (found.complete, found.repeats, found.duplicates_dropped) == (True, "keep", 2_000)
    assert landed(tmp_path) == truth(simulator, export_id)


@captured.is_needed
@pytest.mark.parametrize("heartbeats", [False, True])
@pytest.mark.parametrize(("repeats", "results"), [("keep", 712), ("drop", 356)])
def test_a_real_collector_that_two_exports_filled_lands_at_once(
    repeats: str, results: int, heartbeats: bool, tmp_path: Path
) -> None:
    """712 rows were exported and 356 are different: few reads suffice, however an open connection behaves."""
    with serving(heartbeats=heartbeats) as service:
        source = source_of("box", EXPORT_ID, {})
        with open_landing(tmp_path, source, SMALL, repeats=repeats) as landing:  # type: ignore[arg-type]
            found = CollectorLanding(service.client, "box", service.task).land(landing)
    assert (found.complete, found.exported, found.results) == (True, 712, results)
    assert found.results + found.repeats_dropped == 712
    assert service.reads <= 6
    keys: Counter[str] = Counter()
    read(tmp_path, lambda records: keys.update(json.loads(it)["data"]["url"] for it in records))
    assert set(keys.values()) == {results // 356}
