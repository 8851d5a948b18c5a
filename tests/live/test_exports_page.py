"""The Exports page in a browser: a real Airflow with logins, below a prefix, a real lake and stand-in services."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import pendulum
import psutil
import pytest
from playwright.sync_api import expect

from airflow_provider_twexport.adobe.orders import ExportJobOrder
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.storage.manifest import empty_manifest
from airflow_provider_twexport.storage.part import Part
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from airflow_provider_twexport.x.search.pages import SearchRequest
from demo.api import AirflowApi
from demo.ports import free_port
from demo.stack import AirflowStack
from tests.adobe_account import CREDENTIAL, ORDER, ORG_ID, SECRET, client_of
from tests.live.browser import browser
from tests.live.connections import ADOBE, X, connect_x_and_adobe
from tests.live.exports_site import PATIENCE, Site
from tests.live.pipeline import Live, Run
from tests.service_clients import x_client_of
from tests.simulator_process import running_simulator
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, StorageState

pytestmark = pytest.mark.live

PREFIX = "/some/prefix"
ADA, VIC = ("ada", "password-of-ada"), ("vic", "password-of-vic")
LAKE = "s3://lake_conn@lake/talkwalker"
WEEKS = ("2024-02-05", "2024-02-12", "2024-02-19")
CREATE, WAIT = "window.export.create_export", "window.export.wait_for_export"
PLANTED = "<script>document.title='broken into'</script>"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
QUERY = "<img src=x onerror=\"document.title='broken into'\">"
expect.set_options(timeout=PATIENCE)


@dataclass(frozen=True)
class Backfill:
    """A run of the example DAG with a window for each of three weeks."""

    live: Live
    run_id: str
    dag_id: str = "talkwalker_backfill"

    @property
    def exports(self) -> dict[str, str]:
        """The status of its exports, by id, in the order of their weeks."""
        ordered = sorted(self.live.talkwalker.ledger()["exports"], key=lambda it: it["start"])
        return {it["id"]: it["status"] for it in ordered if it["query"] == "coffee"}

    def waiting(self) -> list[dict[str, Any]]:
        """Return the tasks that wait for its exports."""
        tasks = self.live.stack.api.tasks(self.dag_id, self.run_id)
        return [it for it in tasks if it["task_id"] == WAIT and it["map_index"] >= 0]


def bucket(address: str) -> Any:
    """Return the bucket of a store."""
    return boto3.resource("s3", endpoint_url=address, region_name="us-east-1", **KEYS).Bucket("lake")


def earlier_landings() -> Iterator[tuple[str, str]]:
    """Yield the keys and manifests of five weeks that landed day by day, some cut short, some not whole."""
    today = pendulum.today("UTC")
    for back in range(35, 1, -1):
        day, results = today.subtract(days=back), 9_000 + 2_500 * (back * 7 % 10)
        window = {"start": day.to_iso8601_string(), "stop": day.add(days=1).to_iso8601_string()}
        source = {
            "system": "talkwalker",
            "export_id": f"earlier-{back}",
            "project_id": "brand",
            "query": "harbour",
            "window": window,
        }
        landed = replace(
            empty_manifest(source, "jsonl.gz"),
            complete=back % 11 != 5,
            truncated=results > 30_000,
            results=results,
            exported=results,
            bytes=1_400 * results,
            created_at=day.add(days=1).to_iso8601_string(),
        )
        if back % 13 != 8:
            yield f"talkwalker/harbour/{day.format('YYYY/MM/DD')}/_manifest.json", landed.to_json()


def planted_manifest(**source: str) -> str:
    """Return one that has a script in every text.

    :param source: what is different in its source.
    """
    part = Part(f"part {PLANTED}", 1, 1, f"checksum {PLANTED}", None, None)
    window = {"start": "2024-03-01T00:00:00Z", "stop": "2024-03-02T00:00:00Z"}
    texts = {name: f"{name} {PLANTED}" for name in ("system", "export_id", "collector_id", "scope", "query")}
    planted = replace(
        empty_manifest(
            texts | {"topics": [f"topic {PLANTED}"], "window": window} | source, f"format {PLANTED}"
        ),
        parts=(part,),
    )
    return planted.to_json()


@pytest.fixture(scope="module")
def lake(s3_address: str) -> str:
    """A bucket with what landed earlier, and the connection that leads to it."""
    bucket(s3_address).create()
    for key, earlier in earlier_landings():
        bucket(s3_address).put_object(Key=key, Body=earlier)
    extra = {"endpoint_url": s3_address, "region_name": "us-east-1"}
    return json.dumps(
        {
            "conn_type": "aws",
            "login": KEYS["aws_access_key_id"],
            "password": KEYS["aws_secret_access_key"],
            "extra": extra,
        }
    )


@pytest.fixture(scope="module")
def live(live_home: Callable[[str], Path], lake: str) -> Iterator[Live]:
    """An Airflow with two users, whose exports last a while."""
    home, port = live_home("page"), free_port()
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
        "AIRFLOW__TWEXPORT__LANDINGS": LAKE,
        "AIRFLOW__TWEXPORT__POLL_SECONDS": "1",
        "AIRFLOW_CONN_LAKE_CONN": lake,
        "TWEXPORT_DESTINATION": LAKE,
        "TWEXPORT_POKE_SECONDS": "1",
    }
    stack = AirflowStack(home / "stack", Path(__file__).parent / "dags", port=port, env=env)
    stack.api = AirflowApi(f"{stack.url}{PREFIX}")
    settings = ("--queue-seconds", "0", "--results-per-second", "null", "--reads-per-minute", "null")
    settings += ("--adobe-queue-seconds", "0", "--adobe-job-seconds", "null")
    with stack, running_simulator(*settings) as talkwalker:
        stack.api.log_in(*ADA)
        stack.api.create_connection(
            connection_id="talkwalker_default",
            conn_type="talkwalker",
            host=talkwalker.url,
            password=talkwalker.token,
        )
        connect_x_and_adobe(stack.api, talkwalker)
        yield Live(stack, talkwalker)


@pytest.fixture(scope="module")
def landed(live: Live) -> Run:
    """A run that has landed; what was ordered elsewhere met its limit and lands nowhere, or goes on at Adobe."""
    run = live.start("live_copy", "landed", ("2024-01-01", "2024-01-08"), query=QUERY)
    client = TalkwalkerClient(live.talkwalker.token, live.talkwalker.url)
    days = Window(pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 1, 29))
    order = ExportOrder(days, query="tea", limit=500)
    client.put_collector(collector_id_of(order))
    client.create_export(order, collector_id_of(order))
    client_of(live.talkwalker).create_export_job(ORDER)
    next(x_client_of(live.talkwalker).pages(SearchRequest("coffee", days)))
    assert run.wait_for_end() == "success"
    return run


@pytest.fixture(scope="module")
def backfill(live: Live, landed: Run) -> Backfill:
    """A backfill whose windows wait in the triggerer for slow exports."""
    live.talkwalker.settings(results_per_second=1)
    backfill = Backfill(live, "three_weeks")
    live.stack.api.wait_for_dag(backfill.dag_id)
    live.stack.api.unpause(backfill.dag_id)
    conf = {"start": "2024-02-05", "stop": "2024-02-26", "split": "week", "limit": 5_000, "query": "coffee"}
    live.stack.api.trigger(backfill.dag_id, run_id=backfill.run_id, conf=conf | {"approve_above": 100_000})
    wait_until(lambda: len([it for it in backfill.waiting() if it["state"] == "deferred"]) == len(WEEKS))
    return backfill


@pytest.fixture(scope="module")
def logged_in(live: Live) -> Iterator[tuple[Browser, StorageState]]:
    """A browser, and what it remembers after an admin has logged in."""
    with browser() as chromium:
        context = chromium.new_context()
        Site(f"{live.stack.url}{PREFIX}", context, context.new_page()).log_in(*ADA)
        yield chromium, context.storage_state()


@pytest.fixture
def site(live: Live, backfill: Backfill, logged_in: tuple[Browser, StorageState]) -> Iterator[Site]:
    """The page, seen by an admin."""
    chromium, remembered = logged_in
    with chromium.new_context(viewport={"width": 1280, "height": 800}, storage_state=remembered) as context:
        context.set_default_timeout(PATIENCE)
        found = Site(f"{live.stack.url}{PREFIX}", context, context.new_page())
        found.page.on("request", lambda request: found.hosts.add(re.split("[/?]", request.url)[2]))
        found.page.on("pageerror", lambda error: found.errors.append(str(error)))
        yield found
        assert found.errors == []
        # nothing comes from elsewhere
        assert {host for host in found.hosts if host} == {f"127.0.0.1:{live.stack.port}"}


def test_the_progress_of_a_backfill_moves_while_no_worker_runs(site: Site, backfill: Backfill) -> None:
    """Each window's bar grows by itself, and its row tells its run and how long it will take."""
    site.go()
    first = {export_id: site.exported(export_id) for export_id in backfill.exports}
    assert len(first) == len(WEEKS)
    for export_id, before in first.items():
        row = site.row(export_id)
        assert wait_until(lambda it=export_id, then=before: site.exported(it) > then)
        expect(row).to_contain_text("running")
        expect(row).to_contain_text(re.compile("a second .* left"))
        expect(row.get_by_role("link", name=backfill.dag_id)).to_be_visible()
    expect(site.row("limit reached")).to_contain_text("orphaned")
    assert not any(psutil.pid_exists(it["pid"]) for it in backfill.waiting())
    site.picture("light")


