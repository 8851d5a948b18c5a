"""The command line, as a person or a script uses it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from typing import IO, TYPE_CHECKING

import pendulum
import pytest

from airflow_provider_twexport.cli import main
from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.landing import Landing
from airflow_provider_twexport.storage.ledger import EntryKind, LedgerEntry, TaskRef, record
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.landing import CollectorLanding
from airflow_provider_twexport.talkwalker.models import ExportOrder, ExportTask
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of
from tests.service_clients import JANUARY
from tests.waiting import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator_process import Simulator

DAY = 24 * 3600
MONTHS = Window(JANUARY.start, JANUARY.start.add(months=6)).cut("month")
SOURCE = {
    "system": "talkwalker",
    "owner": "twx-box",
    "collector_id": "twx-box",
    "export_id": "1",
    "window": {"start": "2024-01-01T00:00:00Z", "stop": "2024-02-01T00:00:00Z"},
}


def twexport(*arguments: object, terminal: IO[str] | None = None) -> CompletedProcess[str]:
    """Run a command in this process.

    :param terminal: where a person types; ``None`` where there is none.
    """
    words = [str(word) for word in arguments]
    out, err, before = StringIO(), StringIO(), sys.stdin
    sys.stdin = terminal or StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = main(words)
    finally:
        sys.stdin = before
    return CompletedProcess(words, status, out.getvalue(), err.getvalue())


def at_a_terminal(answer: str, *arguments: object) -> CompletedProcess[str]:
    """Run a command with a person at the terminal who types ``answer``."""
    person, terminal = pty.openpty()
    os.write(person, f"{answer}\n".encode())
    with open(person, "wb", buffering=0), open(terminal) as typed:
        return twexport(*arguments, terminal=typed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        [str(Path(sys.executable).with_name("twexport"))],
        [sys.executable, "-m", "airflow_provider_twexport.cli"],
    ],
)
def test_the_installed_command_and_the_module_are_the_same(command: list[str], directory: Path) -> None:
    """Both print the result, and exit with a status that says what is wrong."""
    (directory / "part-00000.jsonl.gz").unlink()
    result = subprocess.run([*command, "verify", directory], capture_output=True, text=True, check=False)
    assert (result.returncode, "part-00000.jsonl.gz" in result.stdout) == (1, True)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A landing of three results."""
    with Landing.open(tmp_path, source=SOURCE) as landing:
        landing.write(Batch([b'{"n":1}', b'{"n":2}', b'{"n":3}'], "end"))
        landing.commit(exported=3, status="finished")
    return tmp_path


def test_manifest_prints_a_summary(directory: Path) -> None:
    """Source, counts, completeness and each part."""
    result = twexport("manifest", directory)
    assert result.returncode == 0
    for words in ("twx-box", "[2024-01-01T00:00:00Z, 2024-02-01T00:00:00Z)", "3 of 3", "part-00000.jsonl.gz"):
        assert words in result.stdout


def test_manifest_prints_json(directory: Path) -> None:
    """The manifest file itself."""
    result = json.loads(twexport("manifest", directory, "--json").stdout)
    assert result == json.loads((directory / "_manifest.json").read_text())


def test_verify_says_what_is_wrong(directory: Path) -> None:
    """Status 0 if all parts match; a part that has changed is named, with status 1."""
    assert twexport("verify", directory).returncode == 0
    (directory / "part-00000.jsonl.gz").write_bytes(b"something else")
    result = twexport("verify", directory, "--json")
    assert result.returncode == 1
    (problem,) = json.loads(result.stdout)["problems"]
    assert "part-00000.jsonl.gz" in problem


