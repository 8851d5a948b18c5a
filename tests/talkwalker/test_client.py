"""The Talkwalker client against the simulator, over a socket."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pendulum
import pytest

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.exceptions import (
    ConnectionConfigError,
    InvalidRequestError,
    NotFoundError,
    RetriableError,
    ThrottledError,
    TransientError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder, ExportStatus, ExportTask
from tests.service_clients import JANUARY
from tests.waiting import QUICK

if TYPE_CHECKING:
    from tests.simulator_process import Simulator


def test_projects_and_credits_come_as_records(client: TalkwalkerClient, simulator: Simulator) -> None:
    """Account and credits come as records."""
    assert simulator.project_id in [project.id for project in client.list_projects()]
    assert client.get_credits().remaining == 1_000_000


def test_collector_is_created_found_and_deleted(client: TalkwalkerClient) -> None:
    """A new collector is PAUSED, can be read and listed, and is missing after it is deleted."""
    assert client.put_collector("box").state == "PAUSED"
    assert client.get_collector("box").created is not None
    assert [collector.id for collector in client.list_collectors()] == ["box"]
    client.delete_collector("box")
    with pytest.raises(NotFoundError):
        client.get_collector("box")


@pytest.mark.parametrize("scope", ["project", "stream", "query"])
def test_orders_exports_in_three_scopes(scope: str, client: TalkwalkerClient, simulator: Simulator) -> None:
    """Project, stream and query each have their own address, and all end with results."""
    scopes: dict[str, dict[str, Any]] = {
        "project": {"project_id": simulator.project_id, "topics": simulator.topic_ids[:1]},
        "stream": {"stream_id": simulator.stream_id},
        "query": {"query": "coffee"},
    }
    client.put_collector("box")
    task = client.create_export(ExportOrder(JANUARY, limit=50, **scopes[scope]), "box")
    assert task.collector_id == "box"
    ended = client.get_export(task.id)
    assert ended.status is ExportStatus.RESULT_LIMIT_REACHED
    assert ended.exported() == 50
    (ordered,) = simulator.ledger()["exports"]
    assert (ordered["start"], ordered["stop"]) == (1704067200000, 1706745600000)


def test_counts_exported_results_without_a_count_of_the_service(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """Where `ready` is absent, `processed` counts up to the limit; the total comes from progress."""
    simulator.settings(ready_field=False)
    client.put_collector("box")
    order = ExportOrder(JANUARY, project_id=simulator.project_id, limit=1_000)
    task = client.get_export(client.create_export(order, "box").id)
    assert task.ready is None
    assert task.processed > 1_000
    assert task.exported(limit=1_000) == 1_000
    assert task.exported() is None
    assert task.estimated_total(limit=1_000) == simulator.ledger()["exports"][0]["total_matches"]


def test_abort_ends_an_export(client: TalkwalkerClient, simulator: Simulator, order: ExportOrder) -> None:
    """An aborted export is lost, and the list says so."""
    simulator.settings(queue_seconds=3600)
    client.put_collector("box")
    task = client.create_export(order, "box")
    assert task.is_unfinished
    client.abort_export(task.id)
    (listed,) = client.list_exports()
    assert listed.status.is_lost
    assert not listed.is_adoptable


@pytest.mark.parametrize("wire", ["finished", "FINISHED", "Finished"])
def test_status_is_compared_without_regard_to_case(wire: str) -> None:
    """The wire says lower case, the documents upper case."""
    assert ExportTask.from_json({"id": "1", "status": wire}).status.has_results


@pytest.mark.parametrize("wire", ["paused_by_admin", "undocumented"])
def test_undocumented_status_answers_questions_and_fails_closed_by_name(wire: str) -> None:
    """It may still cost and counts as paid, but has no results; code that must not continue names it in an error."""
    task = ExportTask.from_json({"id": "1", "status": wire, "processed": 5})
    status = task.status
    assert (status.is_documented, status.has_results, status.is_truncated, status.is_lost) == (False,) * 4
    assert (task.is_unfinished, task.is_adoptable, task.exported()) == (True, True, None)
    with pytest.raises(UnexpectedResponseError, match=wire):
        task.check_status()


@pytest.mark.parametrize("status", [status for status in ExportStatus if status.is_documented])
def test_documented_statuses_pass_the_check(status: ExportStatus) -> None:
    """However the service writes them."""
    ExportTask.from_json({"id": "1", "status": status.upper()}).check_status()


@pytest.mark.parametrize("status", ["unknown", "queued", "running", None])
def test_these_statuses_wait(status: str | None) -> None:
    """Exports that are unknown, queued, running or without a status may still finish."""
    assert ExportTask.from_json({"id": "1", "status": status}).is_unfinished


def test_export_survives_json() -> None:
    """The sensor reads from the trigger's event what the service reported."""
    task = ExportTask.from_json(
        {
            "id": "1",
            "target": "box",
            "status": "finished",
            "processed": 6,
            "progress": 1,
            "messages": "all well",
        }
    )
    assert ExportTask.from_json(task.to_json()) == task


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stream_id": "s"}, "choose one"),
        ({"project_id": None}, "Give a query, a project_id or a stream_id"),
        ({"project_id": None, "query": "q", "topics": ("t",)}, "topics belong to a project"),
        ({"limit": 0}, r"not between 1 and 1,000,000"),
        ({"limit": 1_000_001}, r"not between 1 and 1,000,000"),
    ],
)
def test_impossible_orders_are_refused(change: dict[str, Any], words: str, order: ExportOrder) -> None:
    """The error of an impossible order says what is wrong, before anything is sent."""
    with pytest.raises(InvalidRequestError, match=words):
        replace(order, **change)