def test_the_links_of_tasks_lead_there(site: Site, backfill: Backfill, landed: Run) -> None:
    """Those of the tasks that order, wait and land are pressed where Airflow shows them."""
    of_week = f"dags/{backfill.dag_id}/runs/{backfill.run_id}/tasks/{{}}/mapped/0/details"
    waited = next(iter(backfill.exports))
    for path, sought in (
        (of_week.format(CREATE), waited),
        (of_week.format(WAIT), waited),
        (
            f"dags/{landed.dag_id}/runs/{landed.run_id}/tasks/export.to_object_storage/details",
            landed.export_id,
        ),
    ):
        site.page.goto(f"{site.home}/{path}")
        site.page.locator("a", has_text="Exports page").click()
        expect(site.page.get_by_role("searchbox")).to_have_value(sought)
        expect(site.page.locator("tbody tr")).to_have_count(1)
        expect(site.row(sought)).to_be_visible()


def test_tabs_show_what_belongs_there(site: Site, backfill: Backfill, landed: Run) -> None:
    """On the DAG, on the run, and on the task instance that waits."""
    of_run = f"dags/{backfill.dag_id}/runs/{backfill.run_id}"
    first, second, *_ = backfill.exports
    for path, shown in (
        (f"dags/{backfill.dag_id}/plugin/dag-exports", len(WEEKS)),
        (f"{of_run}/plugin/run-exports", len(WEEKS)),
        (f"{of_run}/tasks/{WAIT}/mapped/0/plugin/task-exports", 1),
    ):
        site.go(path)
        expect(site.row(first)).to_be_visible()
        expect(site.page.locator("tbody tr")).to_have_count(shown)
        expect(site.row(second)).to_have_count(min(1, shown - 1))
    site.picture("task")