def test_a_missing_manifest_is_an_error_message(tmp_path: Path) -> None:
    """With status 2 and without a traceback."""
    result = twexport("verify", tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("twexport: ")
    assert "Traceback" not in result.stderr


@pytest.fixture
def order(simulator: Simulator) -> ExportOrder:
    """All of January in the demo project."""
    return ExportOrder(JANUARY, project_id=simulator.project_id)


@pytest.fixture
def client(simulator: Simulator, talkwalker_connection: Callable[..., None]) -> TalkwalkerClient:
    """A client for the tests themselves."""
    return TalkwalkerClient(simulator.token, simulator.url, QUICK)


@pytest.fixture
def bought(
    simulator: Simulator, client: TalkwalkerClient, order: ExportOrder
) -> Callable[..., tuple[ExportTask, str]]:
    """Buy a month as it was some days ago, and return the export and its collector."""

    def buy(month: int, days_ago: float, abort: bool = False) -> tuple[ExportTask, str]:
        part = replace(order, window=MONTHS[month])
        name = collector_id_of(part)
        simulator.control("time", {"offset_seconds": -DAY * days_ago})
        if abort:
            simulator.settings(results_per_second=10)
        client.put_collector(name)
        task = client.create_export(part, name)
        if abort:
            simulator.advance(5)
            client.abort_export(task.id)
            simulator.settings(results_per_second=None)
        client.get_export(task.id)  # it ends then, and not when the time is set back
        simulator.control("time", {"offset_seconds": 0})
        return client.get_export(task.id), name

    return buy


def land(directory: Path, source: dict[str, object], results: int = 10, **more: object) -> None:
    """Write a landing."""
    with Landing.open(directory, source=source) as landing:
        landing.write(Batch([b'{"n":%d}' % number for number in range(results)], "end"))
        landing.commit(exported=results, status="finished", **more)  # type: ignore[arg-type]


def source_of(order: ExportOrder, export_id: str = "e1") -> dict[str, object]:
    """The source of a manifest, for an order."""
    window = order.window
    return {
        "owner": collector_id_of(order),
        "scope": order.project_id,
        "collector_id": collector_id_of(order),
        "export_id": export_id,
        "project_id": order.project_id,
        "query": order.query,
        "topics": list(order.topics),
        "window": window.to_json(),
    }


def histograms(simulator: Simulator) -> int:
    """Count the calls that cost 10 credits each."""
    return sum("/histogram/" in call["path"] for call in simulator.ledger()["requests"])


def test_plan_prints_the_price_of_counting_first(simulator: Simulator, client: TalkwalkerClient) -> None:
    """Without a terminal and without --yes nothing is spent, and the error says what to do."""
    result = twexport("plan", "2024-01-01", "2024-03-01")
    assert result.returncode == 2
    assert "1 histogram request: 10 credits" in result.stderr
    assert "give --yes" in result.stderr
    assert histograms(simulator) == 0


@pytest.mark.parametrize(("answer", "status", "asked"), [("n", 1, 0), ("", 1, 0), ("y", 0, 1)])
def test_a_person_decides_whether_to_count(
    simulator: Simulator, client: TalkwalkerClient, answer: str, status: int, asked: int
) -> None:
    """Only a yes spends credits."""
    result = at_a_terminal(answer, "plan", "2024-01-01", "2024-03-01")
    assert (result.returncode, histograms(simulator)) == (status, asked)
    assert "10 credits" in result.stderr
    assert simulator.token not in result.stdout + result.stderr


def test_plan_is_a_table_of_windows(
    simulator: Simulator,
    client: TalkwalkerClient,
    bought: Callable[..., tuple[ExportTask, str]],
    order: ExportOrder,
    tmp_path: Path,
) -> None:
    """Window, state, expected results, credits, running total and balance; nothing else on the standard output."""
    bought(1, days_ago=1)
    bought(2, days_ago=9)
    land(tmp_path / "deep" / "below", source_of(order))
    result = twexport("plan", "2024-01-01", "2024-05-01", "--yes", "--landed", tmp_path)
    assert result.returncode == 0
    heads, *rows = result.stdout.splitlines()
    assert heads.split("  ")[0] == "window"
    assert [row.split()[2] for row in rows[:4]] == ["landed", "readable", "expired", "new"]
    assert rows[0].startswith("[2024-01-01T00:00Z, 2024-02-01T00:00Z)  landed")
    again = json.loads(
        twexport(
            "plan", "2024-01-01", "2024-05-01", "--yes", "--landed", tmp_path, "--buy-expired", "--json"
        ).stdout
    )
    credits = [window["credits"] for window in again["windows"]]
    assert [price > 0 for price in credits] == [False, False, True, True]
    assert again["windows"][3]["balance_after"] == again["balance"] - sum(credits)
    assert again["balance"] == client.get_credits().remaining


def test_a_stream_costs_nothing_to_plan(simulator: Simulator, client: TalkwalkerClient) -> None:
    """The service cannot count it, so each window is priced at its limit."""
    result = twexport(
        "plan",
        "2024-01-01",
        "2024-01-03",
        "--stream-id",
        "demo-stream",
        "--split",
        "day",
        "--limit",
        "500",
        "--json",
    )
    assert result.returncode == 0
    assert "no histogram of a stream" in result.stderr
    assert [window["credits"] for window in json.loads(result.stdout)["windows"]] == [500, 500]
    assert histograms(simulator) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan", "2024-01-01", "yesterday"], "'yesterday' is not a date"),
        (["plan", "2024-02-01", "2024-01-01"], "is empty"),
        (["plan", "2024-01-01", "2024-02-01", "--on-truncated", "split"], "needs --landed"),
        (["plan", "2024-01-01", "2024-02-01", "--conn-id", "nowhere"], "no Airflow connection 'nowhere'"),
        (["coverage", "/lake", "--conn-id", "nowhere"], "no Airflow connection 'nowhere'"),
        (["coverage", "/lake/that/is/not"], "Nothing has landed below /lake/that/is/not"),
    ],
)
def test_mistakes_are_error_messages(client: TalkwalkerClient, arguments: list[str], words: str) -> None:
    """With status 2 and without a traceback."""
    result = twexport(*arguments)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_coverage_by_day_and_topic(order: ExportOrder, tmp_path: Path) -> None:
    """Landed, truncated, partial and missing days, and those that were bought twice."""
    first = Window(pendulum.datetime(2024, 1, 1), pendulum.datetime(2024, 1, 11))
    second = Window(pendulum.datetime(2024, 1, 11), pendulum.datetime(2024, 1, 21))
    land(tmp_path / "a", source_of(replace(order, window=first, topics=("md1",))))
    land(tmp_path / "b", source_of(replace(order, window=second, topics=("md1",)), "e2"), truncated=True)
    land(tmp_path / "c", source_of(replace(order, window=first, topics=("md2",)), "e3"), complete=False)
    land(tmp_path / "d", source_of(replace(order, window=first, topics=("md1",), limit=5), "e4"))
    result = twexport("coverage", tmp_path, "--json")
    assert result.returncode == 0
    counts = {track["topic"]: track["counts"] for track in json.loads(result.stdout)}
    assert (counts["md1"]["landed"], counts["md1"]["truncated"], counts["md1"]["bought_twice"]) == (
        10,
        10,
        10,
    )
    assert (counts["md2"]["partial"], counts["md2"]["missing"]) == (10, 10)
    table = twexport("coverage", tmp_path, "--from", "2024-01-06", "--to", "2024-01-16").stdout
    assert "[2024-01-06T00:00Z, 2024-01-11T00:00Z)  landed" in table


