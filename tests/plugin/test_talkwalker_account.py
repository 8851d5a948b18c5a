"""From the service's lists and manifests to the rows of the page; no Airflow, no service."""

from __future__ import annotations

from typing import Any

import pendulum
import pytest

from airflow_provider_twexport.plugin.accounts import export_key
from airflow_provider_twexport.plugin.accounts.talkwalker import (
    Speeds,
    collector_rows,
    export_rows,
    find_orphans,
)
from airflow_provider_twexport.plugin.landed import Landed, Landing
from airflow_provider_twexport.plugin.rows import CollectorRow, ExportRow, counts, daily_credits
from airflow_provider_twexport.storage.manifest import Manifest
from airflow_provider_twexport.talkwalker.models import Collector, ExportTask

NOW = pendulum.datetime(2024, 6, 10)
NAME = "twx-demo-20240101-20240201-0123456789"
SOURCE = {"system": "talkwalker"}
JANUARY = {"start": "2024-01-01T00:00:00Z", "stop": "2024-02-01T00:00:00Z"}
NOTHING = Landed(directories=("file:///lake",))


def task(status: str = "finished", ready: int | None = 500, **changes: Any) -> ExportTask:
    """An export of yesterday, as the service lists it."""
    body = {
        "id": "e1",
        "target": NAME,
        "status": status,
        "creation_date": "2024-06-09T00:00:00Z",
        "progress": 1,
    }
    return ExportTask.from_json(body | {"ready": ready, "processed": ready or 0} | changes)


def landing(export_id: str = "e1", where: str = "a", window: Any = JANUARY, **changes: Any) -> Landing:
    """A landing of it."""
    facts: dict[str, Any] = {
        "complete": True,
        "source": SOURCE
        | {"export_id": export_id, "collector_id": NAME, "window": window, "project_id": "p"},
        "file_format": "jsonl",
        "results": 500,
        "exported": 500,
        "truncated": False,
        "estimated_total": 500,
        "bytes": 1000,
        "duplicates_dropped": 0,
        "foreign_dropped": 0,
        "parts": (),
        "final_cursor": None,
        "created_at": "2024-06-09T01:00:00Z",
        "provider_version": "0",
    }
    manifest = Manifest(**(facts | changes))
    return Landing(f"file:///lake/{where}/_manifest.json", manifest, export_key(manifest.source))


def lake(*landings: Landing) -> Landed:
    """What has landed."""
    return Landed(directories=("file:///lake",), landings=landings)


def rows(*tasks: ExportTask, landed: Landed = NOTHING, in_use: tuple[str, ...] = ()) -> list[ExportRow]:
    """What the page shows of them."""
    orphans = find_orphans(tasks, [Collector(NAME, "PAUSED")], landed, NOW)
    return export_rows(tasks, {NAME}, landed, orphans, per_second={"e1": 10.0}, in_use=in_use, now=NOW)


def collectors(
    *tasks: ExportTask, names: tuple[str, ...] = (NAME,), landed: Landed = NOTHING
) -> list[CollectorRow]:
    """What the page shows of the collectors that they write into."""
    listed = [Collector(name, "PAUSED") for name in names]
    return collector_rows(tasks, listed, find_orphans(tasks, listed, landed, NOW), NOW)


def test_progress_is_exported_of_what_it_will_have() -> None:
    """Of all that match; with a limit, of the limit."""
    (row,) = rows(task("running", ready=200, progress=0.2))
    assert (row.exported, row.expected, row.seconds_left) == (200, 1000, 80)
    limited = landing(source=SOURCE | {"export_id": "e1", "limit": 600}, complete=False)
    (row,) = rows(task("running", ready=200, progress=0.2), landed=lake(limited))
    assert (row.exported, row.expected, row.seconds_left) == (200, 600, 40)