def test_a_manifest_is_opened_by_its_address(site: Site, landed: Run) -> None:
    """With its parts and their checksums; one that nobody knows is told so."""
    site.go(f"plugin/exports?view=landings&manifest={quote(landed.xcom('to_object_storage')['manifest'])}")
    expect(site.page.get_by_text(QUERY)).to_be_visible()
    expect(site.page.get_by_text(re.compile("^[0-9a-f]{64}$")).first).to_be_visible()
    site.picture("landings")
    site.page.get_by_role("button", expanded=True).filter(has_text="parts").click()
    expect(site.page.get_by_text(re.compile("^[0-9a-f]{64}$"))).to_have_count(0)
    site.go("plugin/exports?view=landings&manifest=s3://lake/elsewhere/_manifest.json")
    expect(site.page.get_by_text("No landing is known here")).to_contain_text("s3://lake/elsewhere")


def test_it_is_legible_in_the_dark_and_on_a_phone(site: Site, backfill: Backfill) -> None:
    """Every view, with nothing beyond the edge, and no serious fault for axe; views are reached by arrow keys alone."""
    waited = next(iter(backfill.exports))
    for shape, width in (("bright", 1280), ("dark", 1280), ("phone", 390)):
        site.page.set_viewport_size({"width": 1280, "height": 844})
        site.go()
        site.choose_appearance("Light Mode" if shape == "bright" else "Dark Mode")
        site.page.set_viewport_size({"width": width, "height": 844})
        expect(site.row(waited)).to_be_visible()
        site.page.get_by_role("tab", name="Exports").focus()
        for view in ("exports", "collectors", "landings", "credits", "coverage"):
            expect(site.page.get_by_role("tab", selected=True)).to_have_text(view.capitalize())
            expect(site.page.locator(".twx-card, .twx-table").first).to_be_visible()
            wide, seen = site.page.locator(".twx-page").evaluate("it => [it.scrollWidth, it.clientWidth]")
            assert wide <= seen
            assert site.serious_faults() == []
            site.picture(f"{shape}-{view}")
            site.page.keyboard.press("ArrowRight")