def test_coverage_shows_what_was_bought_and_has_not_landed(
    client: TalkwalkerClient,
    bought: Callable[..., tuple[ExportTask, str]],
    order: ExportOrder,
    tmp_path: Path,
) -> None:
    """Its scope is known from the collector's name."""
    bought(1, days_ago=1)
    land(tmp_path, source_of(order))
    result = twexport("coverage", tmp_path, "--talkwalker-conn-id", "talkwalker_default", "--json")
    (track,) = json.loads(result.stdout)
    assert track["scope"] == order.project_id
    assert (track["counts"]["landed"], track["counts"]["unlanded"]) == (31, 29)


def test_a_damaged_manifest_does_not_hide_the_others(order: ExportOrder, tmp_path: Path) -> None:
    """It is reported, with status 1."""
    land(tmp_path / "a", source_of(order))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "_manifest.json").write_text("{")
    result = twexport("coverage", tmp_path, "--json")
    assert result.returncode == 1
    assert "b/_manifest.json cannot be read" in result.stderr
    assert json.loads(result.stdout)[0]["counts"]["landed"] == 31


def test_orphans_are_sorted_by_urgency(
    client: TalkwalkerClient,
    bought: Callable[..., tuple[ExportTask, str]],
    order: ExportOrder,
    tmp_path: Path,
) -> None:
    """Urgent ones come first, with a warning; only this package's are listed, and nothing is changed."""
    _, expired = bought(0, days_ago=10)
    _, urgent = bought(1, days_ago=6)
    _, later = bought(2, days_ago=1)
    done, landed = bought(3, days_ago=1)
    land(tmp_path / "done", source_of(replace(order, window=MONTHS[3]), done.id))
    client.put_collector("somebody-elses")
    client.put_collector("twx-demo-of-a-moment-ago")
    before = {collector.id for collector in client.list_collectors()}
    result = twexport("orphans", "--landed", tmp_path)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("WARNING: 1 unread export")
    listed = [name for line in lines for name in (expired, urgent, later, landed) if name in line]
    assert listed == [urgent, later, landed, expired]
    assert "somebody-elses" not in result.stdout
    assert {collector.id for collector in client.list_collectors()} == before