def test_empty_window_is_refused() -> None:
    """A window needs time between its edges."""
    with pytest.raises(InvalidRequestError, match="empty"):
        Window(JANUARY.start, JANUARY.start)


@pytest.mark.parametrize("collector_id", ["", "Box", "1box", "box/..", "box id", "böx"])
def test_collector_ids_follow_the_vendor_rule(
    collector_id: str, client: TalkwalkerClient, order: ExportOrder, simulator: Simulator
) -> None:
    """An id against the rule is refused before anything is sent."""
    with pytest.raises(InvalidRequestError, match="not a collector id"):
        client.create_export(order, collector_id)
    assert simulator.ledger()["requests"] == []


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("http://api.talkwalker.com", "clear text"),
        ("http://127.0.0.1.example.com", "clear text"),
        ("ftp://api.talkwalker.com", "not a URL"),
        ("api.talkwalker.com", "not a URL"),
        ("https://user:pw@api.talkwalker.com", "login or a query"),
        ("https://api.talkwalker.com/?access_token=1", "login or a query"),
    ],
)
def test_unsafe_hosts_are_refused(host: str, words: str) -> None:
    """The token goes over https, or to this machine, and nowhere else."""
    with pytest.raises(ConnectionConfigError, match=words):
        TalkwalkerClient("token", host)


def test_missing_token_is_refused() -> None:
    """A connection without a token is an error before any call."""
    with pytest.raises(ConnectionConfigError, match="no access token"):
        TalkwalkerClient("", "https://api.talkwalker.com")


@pytest.mark.parametrize(
    "location", ["https://elsewhere.example.com/x", "//elsewhere.example.com/x", "/other"]
)
def test_redirects_are_refused(location: str, client: TalkwalkerClient, simulator: Simulator) -> None:
    """The token follows no redirect."""
    simulator.faults({"fault": "redirect", "location": location})
    with pytest.raises(ConnectionConfigError, match="redirects"):
        client.get_credits()


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "html", "status": 502},
        {"fault": "drop"},
        {"fault": "error", "code": 1},
        {"fault": "error", "code": 8},
        {"fault": "error", "code": 8, "http": 429},
        {"fault": "error", "code": 30},
    ],
)
def test_repeatable_calls_are_repeated(
    fault: dict[str, Any], client: TalkwalkerClient, simulator: Simulator
) -> None:
    """A passing fault costs time, not the call."""
    simulator.faults(fault | {"times": 2})
    assert client.get_credits().remaining == 1_000_000
    assert len(simulator.ledger()["requests"]) == 3


def test_retries_are_bounded(client: TalkwalkerClient, simulator: Simulator) -> None:
    """A fault that does not pass is raised as what it is, after as many tries as the policy says."""
    simulator.faults({"fault": "html", "status": 502, "times": 100})
    with pytest.raises(TransientError, match="unavailable"):
        client.get_credits()
    assert len(simulator.ledger()["requests"]) == QUICK.retry.attempts


def test_retry_after_is_honoured(client: TalkwalkerClient, simulator: Simulator) -> None:
    """The service decides when to retry."""
    simulator.faults({"fault": "error", "code": 8, "retry_after": 7, "times": 1})
    once = TalkwalkerClient(
        simulator.token, simulator.url, replace(QUICK, retry=replace(QUICK.retry, throttled_for=0))
    )
    with pytest.raises(ThrottledError) as raised:
        once.get_credits()
    assert raised.value.retry_after == 7