def test_the_usage_of_x_is_by_product_and_day(site: Site) -> None:
    """A search is one request of its product, and of the day on which it was sent."""
    site.go("plugin/exports?view=credits")
    card = site.page.get_by_role("region", name="Connection x_enterprise_default")
    searched = re.compile(r"^Search API \(Full-Archive\)\s*1\s*[1-9]\d*$")
    expect(card.locator("tbody tr").first).to_have_text(searched)
    card.get_by_text("By day").click()
    expect(card.locator("details tbody tr")).to_have_text(
        re.compile(r"^\d+ \w+ \d{4}\s*Search API \(Full-Archive\)\s*1\s*[1-9]\d*$")
    )
    site.page.set_viewport_size({"width": 390, "height": 844})
    wide, seen = site.page.locator(".twx-page").evaluate("it => [it.scrollWidth, it.clientWidth]")
    assert wide <= seen
    assert site.serious_faults() == []


def test_a_viewer_may_look(site: Site, backfill: Backfill) -> None:
    """There is nothing to press, and nothing is told without login."""
    site.log_in(*VIC)
    site.go()
    expect(site.row(next(iter(backfill.exports)))).to_be_visible()
    expect(site.page.get_by_role("button", name=re.compile("Abort"))).to_have_count(0)
    site.context.clear_cookies()
    expect(site.page.get_by_role("alert")).to_contain_text("not logged in")
    assert site.page.request.get(f"{site.home}/twexport/exports").status == 401


def test_an_export_is_aborted_after_a_warning(site: Site, backfill: Backfill) -> None:
    """By keyboard; the dialog says what is spent, and leaving it changes nothing."""
    aborted, *others = backfill.exports
    site.go()
    site.row(aborted).get_by_role("button", name="Abort").press("Enter")
    dialog = site.page.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile(r"[\d,]+ credits are spent"))
    expect(dialog.get_by_role("button", name="Keep it running")).to_be_focused()
    assert site.serious_faults() == []
    site.picture("abort")
    site.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert set(backfill.exports.values()) == {"running"}

    site.row(aborted).get_by_role("button", name="Abort").press("Enter")
    dialog.get_by_role("button", name="Abort export").press("Enter")
    expect(site.page.get_by_text(f"Export {aborted} was aborted.")).to_be_visible()
    assert backfill.exports == {aborted: "aborted"} | dict.fromkeys(others, "running")
    expect(site.row(aborted)).to_contain_text("aborted")


