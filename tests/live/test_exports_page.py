"""The Exports page in a browser: a real Airflow with logins, below a prefix, and a real stand-in for Talkwalker."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from demo.api import AirflowApi
from demo.ports import free_port
from demo.stack import AirflowStack
from tests.live.browser import browser
from tests.live.pipeline import Live, Run, wait_until
from tests.simulator_process import running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.live

PREFIX = "/some/prefix"
ADA, VIC = ("ada", "password-of-ada"), ("vic", "password-of-vic")
PICTURES = Path(__file__).parents[2] / ".artifacts"
QUERY = "<img src=x onerror=\"document.title='broken into'\">"
PATIENCE = 60_000.0  # milliseconds
expect.set_options(timeout=PATIENCE)


@dataclass
class Site:
    """The page, as a browser finds it."""

    live: Live
    context: BrowserContext
    page: Page
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    @property
    def home(self) -> str:
        """Where Airflow is."""
        return f"{self.live.stack.url}{PREFIX}"

    def log_in(self, username: str, password: str) -> None:
        """Log in as a person does."""
        self.context.clear_cookies()
        self.page.goto(f"{self.home}/")
        self.page.fill("input[name=username]", username)
        self.page.fill("input[name=password]", password)
        self.page.keyboard.press("Enter")
        self.page.get_by_role("link", name="Exports").wait_for(timeout=PATIENCE)

    def go(self, path: str = "plugin/exports") -> None:
        """Open a page of Airflow."""
        self.page.goto(f"{self.home}/{path}")
        self.page.get_by_role("tab", name="Collectors").wait_for(timeout=PATIENCE)

    def row(self, export_id: str) -> Any:
        """Return the row of an export."""
        return self.page.get_by_role("row").filter(has_text=export_id)

    def exported(self, export_id: str) -> int:
        """Return how far an export is, as its bar says."""
        bar = self.row(export_id).get_by_role("progressbar")
        return int(bar.get_attribute("aria-valuenow") or 0) if bar.count() else 0

    def picture(self, name: str) -> None:
        """Keep what the page looks like."""
        PICTURES.mkdir(exist_ok=True)
        self.page.screenshot(path=PICTURES / f"exports-page-{name}.png")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """An Airflow with two users, whose exports last a while."""
    home, lake, port = tmp_path_factory.mktemp("page"), tmp_path_factory.mktemp("lake"), free_port()
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps(dict([ADA, VIC])))
    env = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "ada:admin,vic:viewer",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}{PREFIX}/execution/",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}{PREFIX}",
        # two servers that answer in turn, and know nothing of each other
        "AIRFLOW__API__WORKERS": "2",
        "AIRFLOW__TWEXPORT__LANDINGS": f"file://{lake}",
        "AIRFLOW__TWEXPORT__POLL_SECONDS": "1",
        "TWEXPORT_DESTINATION": f"file://{lake}",
    }
    stack = AirflowStack(home / "stack", Path(__file__).parent / "dags", port=port, env=env)
    stack.api = AirflowApi(f"{stack.url}{PREFIX}")
    settings = ("--queue-seconds", "0", "--results-per-second", "null", "--reads-per-minute", "null")
    with stack, running_simulator(*settings) as talkwalker:
        stack.api.log_in(*ADA)
        stack.api.create_connection(
            connection_id="talkwalker_default",
            conn_type="talkwalker",
            host=talkwalker.url,
            password=talkwalker.token,
        )
        yield Live(stack, talkwalker)


@pytest.fixture(scope="module")
def landed(live: Live) -> Run:
    """A run that has landed."""
    run = live.start("live_copy", "landed", ("2024-01-01", "2024-01-08"), query=QUERY)
    assert run.wait_for_end() == "success"
    return run


@pytest.fixture(scope="module")
def running(live: Live, landed: Run) -> Run:
    """A run that waits in the triggerer for a slow export."""
    live.talkwalker.settings(results_per_second=3)
    run = live.start("live_export", "slow", ("2024-02-01", "2024-03-01"), query="coffee")
    run.wait_for("wait_for_export", "deferred")
    return run


@pytest.fixture
def site(live: Live, running: Run) -> Iterator[Site]:
    """The page, seen by an admin."""
    with browser() as chromium:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(PATIENCE)
        found = Site(live, context, context.new_page())
        found.page.on("request", lambda request: found.hosts.add(re.split("[/?]", request.url)[2]))
        found.page.on("pageerror", lambda error: found.errors.append(str(error)))
        found.log_in(*ADA)
        yield found
        assert found.errors == []
        # nothing comes from elsewhere
        assert {host for host in found.hosts if host} == {f"127.0.0.1:{live.stack.port}"}


def test_the_progress_moves_while_no_worker_runs(site: Site, running: Run) -> None:
    """A deferred export's bar grows by itself; its row tells its run, and the button of the task leads to it."""
    site.go()
    expect(site.row(running.export_id)).to_contain_text("running")
    first = wait_until(lambda: site.exported(running.export_id))
    assert wait_until(lambda: site.exported(running.export_id) > first)
    expect(site.row(running.export_id)).to_contain_text(re.compile("a second .* left"))
    assert not running.holds_worker("wait_for_export")
    expect(site.row(running.export_id).get_by_role("link", name="live_export")).to_be_visible()
    site.picture("light")

    page = running.live.stack.api.links(running.dag_id, running.run_id, "export.wait_for_export")[
        "Exports page"
    ]
    site.go(page or "")
    expect(site.page.get_by_role("searchbox")).to_have_value(running.export_id)
    expect(site.page.locator("tbody tr")).to_have_count(1)