def test_orphans_are_landed_and_deleted(
    simulator: Simulator,
    client: TalkwalkerClient,
    bought: Callable[..., tuple[ExportTask, str]],
    order: ExportOrder,
    tmp_path: Path,
) -> None:
    """Readable results land, also those of an aborted export; then their collectors are deleted."""
    expired, whole, broken = bought(0, 10), bought(1, 6), bought(2, 1, abort=True)
    client.put_collector("somebody-elses")
    simulator.control("time", {"offset_seconds": -2 * DAY})
    client.put_collector("twx-lock-1")
    simulator.control("time", {"offset_seconds": 0})
    client.put_collector("twx-lock-2")
    spent = client.get_credits().remaining
    result = twexport("orphans", "--landed", tmp_path, "--land", tmp_path, "--delete", "--yes", "--json")
    assert result.returncode == 0
    assert client.get_credits().remaining == spent
    document = json.loads(result.stdout)
    assert set(document["deleted"]) == {expired[1], whole[1], broken[1], "twx-lock-1"}
    assert {collector.id for collector in client.list_collectors()} == {"somebody-elses", "twx-lock-2"}
    found = {name: manifest.read(tmp_path / name) for name in (whole[1], broken[1])}
    assert (found[whole[1]].complete, found[whole[1]].results) == (True, whole[0].exported())
    assert (found[broken[1]].complete, found[broken[1]].results) == (False, broken[0].exported())
    assert found[broken[1]].source["status"] == "aborted"
    assert found[broken[1]].source["project_id"] == order.project_id
    assert list(manifest.verify(tmp_path / broken[1])) == []
    again = json.loads(twexport("orphans", "--landed", tmp_path, "--json").stdout)
    assert [(orphan["collector_id"], orphan["state"]) for orphan in again["orphans"]] == [
        (expired[1], "lost")
    ]


def test_what_can_still_be_read_is_not_deleted(
    client: TalkwalkerClient, bought: Callable[..., tuple[ExportTask, str]], tmp_path: Path
) -> None:
    """Not even with --yes; without --yes nothing is deleted."""
    _, readable = bought(0, days_ago=1)
    _, expired = bought(1, days_ago=8)
    refused = twexport("orphans", "--landed", tmp_path, "--delete")
    assert refused.returncode == 2
    assert "give --yes" in refused.stderr
    assert at_a_terminal("n", "orphans", "--landed", tmp_path, "--delete").returncode == 0
    assert {collector.id for collector in client.list_collectors()} == {readable, expired}
    assert twexport("orphans", "--landed", tmp_path, "--delete", "--yes").returncode == 0
    assert {collector.id for collector in client.list_collectors()} == {readable}


def write_entry(
    directory: Path, export_id: str, run_id: str, kind: EntryKind = EntryKind.ORDERED, **details: object
) -> None:
    """Write an entry of a ledger."""
    by = TaskRef("coffee", run_id, "create_export")
    fact = LedgerEntry(kind=kind, export_id=export_id, by=by, at="2024-06-01T10:00:00.000Z", details=details)
    record(directory, fact)


