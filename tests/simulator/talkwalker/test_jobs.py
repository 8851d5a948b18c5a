"""Export tasks: life cycle, counts, credits, and which documents they deliver."""

from __future__ import annotations

import hashlib
import itertools
import math
import time
from datetime import UTC, datetime

import pytest

from tests.simulator.conftest import Api, data_of, document_of, key_of
from tests.simulator_process import running_simulator
from tests.waiting import wait_until

DAY = 86_400_000
NEW_YEAR = 1_704_067_200_000


def test_response_to_creation(api: Api) -> None:
    """The response to a new export has its id, the status queued, and a whole 0 as progress."""
    api.collector()
    task = api.order().json()["result_tasks"]["tasks"][0]
    assert task.keys() == {"creation_date", "type", "id", "processed", "progress", "target", "status"}
    assert (task["type"], task["status"], task["processed"], task["target"]) == ("export", "queued", 0, "box")
    assert task["progress"] == 0
    assert isinstance(task["progress"], int)


def test_life_cycle_follows_the_clock(api: Api) -> None:
    """An export is queued, then running, then finished, as simulated time passes."""
    api.simulator.settings(speed=0, queue_seconds=60, results_per_second=100)
    task_id = api.export()
    assert api.task(task_id)["status"] == "queued"
    api.simulator.advance(70)
    running = api.task(task_id)
    assert (running["status"], running["ready"]) == ("running", 1000)
    assert running["processed"] == 2000
    assert 0 < running["progress"] < 1
    api.simulator.advance(3600)
    finished = api.task(task_id)
    assert (finished["status"], finished["progress"]) == ("finished", 1.0)


def test_limit(api: Api) -> None:
    """At its limit an export ends as result_limit_reached, with exact progress below 1 and more results processed."""
    task_id = api.export(limit="1500")
    task = api.task(task_id)
    total = api.simulator.ledger()["exports"][0]["total_matches"]
    assert (task["status"], task["ready"], task["processed"]) == ("result_limit_reached", 1500, 2000)
    assert task["progress"] == 1500 / total
    assert len(api.read_all()) == 1500


def test_ready_may_be_absent(api: Api) -> None:
    """The field `ready` is a switch."""
    task_id = api.export()
    api.simulator.settings(ready_field=False)
    assert "ready" not in api.task(task_id)


def test_list_is_newest_first(api: Api) -> None:
    """The list has all tasks, newest first."""
    ids = [api.export(limit=limit) for limit in (1, 2, 3)]
    listed = api.call("GET", "/api/v3/tasks/export").json()["result_tasks"]["tasks"]
    assert [task["id"] for task in listed] == ids[::-1]


def listed(api: Api) -> list[str]:
    """Return the ids in the service's list."""
    tasks = api.call("GET", "/api/v3/tasks/export").json()["result_tasks"]["tasks"]
    return [task["id"] for task in tasks]


def test_the_list_may_lag_and_forget(api: Api) -> None:
    """Each has a switch; an export can be asked for by its id all the same."""
    api.simulator.settings(speed=0, list_delay_seconds=60, list_keeps=2)
    ids = [api.export(limit=limit) for limit in (1, 2, 3)]
    assert listed(api) == []
    assert api.task(ids[0])["id"] == ids[0]
    api.simulator.advance(60)
    assert listed(api) == ids[:0:-1]
    assert api.task(ids[0])["id"] == ids[0]