def test_what_nobody_knows_stays_unknown() -> None:
    """Before the first result there is no total, and an undocumented status breaks nothing."""
    (row,) = rows(task("queued", ready=0, progress=0))
    assert (row.expected, row.seconds_left) == (None, None)
    (row,) = rows(task("melted", ready=None))
    assert (row.exported, row.expected) == (None, None)
    assert not collectors(task("melted", ready=None))[0].is_drained


@pytest.mark.parametrize(
    ("found", "landed", "flags"),
    [
        (task("running"), NOTHING, []),
        (task(), lake(landing()), []),
        (task(), NOTHING, ["orphaned"]),
        (task(), Landed(), []),
        (task(creation_date="2024-06-04T00:00:00Z"), NOTHING, ["orphaned", "expires soon"]),
        (task(creation_date="2024-05-04T00:00:00Z"), NOTHING, ["orphaned"]),
        (task("result_limit_reached"), lake(landing(truncated=True)), ["truncated"]),
        (task(), lake(landing(complete=False, results=10)), ["partial", "orphaned"]),
        (task("aborted", ready=10), lake(landing(complete=False, results=10)), ["partial"]),
        (task("aborted", ready=0), NOTHING, []),
        (task(), lake(landing(), landing("e2", "b")), ["bought twice"]),
    ],
)
def test_what_somebody_should_look_at_is_flagged(found: ExportTask, landed: Landed, flags: list[str]) -> None:
    """Truncated, partial, orphaned and bought twice; nothing is orphaned where no directory of landings is set."""
    assert list(rows(found, landed=landed)[0].flags) == flags


def test_two_paid_exports_of_one_order_are_bought_twice() -> None:
    """The name of a collector of ours is made from the order."""
    both = rows(task(), task(id="e2"), landed=lake(landing(), landing("e2", "b")))
    assert [list(row.flags) for row in both] == [["bought twice"], ["bought twice"]]


def test_what_an_active_run_uses_is_no_orphan() -> None:
    """The export has ended, and its results are landing."""
    assert list(rows(task(), in_use=("e1",))[0].flags) == []


def test_running_exports_come_first_then_the_newest() -> None:
    """So that what needs attention is on top."""
    ended = task(id="new", creation_date="2024-06-09T12:00:00Z")
    shown = rows(task(id="old"), ended, task("running", id="runs", creation_date="2024-06-01T00:00:00Z"))
    assert [row.id for row in shown] == ["runs", "new", "old"]
    assert counts(shown) == {"running": 1, "unfinished": 1, "finished": 2, "orphaned": 2, "bought twice": 3}


def test_collectors_say_when_their_results_are_deleted() -> None:
    """Seven days after the export began; a collector whose results have all landed may be deleted."""
    of_export, empty = collectors(task(), names=(NAME, "mine"), landed=lake(landing()))
    assert (of_export.readable_until, of_export.is_drained) == (pendulum.datetime(2024, 6, 16), True)
    assert (of_export.results, of_export.state) == (500, "landed")
    assert (empty.readable_until, empty.is_drained, empty.state) == (None, False, "empty")
    assert not collectors(task())[0].is_drained


def test_credits_count_on_the_day_of_the_order_once() -> None:
    """Whether the service still lists the export, or only a manifest names it, or both."""
    forgotten = landing("e0", created_at="2024-05-20T00:00:00Z", exported=70)
    days = daily_credits(rows(task()), [landing().manifest, forgotten.manifest], {}, NOW)
    assert len(days) == 31
    assert {str(it.day): it.used for it in days if it.used} == {"2024-05-20": 70, "2024-06-09": 500}


def test_speed_is_taken_over_the_last_two_minutes() -> None:
    """There is none at the first poll, and none of an export that has ended."""
    speeds = Speeds()
    assert speeds.update([task("running", ready=0)], 0) == {}
    assert speeds.update([task("running", ready=100)], 10) == {"e1": 10}
    assert speeds.update([task("running", ready=100)], 125) == {"e1": 0}
    assert speeds.update([task()], 130) == {}
