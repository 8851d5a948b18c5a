"""Behaviours that no document describes: each is a switch, and one option turns all of them on."""

from __future__ import annotations

import itertools
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_twexport.simulator.adobe.settings import AdobeSettings
from airflow_provider_twexport.simulator.talkwalker.settings import TalkwalkerSettings
from airflow_provider_twexport.simulator.x.settings import XSettings
from tests.simulator.conftest import Api, is_result, lines, live_lines, offset_of
from tests.simulator_process import ROOT, running_simulator
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

SERVICES = (TalkwalkerSettings, XSettings, AdobeSettings)


def heartbeats(api: Api, kind: str) -> list[bytes]:
    """Return the first two heartbeats of a `wait` read that has nothing to say."""
    api.collector()
    api.simulator.settings(heartbeat=kind, keepalive_seconds=0.05)
    with api.read(end="wait", stream=True) as response:
        return list(itertools.islice(live_lines(response), 3))[1:]


def hostile_switches(*, on: bool = True) -> dict[str, Any]:
    """Return what `--hostile` changes, of all services."""
    return {name: value for service in SERVICES for name, value in service.hostile(on).items()}


@pytest.mark.slow
def test_the_option_turns_all_of_them_on() -> None:
    """`--hostile` sets each switch to its hostile value; options for single ones win."""
    with running_simulator("--hostile", "--list-keeps", "5", "--credits", "77") as simulator:
        settings = simulator.settings()
    assert settings.items() >= (hostile_switches() | {"list_keeps": 5, "credits": 77}).items()


def test_the_control_plane_turns_all_of_them_on_and_off(simulator: Simulator) -> None:
    """The other settings stay as they are, and single ones may be given with it."""
    before = simulator.settings()
    changed = simulator.settings(hostile=True, list_keeps=5)
    assert changed == before | hostile_switches() | {"list_keeps": 5}
    assert simulator.settings(hostile=False) == before | hostile_switches(on=False)


def test_every_hostile_value_differs_from_the_default() -> None:
    """So the option changes each of them."""
    hostile, usual = hostile_switches(), hostile_switches(on=False)
    assert [name for name in hostile if hostile[name] == usual[name]] == []
    for service in SERVICES:
        assert service().changed(service.hostile()).to_json().items() >= service.hostile().items()


def test_the_docs_list_all_of_them() -> None:
    """With the value of each."""
    page = (ROOT / "docs/simulator.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)` \| `.+?` \| `(.+?)` \|", page, re.MULTILINE))
    spelled = {True: "true", False: "false"}
    assert listed == {
        name: spelled[value] if isinstance(value, bool) else str(value)
        for name, value in hostile_switches().items()
    }


def test_heartbeats(api: Api) -> None:
    """They are blank lines, or the last control again, or controls with new offsets."""
    assert heartbeats(api, "blank") == [b"", b""]
    assert [offset_of(line) for line in heartbeats(api, "control")] == ["earliest", "earliest"]
    moving = [offset_of(line) for line in heartbeats(api, "moving_control")]
    assert len({"earliest", *moving}) == 3
    first, second, third = circle(api)
    assert first == third != second
    assert [offset_of(line) for line in lines(api.read(moving[1]).content)] == [moving[1]]


def circle(api: Api) -> list[str]:
    """Return the offsets of three heartbeats that go in a circle."""
    api.simulator.settings(heartbeat="circling_control", keepalive_seconds=0.05)
    with api.read(end="wait", stream=True) as response:
        return [offset_of(line) for line in itertools.islice(live_lines(response), 1, 4)]


def test_no_heartbeat(api: Api) -> None:
    """A `wait` read stays silent."""
    api.collector()
    api.simulator.settings(heartbeat="none", keepalive_seconds=0.05)
    with pytest.raises(requests.ConnectionError), api.read(end="wait", stream=True, timeout=0.5) as response:
        list(live_lines(response))


def test_a_wait_read_breaks_off(api: Api) -> None:
    """It ends after so many results, without a control."""
    api.simulator.settings(results_per_wait=150, control_every=100)
    api.export(limit=400)
    assert sum(map(is_result, lines(api.read(end="wait").content))) == 150


def test_reads_are_slow(api: Api) -> None:
    """The bytes of a read come at a speed."""
    api.export(limit=5)
    size = len(api.read().content)
    api.simulator.settings(bytes_per_second=size * 2)
    before = time.monotonic()
    assert len(api.read().content) == size
    assert time.monotonic() - before >= 0.45


def test_answers_to_orders_are_lost(api: Api) -> None:
    """The connection breaks, and the export is there."""
    api.collector()
    api.simulator.settings(lost_answers=1)
    with pytest.raises(requests.ConnectionError):
        api.order()
    assert len(api.simulator.ledger()["exports"]) == 1


def test_the_list_of_collectors_lags(api: Api) -> None:
    """It shows a new collector late, which can be asked for by its id at once."""
    api.simulator.settings(collector_list_delay_seconds=60)
    api.collector()

    def listed() -> list[dict[str, str]]:
        return api.call("GET", "/api/v3/stream/info").json()["result_stream"]["collectors"]

    assert listed() == []
    assert api.call("GET", "/api/v3/stream/c/box").ok
    api.simulator.advance(61)
    assert [each["collector_id"] for each in listed()] == ["box"]


def test_odd_entries(api: Api) -> None:
    """They stand before the exports in the list, each of another kind."""
    task_id = api.export()
    api.simulator.settings(odd_entries=8)
    *odd, task = api.call("GET", "/api/v3/tasks/export").json()["result_tasks"]["tasks"]
    assert task["id"] == task_id
    assert len({json.dumps(entry) for entry in odd}) == 8


def test_forms_of_an_export(api: Api) -> None:
    """Statuses may be in upper case, and counts may be texts."""
    task_id = api.export(limit=5)
    api.simulator.settings(upper_case=True, numbers_as_text=True)
    task = api.task(task_id)
    assert (task["status"], task["ready"]) == ("RESULT_LIMIT_REACHED", "5")
    assert isinstance(task["progress"], str)


def test_an_answer_may_come_after_what_it_reports(api: Api) -> None:
    """An order is stored some time after it arrived, and answered some time after that."""
    api.simulator.settings(storage_seconds=0.2, answer_seconds=0.2)
    api.collector()
    before = time.time()
    api.order()
    created = wait_until(lambda: api.simulator.ledger()["exports"])[0]["created"]
    assert created - before >= 0.2
    assert time.time() - created >= 0.2