def test_creation_dates_may_be_coarse_and_wrong(api: Api) -> None:
    """Whole seconds, and a clock of their own, each by a switch; of exports and collectors alike."""
    api.simulator.settings(speed=0, whole_second_dates=True, clock_skew_seconds=-600)
    task_id = api.export()
    created = api.simulator.ledger()["exports"][0]["created"]
    shown = datetime.fromtimestamp(math.floor(created - 600), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert api.task(task_id)["creation_date"] == shown
    collector = api.call("GET", "/api/v3/stream/c/box").json()["result_stream"]["collectors"][0]
    assert collector["creation_date"] == shown


def test_abort_keeps_what_was_exported(api: Api) -> None:
    """The response to an abort has two fields; the export is aborted, and its results stay and are charged."""
    api.simulator.settings(speed=0, results_per_second=100)
    task_id = api.export()
    api.simulator.advance(5)
    deleted = api.call("DELETE", f"/api/v3/tasks/export/{task_id}").json()["result_tasks"]["tasks"]
    api.simulator.advance(500)
    assert deleted == [{"id": task_id, "status": "deleted"}]
    assert api.task(task_id)["status"] == "aborted"
    assert len(api.read_all()) == 500
    assert api.simulator.ledger()["credits"]["charged_by_reason"] == {"export": 500}


def test_credits_run_out(api: Api) -> None:
    """An export that uses up the credits fails with a message; the next one is refused with error 9."""
    api.simulator.settings(credits=100)
    task = api.task(api.export())
    assert (task["status"], task["ready"], task["messages"]) == ("failed", 100, ["No credits left."])
    refused = api.order()
    assert (refused.status_code, refused.json()["status_code"]) == (401, "9")
    credit = api.call("GET", "/api/v1/status/credits").json()["result_creditinfo"]
    assert (credit["remaining_credits_monthly"], credit["used_credits_monthly"]) == (0, 100)


def test_the_control_plane_lists_the_results(api: Api) -> None:
    """The control plane lists every result with the hash of its bytes."""
    task_id = api.export()
    expected = [row["sha256"] for row in api.simulator.documents(task_id)]
    assert [hashlib.sha256(data_of(line)).hexdigest() for line in api.read_all()] == expected
    assert api.simulator.ledger()["exports"][0]["charged"] == len(expected)


def test_parts_have_the_documents_of_the_whole(api: Api) -> None:
    """A window that is split, even within a day, delivers the same documents as the whole."""
    cuts = [NEW_YEAR, NEW_YEAR + DAY // 3, NEW_YEAR + 2 * DAY + 1, NEW_YEAR + 5 * DAY]
    whole = _keys(api, "whole", cuts[0], cuts[-1])
    parts = [_keys(api, f"part{n}", *cuts[n : n + 2]) for n in range(3)]
    assert sorted(whole) == sorted(itertools.chain(*parts))
    assert len(set(whole)) == len(whole) > 0


def test_topics_split_a_project(api: Api) -> None:
    """A topic selects a part of the project's documents, the same each time."""
    whole = set(_keys(api, "whole", NEW_YEAR, NEW_YEAR + DAY))
    topics = [
        set(_keys(api, f"t{n}", NEW_YEAR, NEW_YEAR + DAY, topics=[topic]))
        for n, topic in enumerate(api.simulator.topic_ids)
    ]
    assert set().union(*topics) == whole
    assert all(topic < whole for topic in topics)


def test_two_exports_differ_in_order_only(api: Api) -> None:
    """The same export twice delivers the same documents in another order, and is charged twice."""
    one, two = (_keys(api, name, NEW_YEAR, NEW_YEAR + 9 * DAY) for name in ("one", "two"))
    assert one != two
    assert sorted(one) == sorted(two)
    assert api.simulator.ledger()["credits"]["charged_total"] == len(one) + len(two)


@pytest.mark.parametrize("path", ["/api/v3/stream/s/demo-stream/export", "/api/v3/stream/export"])
def test_other_scopes(api: Api, path: str) -> None:
    """A stream or a query alone can be exported; the results have no highlights, but their task."""
    api.collector()
    body = {"start": NEW_YEAR, "stop": str(NEW_YEAR + DAY), "target": "box", "query": "cats AND dogs"}
    task_id = api.call("POST", path, json=body).json()["result_tasks"]["tasks"][0]["id"]
    results = api.read_all()
    assert {document_of(line)["matched"]["task_id"] for line in results} == {task_id}
    assert not any(b"highlighted_data" in line for line in results)


def test_histogram_counts_what_exports_deliver(api: Api) -> None:
    """The sum of a histogram is the number of results of its export, and it costs ten credits."""
    path = f"/api/v1/search/p/{api.simulator.project_id}/histogram/published"
    params = {"min": NEW_YEAR + 5, "max": NEW_YEAR + 40 * DAY, "interval": "week"}
    data = api.call("GET", path, params=params).json()["result_histogram"]["data"]
    assert api.simulator.ledger()["credits"]["charged_by_reason"] == {"histogram": 10}
    assert sum(bin["v"][0] for bin in data) == len(_keys(api, "box2", params["min"], params["max"]))
    assert {time.gmtime(bin["t"] / 1000).tm_wday for bin in data} == {0}


@pytest.mark.slow
def test_seed_decides_the_documents(api: Api) -> None:
    """The same seed has the same exports in another process, another seed has others."""
    ours = api.simulator.documents(api.export(limit=20))
    theirs = []
    for seed in ("1", "4"):
        with running_simulator(
            "--seed", seed, "--queue-seconds", "0", "--results-per-second", "null"
        ) as other:
            theirs.append(other.documents(Api(other).export(limit=20)))
    assert ours == theirs[0] != theirs[1]


@pytest.mark.slow
def test_ten_thousand_exports_are_listed(api: Api) -> None:
    """The list has no pages: it has all exports, however many there are."""
    api.simulator.settings(queue_seconds=3600)
    api.simulator.control(
        "exports", {"count": 10_000, "target": "box", "start": NEW_YEAR, "stop": NEW_YEAR + DAY}
    )
    listed = api.call("GET", "/api/v3/tasks/export").json()["result_tasks"]["tasks"]
    assert len(listed) == 10_000


def test_exports_into_one_collector_share_its_log(api: Api) -> None:
    """Exports that run at the same time interleave, and each result has the id of its task."""
    api.simulator.settings(speed=0, results_per_second=100)
    ids = [api.export(), api.export()]
    api.simulator.advance(5)
    task_ids = [document_of(line)["matched"]["task_id"] for line in api.read_all()]
    assert [task_ids.count(one) for one in ids] == [500, 500]
    assert len({*task_ids[:100]}) == 2


def test_deleting_the_target_fails_the_export(api: Api) -> None:
    """An export whose collector is gone fails."""
    api.simulator.settings(results_per_second=50)
    task_id = api.export()
    api.call("DELETE", "/api/v3/stream/c/box")
    wait_until(lambda: api.task(task_id)["status"] == "failed")


def _keys(api: Api, target: str, start: int, stop: int, **body: object) -> list[str]:
    task_id = api.export(target=target, start=start, stop=stop, **body)
    return [row["key"] for row in api.simulator.documents(task_id)]


def test_keys_are_those_of_the_results(api: Api) -> None:
    """The key in the control plane is the url, or the id at X."""
    task_id = api.export(stop="2024-01-02")
    expected = [row["key"].removeprefix("twitter:") for row in api.simulator.documents(task_id)]
    assert [key_of(line) for line in api.read_all()] == expected


def test_rows_may_repeat_and_be_nameless(api: Api) -> None:
    """Each by a switch: a quarter of an export repeats earlier rows byte for byte, and no row names its export."""
    api.simulator.settings(speed=0, repeated_rows=0.25, task_ids=False)
    rows = [item["sha256"] for item in api.simulator.documents(api.export(limit=400))]
    assert (len(rows), len(set(rows))) == (400, 300)
    assert all("task_id" not in str(row) for row in api.read_all())