def test_a_job_is_cancelled_after_a_warning(site: Site) -> None:
    """It says that its profiles will not land."""
    site.go()
    row = site.row("processing")
    expect(row).to_contain_text("1 segment")
    row.get_by_role("button", name="Cancel").click()
    expect(site.page.get_by_role("dialog")).to_contain_text("None of its profiles will land.")
    site.page.get_by_role("button", name="Cancel export job").click()
    expect(site.page.get_by_text("is being cancelled")).to_be_visible()
    expect(site.row("cancelled")).to_contain_text("1 segment")


def test_untrusted_text_stays_text(site: Site, live: Live, s3_address: str) -> None:
    """Whatever a service or a manifest tells, wherever it is shown."""
    simulator = live.talkwalker
    simulator.control(
        "exports", {"start": 1704067200000, "stop": 1706745600000, "target": f"target {PLANTED}"}
    )
    order = ExportJobOrder({**ORDER.document, "destination": {"datasetId": f"dataset {PLANTED}"}})
    client_of(simulator).create_export_job(order)
    for name, manifest in (
        ("planted", planted_manifest()),
        ("planted_too", planted_manifest(system="talkwalker")),
    ):
        bucket(s3_address).put_object(Key=f"talkwalker/{name}/_manifest.json", Body=manifest)
    site.go()
    expect(site.page.get_by_text("The target collector does not exist any more.")).to_be_visible()
    site.page.get_by_role("searchbox").fill(PLANTED)
    expect(site.page.locator("tbody tr")).to_have_count(2)
    site.page.get_by_role("button", name=re.compile("Cancel")).click()
    expect(site.page.get_by_role("dialog")).to_contain_text(f"dataset {PLANTED}")
    site.page.keyboard.press("Escape")
    for view, words in (
        ("Landings", ["system", "scope", "topic", "query"]),
        ("Coverage", ["scope", "topic", "query"]),
    ):
        site.page.get_by_role("tab", name=view).click()
        for word in words:
            expect(site.page.locator(".twx-page")).to_contain_text(f"{word} {PLANTED}")
    site.page.get_by_role("tab", name="Landings").click()
    site.page.get_by_role("row").filter(has_text=f"system {PLANTED}").get_by_role("button").click()
    for word in ("part", "checksum", "format", "export_id"):
        expect(site.page.locator(".twx-page")).to_contain_text(f"{word} {PLANTED}")
    refusal = {"fault": "error", "code": 1, "message": f"refusal {PLANTED}", "times": None}
    simulator.faults(refusal | {"match": {"path": "tasks/export"}})
    site.page.get_by_role("tab", name="Exports").click()
    expect(site.page.get_by_role("alert").first).to_contain_text(f"refusal {PLANTED}")
    assert site.page.locator(".twx-page :is(script, img, iframe)").count() == 0
    assert "broken into" not in site.page.title()


def test_connections_are_made_and_tested(site: Site, live: Live) -> None:
    """By form and button; the answer tells account, rights, credits and projects, and never a password."""
    simulator = live.talkwalker
    address = {"host": simulator.url.rpartition(":")[0], "port": simulator.url.rpartition(":")[2]}
    site.connect("my_talkwalker", "Talkwalker", address | {"password": simulator.token})
    said = site.test_connection("my_talkwalker")
    assert re.search(r"Connected to Demo account\. Rights: read and write\. Credits left: [\d,]+\.", said), (
        said
    )
    assert f"Demo project ({simulator.project_id})" in said
    login = {"login": simulator.x_login, "password": simulator.x_password}
    site.connect("my_x", "X Enterprise", address | login, X)
    # X tells its usage twice a minute, and the page has asked for it in the tests before
    said = wait_until(lambda: "again in a minute" not in (it := site.test_connection("my_x")) and it)
    assert "Connected to account demo." in said
    credential = {"login": CREDENTIAL.client_id, "password": SECRET}
    extra = ADOBE | {"ims_host": simulator.url}
    site.connect("my_adobe", "Adobe Experience Platform", address | credential, extra)
    assert f"Connected to {ORG_ID}, sandbox prod." in site.test_connection("my_adobe")
    for secret in (simulator.token, simulator.x_password, SECRET):
        assert secret not in site.page.content()