def test_tabs_show_what_belongs_there(site: Site, running: Run, landed: Run) -> None:
    """On the DAG, on the run, and on the task instance that waits."""
    of_run = f"dags/{running.dag_id}/runs/{running.run_id}"
    for path in (
        f"dags/{running.dag_id}/plugin/dag-exports",
        f"{of_run}/plugin/run-exports",
        f"{of_run}/tasks/export.wait_for_export/plugin/task-exports",
    ):
        site.go(path)
        expect(site.row(running.export_id)).to_be_visible()
        expect(site.row(landed.export_id)).to_have_count(0)
    site.picture("task")


def test_untrusted_text_stays_text(site: Site, landed: Run) -> None:
    """A query that is HTML is shown as it is, beside its manifest's parts and their checksums."""
    site.go()
    site.page.get_by_role("tab", name="Landings").click()
    expect(site.page.get_by_text(QUERY)).to_be_visible()
    site.page.get_by_role("button", name=re.compile("part")).first.click()
    expect(site.page.get_by_text(re.compile("^[0-9a-f]{64}$")).first).to_be_visible()
    assert "broken into" not in site.page.title()
    site.picture("landings")


def test_it_is_legible_in_the_dark_and_on_a_phone(site: Site, running: Run) -> None:
    """Every view, with nothing beyond the edge; views are reached by arrow keys alone."""
    site.page.evaluate("localStorage.setItem('theme', 'dark')")
    for shape, width in (("dark", 1280), ("phone", 390)):
        site.page.set_viewport_size({"width": width, "height": 844})
        site.go()
        expect(site.row(running.export_id)).to_be_visible()
        site.page.get_by_role("tab", name="Exports").focus()
        for view in ("exports", "collectors", "landings", "credits", "coverage"):
            expect(site.page.get_by_role("tab", selected=True)).to_have_text(view.capitalize())
            expect(site.page.locator(".twx-card, .twx-table").first).to_be_visible()
            wide, seen = site.page.locator(".twx-page").evaluate("it => [it.scrollWidth, it.clientWidth]")
            assert wide <= seen
            site.picture(f"{shape}-{view}")
            site.page.keyboard.press("ArrowRight")


def test_a_viewer_may_look(site: Site, running: Run) -> None:
    """There is nothing to press, and nothing is told without login."""
    site.log_in(*VIC)
    site.go()
    expect(site.row(running.export_id)).to_be_visible()
    expect(site.page.get_by_role("button", name=re.compile("Abort"))).to_have_count(0)
    site.context.clear_cookies()
    expect(site.page.get_by_role("alert")).to_contain_text("not logged in")
    assert site.page.request.get(f"{site.home}/twexport/exports").status == 401


def test_an_export_is_aborted_after_a_warning(site: Site, running: Run) -> None:
    """By keyboard; the dialog says what is spent, and leaving it changes nothing."""
    site.go()
    site.row(running.export_id).get_by_role("button", name="Abort").press("Enter")
    dialog = site.page.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile(r"[\d,]+ credits are spent"))
    expect(dialog.get_by_role("button", name="Keep it running")).to_be_focused()
    site.picture("abort")
    site.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert running.export["status"] == "running"

    site.row(running.export_id).get_by_role("button", name="Abort").press("Enter")
    dialog.get_by_role("button", name="Abort export").press("Enter")
    expect(site.page.get_by_text(f"Export {running.export_id} was aborted.")).to_be_visible()
    assert running.export["status"] == "aborted"
    expect(site.row(running.export_id)).to_contain_text("aborted")
