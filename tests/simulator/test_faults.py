"""Queued faults happen to the requests that match, as often as requested, and the ledger shows them."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.simulator.conftest import (
    Api,
    document_of,
    is_result,
    key_of,
    lines,
    offset_of,
    shape_of,
)
from tests.waiting import wait_until

INFO = "/api/v1/search/info"
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def _body_until_broken(api: Api) -> bytes:
    got: list[bytes] = []
    with api.read(stream=True) as response, pytest.raises(BROKEN):
        got.extend(response.iter_content(None))
    return b"".join(got)


def test_faults_apply_to_what_they_match(api: Api) -> None:
    """A fault waits for its method, path, skip and times, and is then removed."""
    api.simulator.faults(
        {"match": {"method": "GET", "path": "info$"}, "skip": 1, "times": 2, "fault": "error", "code": 8}
    )
    api.call("GET", "/api/v1/status/credits")
    assert [api.call("GET", INFO).status_code for _ in range(4)] == [200, 401, 401, 200]
    assert api.simulator.control("faults") == {"faults": []}


def test_faults_can_be_removed(api: Api) -> None:
    """DELETE removes the faults that wait."""
    api.simulator.faults({"fault": "drop"})
    assert api.simulator.control("faults", method="DELETE") == {"faults": []}
    assert api.call("GET", INFO).ok


@pytest.mark.parametrize(("code", "status"), [(1, 500), (8, 401), (9, 401), (11, 403), (30, 429)])
def test_errors(api: Api, code: int, status: int) -> None:
    """Any error of the vendor's table can be queued, with any Retry-After."""
    api.simulator.faults({"fault": "error", "code": code, "retry_after": 7, "details": {"why": "test"}})
    response = api.call("GET", INFO)
    assert (response.status_code, response.json()["status_code"]) == (status, str(code))
    assert response.headers["retry-after"] == "7"
    assert response.json()["result_error"]["data"] == [{"key": "why", "value": ["test"]}]


def test_responses_of_a_proxy(api: Api) -> None:
    """HTML, garbage and redirects can be queued."""
    api.simulator.faults(
        {"fault": "html"},
        {"fault": "garbage"},
        {"fault": "redirect", "location": "http://x.test/", "status": 307},
    )
    html, garbage, redirect = (api.call("GET", INFO) for _ in range(3))
    assert (html.status_code, html.headers["content-type"][:9]) == (502, "text/html")
    assert garbage.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        garbage.json()
    assert (redirect.status_code, redirect.headers["location"]) == (307, "http://x.test/")


def test_lost_answer(api: Api) -> None:
    """After a lost response the client knows nothing, and the ledger has one task and one charge."""
    api.collector()
    api.simulator.faults({"match": {"method": "POST", "path": "export$"}, "fault": "lost_answer"})
    with pytest.raises(requests.ConnectionError):
        api.order(limit=10)
    ledger = api.simulator.ledger()
    assert [export["exported"] for export in ledger["exports"]] == [10]
    assert ledger["credits"]["charged_total"] == 10
    assert ledger["requests"][-1]["status"] is None


def test_drop_does_nothing(api: Api) -> None:
    """A dropped request leaves no task."""
    api.collector()
    api.simulator.faults({"match": {"method": "POST"}, "fault": "drop"})
    with pytest.raises(requests.ConnectionError):
        api.order()
    assert api.simulator.ledger()["exports"] == []


def test_delay_and_hang(api: Api) -> None:
    """A response can be late, or never come."""
    api.simulator.faults({"fault": "delay", "seconds": 0.3}, {"fault": "hang"})
    began = time.monotonic()
    assert api.call("GET", INFO).ok
    assert time.monotonic() - began >= 0.3
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{api.simulator.url}{INFO}", timeout=0.3)


@pytest.mark.parametrize("status", ["unknown", "paused_by_admin", "failed"])
def test_any_status(api: Api, status: str) -> None:
    """An export can show any status, once."""
    task_id = api.export(limit=5)
    api.simulator.faults({"match": {"path": "tasks"}, "fault": "status", "status": status})
    assert [api.task(task_id)["status"] for _ in range(2)] == [status, "result_limit_reached"]


def test_missing_from_list(api: Api) -> None:
    """An export can be missing from the list."""
    one, two = api.export(limit=5), api.export(limit=6)
    api.simulator.faults({"fault": "missing_from_list", "export_id": one})
    listed = api.call("GET", "/api/v3/tasks/export").json()["result_tasks"]["tasks"]
    assert [task["id"] for task in listed] == [two]


def test_cut_after_bytes(api: Api) -> None:
    """A body can end after any byte, without an end."""
    api.export()
    api.simulator.faults({"match": {"path": "results"}, "fault": "cut", "after_bytes": 54_321})
    assert len(_body_until_broken(api)) == 54_321


@pytest.mark.parametrize("mid_line", [True, False])
def test_cut_after_results(api: Api, mid_line: bool) -> None:
    """A body can end after so many results, at the end of a line or inside the next one."""
    api.export()
    api.simulator.faults(
        {"match": {"path": "results"}, "fault": "cut", "after_results": 150, "mid_line": mid_line}
    )
    body = _body_until_broken(api)
    assert sum(map(is_result, body.split(b"\n")[:-1])) == 150
    assert body.endswith(b"\n") is not mid_line