def test_ledger_shows_who_bought_what(tmp_path: Path) -> None:
    """A line for each export: window, scope, who ordered it and when, what it cost and where it is; and the total."""
    for month, name in ((1, "e2"), (0, "e1")):
        window = MONTHS[month]
        window_json = window.to_json()
        write_entry(tmp_path, name, "first", window=window_json, project_id="p", query="coffee", limit=700)
    write_entry(tmp_path, "e1", "second", adopted=True)
    write_entry(tmp_path, "e1", "first", EntryKind.ENDED, status="finished", credits=1_500)
    landed = {
        "manifest": "s3://lake/a/_manifest.json",
        "results": 1_500,
        "truncated": False,
        "complete": True,
    }
    write_entry(tmp_path, "e1", "first", EntryKind.LANDED, **landed)
    result = twexport("ledger", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    heads, january, february, *rest = result.stdout.splitlines()
    assert heads.split()[:2] == ["window", "scope"]
    assert re.split(" {2,}", january) == [
        "[2024-01-01T00:00Z, 2024-02-01T00:00Z)",
        "p coffee",
        "2024-06-01T10:00Z",
        "coffee first (+1 adopted)",
        "1,500",
        "landed",
        "s3://lake/a",
        "e1",
    ]
    assert "      ?  ordered" in february
    assert rest[-1] == (
        "2 exports, 1,500 credits. The cost of 1 of them is not recorded; by their limits it is at most 700."
    )
    document = json.loads(twexport("ledger", tmp_path, "--json").stdout)
    assert (document["credits"], [entry["export_id"] for entry in document["exports"]]) == (
        1_500,
        ["e1", "e2"],
    )


def test_ledger_reports_what_it_cannot_read(tmp_path: Path) -> None:
    """With status 1; without any ledger, with status 2."""
    write_entry(tmp_path, "e1", "first")
    (tmp_path / "e2.ended.0.json").write_text('{"schema_version": 1, "kind": "en')
    result = twexport("ledger", tmp_path, "--json")
    assert result.returncode == 1
    assert "e2.ended.0.json cannot be read" in result.stderr
    assert len(json.loads(result.stdout)["exports"]) == 1
    assert twexport("ledger", tmp_path / "nowhere").returncode == 2


def test_coverage_ignores_ledgers(order: ExportOrder, tmp_path: Path) -> None:
    """Also one below the same directory."""
    land(tmp_path / "a", source_of(order))
    write_entry(tmp_path / "_ledger", "e1", "first")
    result = twexport("coverage", tmp_path, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)[0]["counts"]["landed"] == 31


def test_two_exports_of_one_collector_land_apart(
    client: TalkwalkerClient, bought: Callable[..., tuple[ExportTask, str]], tmp_path: Path
) -> None:
    """Neither replaces the other."""
    (first, name), (second, _) = bought(0, days_ago=2), bought(0, days_ago=1)
    assert twexport("orphans", "--landed", tmp_path, "--land", tmp_path).returncode == 0
    for task in (first, second):
        found = manifest.read(tmp_path / name / task.id)
        assert (found.complete, found.results) == (True, task.exported())


def test_plan_keeps_the_windows_that_were_bought(
    simulator: Simulator,
    client: TalkwalkerClient,
    bought: Callable[..., tuple[ExportTask, str]],
    order: ExportOrder,
) -> None:
    """However the range is split now; only the windows between them are counted."""
    _, february = bought(1, days_ago=1)
    result = twexport("plan", "2024-01-15", "2024-04-01", "--split", "auto", "--yes", "--json")
    assert result.returncode == 0
    document = json.loads(result.stdout)
    assert [(it["start"][:10], it["stop"][:10], it["state"]) for it in document["windows"]] == [
        ("2024-01-15", "2024-02-01", "new"),
        ("2024-02-01", "2024-03-01", "readable"),
        ("2024-03-01", "2024-04-01", "new"),
    ]
    assert document["windows"][1]["collector_id"] == february
    assert histograms(simulator) == 2
    assert twexport("plan", "2024-02-01", "2024-03-01").returncode == 0
    assert histograms(simulator) == 2


def test_plan_shows_the_remainder_of_what_landed_truncated(
    simulator: Simulator, client: TalkwalkerClient, order: ExportOrder, tmp_path: Path
) -> None:
    """Only with --on-truncated split; with the part of its price that is paid for again."""
    part = replace(order, limit=2_000)
    name = collector_id_of(part)
    client.put_collector(name)
    task = client.create_export(part, name)
    with Landing.open(tmp_path / name, source=source_of(part, task.id)) as landing:
        CollectorLanding(client, name, client.get_export(task.id), part.limit).land(landing)
    asked = ("plan", "2024-01-01", "2024-02-01", "--limit", 2_000, "--landed", tmp_path, "--json", "--yes")
    (whole,) = json.loads(twexport(*asked).stdout)["windows"]
    assert (whole["state"], whole["credits"], histograms(simulator)) == ("truncated", 0, 0)
    result = twexport(*asked, "--on-truncated", "split")
    assert result.returncode == 0
    document = json.loads(result.stdout)
    assert all(window["remainder_of"] == [name] for window in document["windows"])
    missing = client.get_export(task.id).estimated_total() or 0
    assert document["credits"] - document["repeats"] == missing - 2_000
    assert (
        twexport("manifest", tmp_path / name).stdout.count(f"about {missing - 2_000:,} of {missing:,}") == 1
    )


def test_an_orphan_of_a_remainder_lands_without_what_is_there(
    client: TalkwalkerClient, order: ExportOrder, tmp_path: Path
) -> None:
    """Its pipeline died after it was bought; results that have landed before are excluded."""
    part = replace(order, limit=2_000)
    for window in (part.window, part.window.cut("week")[1]):
        ordered = replace(part, window=window)
        client.put_collector(collector_id_of(ordered))
        task = client.create_export(ordered, collector_id_of(ordered))
        if window == part.window:
            name = collector_id_of(part)
            with Landing.open(tmp_path / name, source=source_of(part, task.id) | {"limit": 2_000}) as landing:
                CollectorLanding(client, name, client.get_export(task.id), part.limit).land(landing)
    assert twexport("orphans", "--landed", tmp_path, "--land", tmp_path).returncode == 0
    found = manifest.read(tmp_path / collector_id_of(ordered))
    assert (found.source["remainder_of"], found.complete) == ([collector_id_of(part)], True)
    assert found.excluded > 0
    assert found.results + found.excluded == client.get_export(task.id).exported()
