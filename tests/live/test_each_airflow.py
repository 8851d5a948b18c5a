"""What must work on each Airflow that is promised; ``python -m tests.matrix`` runs these in all of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from airflow import __version__
from packaging.version import Version
from playwright.sync_api import expect

from tests.live.browser import browser
from tests.live.exports_site import PATIENCE, Site
from tests.live.pipeline import Live, Run
from tests.simulator_process import running_simulator
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.stack import AirflowStack

pytestmark = [pytest.mark.live, pytest.mark.matrix]

CONNECTION = "each_airflow"
DAYS = ("2024-05-01", "2024-05-03")
OTHER_DAYS = ("2024-06-01", "2024-06-03")
HELD = 10_000_000
TRIGGERS_HEAR_OF_KILLS = Version(__version__) >= Version("3.3")


@pytest.fixture(scope="module")
def live(stack: AirflowStack) -> Iterator[Live]:
    """The Airflow of all live tests, with a Talkwalker of its own."""
    settings = ("--queue-seconds", "0", "--results-per-second", "null", "--reads-per-minute", "null")
    with running_simulator(*settings, "--results-per-day", "60") as talkwalker:
        stack.api.create_connection(
            connection_id=CONNECTION,
            conn_type="talkwalker",
            host=talkwalker.url,
            password=talkwalker.token,
            extra=json.dumps({"project_id": talkwalker.project_id}),
        )
        yield Live(stack, talkwalker)


@pytest.fixture(scope="module")
def landed(live: Live) -> Run:
    """A run that has landed."""
    run = start(live, "each-landed", DAYS)
    assert run.wait_for_end() == "success"
    return run


@pytest.fixture(scope="module")
def killed(live: Live, landed: Run) -> Run:
    """A run that somebody marked failed while it waited for an export in the triggerer."""
    live.talkwalker.settings(queue_seconds=HELD)
    run = start(live, "each-killed", OTHER_DAYS)
    run.wait_for("wait_for_export", "deferred")
    # a trigger that has not begun hears of nothing
    since = polls(live)
    wait_until(lambda: polls(live) > since)
    run.mark("wait_for_export", "failed")
    assert run.wait_for_end() == "failed"
    return run


@pytest.fixture
def site(live: Live) -> Iterator[Site]:
    """Airflow in a browser, where everybody is an admin."""
    with browser() as chromium, chromium.new_context(viewport={"width": 1280, "height": 800}) as context:
        context.set_default_timeout(PATIENCE)
        found = Site(live.stack.url, context, context.new_page())
        # 3.1.8 logs its only user in here, and then leads back to here
        found.page.goto(live.stack.url)
        found.page.get_by_role("link", name="Exports").wait_for()
        found.page.on("pageerror", lambda error: found.errors.append(str(error)))
        yield found


def start(live: Live, name: str, days: tuple[str, str]) -> Run:
    """Trigger the pipeline with the Talkwalker of these tests."""
    scope = {"project_id": live.talkwalker.project_id, "talkwalker_conn_id": CONNECTION}
    return live.start("live_export", name, days, **scope)


def polls(live: Live) -> int:
    """Return how often somebody asked for the state of all exports."""
    asked = live.talkwalker.ledger()["requests"]
    return len([each for each in asked if each["path"] == "/api/v3/tasks/export"])


def test_an_export_is_bought_waited_for_and_landed(landed: Run) -> None:
    """A run goes through scheduler, executor and triggerer, and lands each result that was paid, once."""
    landed.check_landed_once()


@pytest.mark.skipif(not TRIGGERS_HEAR_OF_KILLS, reason="Airflow below 3.3 tells no trigger of it")
def test_a_deferred_wait_that_is_marked_failed_aborts_its_export(killed: Run) -> None:
    """Nobody pays for an export that nobody waits for."""
    wait_until(lambda: killed.export["status"] == "aborted")


@pytest.mark.skipif(TRIGGERS_HEAR_OF_KILLS, reason="the export is aborted")
def test_what_a_wait_that_is_marked_failed_leaves_is_adopted(killed: Run, live: Live) -> None:
    """The export goes on; the next run of the window takes it, and it is paid once."""
    live.talkwalker.settings(queue_seconds=0)
    run = start(live, "each-next", OTHER_DAYS)
    assert run.wait_for_end() == "success"
    assert run.export_id == killed.export_id
    run.check_landed_once()


def test_the_page_shows_the_export(site: Site, landed: Run) -> None:
    """The plugin's page loads in Airflow's UI and has the export."""
    site.go()
    expect(site.row(landed.export_id)).to_be_visible()
    # not on Airflow's own pages: the editor in the form of 3.2.0 loads a program from the internet
    assert site.errors == []
    site.picture(f"each-{__version__}")


def test_a_connection_is_made_by_its_form(site: Site, live: Live) -> None:
    """The form offers Talkwalker, takes address and token, and Airflow stores them."""
    site.connect("by_form", "Talkwalker", {"host": live.talkwalker.url, "password": live.talkwalker.token})
    stored = live.stack.api.connection("by_form")
    assert (stored["conn_type"], stored["host"]) == ("talkwalker", live.talkwalker.url)