def _read_with(api: Api, limit: int = 300, **fault: Any) -> list[bytes]:
    api.export(limit=limit)
    api.simulator.faults({"match": {"path": "results$"}, **fault})
    return lines(api.read().content)


def test_ct_error(api: Api) -> None:
    """A read can end with an error chunk in a body of status 200."""
    got = _read_with(api, fault="ct_error", after_results=120, code=25, message="gone")
    assert got[-1] == b'{"chunk_type":"CT_ERROR","chunk_error":{"status_code":"25","status_message":"gone"}}'
    assert sum(map(is_result, got)) == 120


def test_no_final_control(api: Api) -> None:
    """A read can end without its last control."""
    assert is_result(_read_with(api, fault="no_final_control")[-1])


def test_duplicates(api: Api) -> None:
    """Single results or whole blocks can be delivered twice."""
    results = [line for line in _read_with(api, fault="duplicate", every=3) if is_result(line)]
    assert (len(results), len(set(results))) == (400, 300)
    api.simulator.faults({"fault": "duplicate", "block": True})
    again = [line for line in lines(api.read().content) if is_result(line)]
    assert len(set(again)) == 300
    assert len(again) > 500


def test_foreign_rows(api: Api) -> None:
    """Results of another export can be added."""
    results = [line for line in _read_with(api, fault="foreign", every=100) if is_result(line)]
    owners = [document_of(line)["matched"]["task_id"] for line in results]
    assert owners.count("ffffffff-ffff-4fff-8fff-ffffffffffff") == 3


def test_strange_lines(api: Api) -> None:
    """Unknown chunks, garbage and very long lines can be added, and no result is lost or changed."""
    plain = _read_with(api, limit=5, fault="unknown_chunk", after_results=2)
    assert plain[3].startswith(b'{"chunk_type":"CT_NEWS"')
    api.simulator.faults(
        {"fault": "garbage_line"}, {"fault": "long_line", "bytes": 300_000, "after_results": 1}
    )
    assert lines(api.read().content)[1] == b"<<<not json>>>"
    padded = lines(api.read().content)
    assert max(map(len, padded)) > 300_000
    long = max(padded, key=len)
    assert b'{"' + long[long.index(b'",') + 3 :] == plain[2]


def test_wrong_echo(api: Api) -> None:
    """The first control can have another offset than the requested one."""
    got = _read_with(api, limit=5, fault="wrong_echo")
    assert offset_of(got[0]) == "EgEB"
    assert offset_of(got[-1]) != "EgEB"


def test_wait_ends_early(api: Api) -> None:
    """A wait read can end properly before everything is sent."""
    api.export(limit=300)
    api.simulator.faults({"fault": "wait_ends_early", "after_results": 30})
    assert shape_of(api.read(end="wait").content) == ["earliest", 30]


def test_stuck_keepalive(api: Api) -> None:
    """A wait read can send only blank lines although there are results."""
    api.export(limit=300)
    api.simulator.faults({"fault": "stuck_keepalive", "seconds": 0.05})
    with api.read(end="wait", stream=True) as response:
        stream = response.iter_lines(chunk_size=1)
        assert [next(stream) for _ in range(4)][1:] == [b"", b"", b""]


def test_slow(api: Api) -> None:
    """A body can be slow."""
    began = time.monotonic()
    got = _read_with(api, limit=10, fault="slow", bytes_per_second=60_000)
    assert len({key_of(line) for line in got if is_result(line)}) == 10
    assert time.monotonic() - began > 0.2


def test_ledger_keeps_no_secrets(api: Api) -> None:
    """The ledger has methods, paths, templates and statuses, but no token."""
    api.export(limit=5)
    ledger = api.simulator.ledger()
    assert "demo-token" not in str(ledger)
    last = ledger["requests"][-1]
    assert (last["method"], last["status"], last["code"]) == ("POST", 200, "0")
    assert ledger["counts"]["POST /api/v3/stream/p/{project_id}/export"] == 1


def test_reset(api: Api) -> None:
    """A reset restores collectors, exports, faults, time, settings and the ledger."""
    api.export(limit=5)
    api.simulator.advance(1000)
    api.simulator.faults({"fault": "drop", "times": None})
    api.simulator.reset()
    ledger = api.simulator.ledger()
    assert (ledger["requests"], ledger["exports"], ledger["credits"]["charged_total"]) == ([], [], 0)
    assert abs(api.simulator.control("time")["offset_seconds"]) < 1
    assert api.simulator.settings()["queue_seconds"] == 2.0
    assert api.call("GET", "/api/v3/stream/c/box").status_code == 404


def test_a_client_may_disconnect(api: Api) -> None:
    """The simulator serves other requests after the client of a wait read disconnects."""
    api.collector()
    api.read(end="wait", stream=True).close()
    wait_until(lambda: api.call("GET", INFO).ok)