@pytest.mark.parametrize(
    "fault", [{"fault": "html", "status": 502}, {"fault": "drop"}, {"fault": "error", "code": 8}]
)
def test_the_call_that_buys_is_sent_once(
    fault: dict[str, Any], client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """Whatever happens to the order, the client does not repeat it."""
    client.put_collector("box")
    simulator.faults(fault | {"match": {"method": "POST"}})
    with pytest.raises(RetriableError):
        client.create_export(order, "box")
    assert len([call for call in simulator.ledger()["requests"] if call["method"] == "POST"]) == 1


def test_a_response_from_another_service_is_an_error(client: TalkwalkerClient, simulator: Simulator) -> None:
    """A 200 with a body that is not the service's is an error, not an empty result."""
    simulator.faults({"fault": "garbage"})
    with pytest.raises(UnexpectedResponseError):
        client.get_credits()


ODD_ENTRIES: dict[str, Any] = {
    "null": None,
    "text": "an export",
    "number": 5,
    "list": [],
    "empty": {},
    "no id": {"target": "elsewhere", "status": "running"},
    "null id": {"id": None, "status": "finished"},
    "id that is an object": {"id": {"value": 1}, "status": "finished"},
    "date of another kind": {"id": "odd", "creation_date": "yesterday"},
    "date beyond all calendars": {"id": "odd", "creation_date": 10**30},
    "numbers of another kind": {"id": "odd", "processed": {"count": 1}, "ready": [], "progress": "half"},
    "numbers as text": {"id": "odd", "processed": "5", "ready": "4", "progress": "0.5", "creation_date": "0"},
    "target and status of another kind": {"id": "odd", "target": 7, "status": 9, "messages": 3},
}


@pytest.mark.parametrize("entry", [pytest.param(entry, id=name) for name, entry in ODD_ENTRIES.items()])
def test_an_odd_entry_in_the_list_does_not_hide_the_others(
    entry: Any, client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """The other exports of the account are listed, whatever one entry looks like."""
    client.put_collector("box")
    task = client.create_export(order, "box")
    simulator.faults({"fault": "odd_entry", "match": {"path": "/tasks/export$"}, "entry": entry})
    listed = client.list_exports("box")
    assert [each.id for each in listed if each.id != "odd"] == [task.id]
    assert all((each.collector_id, each.created) != ("box", None) for each in listed)


def test_an_entry_without_collector_and_status_is_no_export(
    client: TalkwalkerClient, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """It would count as a running one, with all that an export can bring, and no budget could ever be kept."""
    entry = {"id": "odd", "target": None, "status": None, "processed": "many"}
    simulator.faults({"fault": "odd_entry", "match": {"path": "/tasks/export$"}, "entry": entry})
    assert client.list_exports() == []
    assert "export odd without a collector and a status" in caplog.text


def test_numbers_and_dates_are_read_also_as_text() -> None:
    """A service that quotes its numbers says the same."""
    task = ExportTask.from_json(ODD_ENTRIES["numbers as text"])
    assert (task.processed, task.ready, task.progress) == (5, 4, 0.5)
    assert task.created == pendulum.from_timestamp(0)


def test_an_unreadable_export_into_the_collector_asked_for_is_an_error(
    client: TalkwalkerClient, simulator: Simulator
) -> None:
    """It may be paid for, so nobody may conclude that there is none."""
    entry = {"target": "box", "status": "running"}
    simulator.faults({"fault": "odd_entry", "match": {"path": "/tasks/export$"}, "entry": entry})
    with pytest.raises(UnexpectedResponseError, match="without a readable id"):
        client.list_exports("box")


@pytest.mark.parametrize("segment", [".", ".."])
def test_a_path_cannot_be_climbed(segment: str, client: TalkwalkerClient, simulator: Simulator) -> None:
    """Such an id would order from everything, or ask for something else."""
    client.put_collector("box")
    for scope in ({"project_id": segment}, {"stream_id": segment}):
        with pytest.raises(InvalidRequestError, match="is not a Talkwalker id"):
            client.create_export(ExportOrder(JANUARY, **scope), "box")
    with pytest.raises(InvalidRequestError, match="is not a Talkwalker id"):
        client.histogram(ExportOrder(JANUARY, project_id=segment))
    with pytest.raises(InvalidRequestError, match="is not a Talkwalker id"):
        client.abort_export(segment)
    assert [call["method"] for call in simulator.ledger()["requests"]] == ["PUT"]
