"""From what a service and manifests tell to what the page shows; no Airflow, no service."""

from __future__ import annotations

from typing import Any

import pendulum
import pytest

from airflow_provider_twexport.plugin.accounts.talkwalker import Speeds
from airflow_provider_twexport.plugin.landed import Landed, Landing
from airflow_provider_twexport.plugin.rows import (
    CollectorRow,
    Export,
    counts,
    exports,
    held,
    left_behind,
    spent,
)
from airflow_provider_twexport.plugin.usage import belonging
from airflow_provider_twexport.storage.ledger import TaskRef
from airflow_provider_twexport.storage.manifest import Manifest
from airflow_provider_twexport.talkwalker.models import Collector, ExportTask

NOW = pendulum.datetime(2024, 6, 10)
NAME = "twx-demo-20240101-20240201-0123456789"
JANUARY = {"start": "2024-01-01T00:00:00Z", "stop": "2024-02-01T00:00:00Z"}
NOTHING = Landed(places=("file:///lake",))


def task(status: str = "finished", ready: int | None = 500, **changes: Any) -> ExportTask:
    """An export as the service lists it, a day old."""
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
        "source": {"export_id": export_id, "collector_id": NAME, "window": window, "project_id": "p"},
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
    return Landing(f"file:///lake/{where}/_manifest.json", Manifest(**(facts | changes)))


def lake(*landings: Landing) -> Landed:
    """What lies in object storage."""
    return Landed(places=("file:///lake",), landings=landings)


def rows(*tasks: ExportTask, landed: Landed = NOTHING, busy: tuple[str, ...] = ()) -> list[Export]:
    """What the page shows of them."""
    left = left_behind(tasks, [Collector(NAME, "PAUSED")], landed, NOW)
    return exports(tasks, {NAME}, landed, left, per_second={"e1": 10.0}, busy=busy, now=NOW)


def collectors(
    *tasks: ExportTask, names: tuple[str, ...] = (NAME,), landed: Landed = NOTHING
) -> list[CollectorRow]:
    """What the page shows of the collectors that they write into."""
    listed = [Collector(name, "PAUSED") for name in names]
    return held(tasks, listed, left_behind(tasks, listed, landed, NOW), NOW)


def test_progress_is_exported_of_what_it_will_have() -> None:
    """Of all that match; with a limit, of the limit."""
    (row,) = rows(task("running", ready=200, progress=0.2))
    assert (row.exported, row.expected, row.seconds_left) == (200, 1000, 80)
    limited = landing(source={"export_id": "e1", "limit": 600}, complete=False)
    (row,) = rows(task("running", ready=200, progress=0.2), landed=lake(limited))
    assert (row.exported, row.expected, row.seconds_left) == (200, 600, 40)


def test_what_nobody_knows_stays_unknown() -> None:
    """Before the first result there is no total, and a status that nobody documented breaks nothing."""
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
    """Truncated, partial, orphaned and bought twice; nothing is left behind where nobody says what landed."""
    assert list(rows(found, landed=landed)[0].flags) == flags


def test_two_paid_exports_of_one_order_are_bought_twice() -> None:
    """A collector of ours is named by what was ordered."""
    both = rows(task(), task(id="e2"), landed=lake(landing(), landing("e2", "b")))
    assert [list(row.flags) for row in both] == [["bought twice"], ["bought twice"]]


def test_what_a_run_is_at_work_on_is_no_orphan() -> None:
    """It has ended, and its landing is under way."""
    assert list(rows(task(), busy=("e1",))[0].flags) == []


def test_what_runs_comes_first_then_the_newest() -> None:
    """As somebody looks for it."""
    ended = task(id="new", creation_date="2024-06-09T12:00:00Z")
    shown = rows(task(id="old"), ended, task("running", id="runs", creation_date="2024-06-01T00:00:00Z"))
    assert [row.id for row in shown] == ["runs", "new", "old"]
    assert counts(shown) == {"running": 1, "unfinished": 1, "finished": 2, "orphaned": 2, "bought twice": 3}


def test_collectors_tell_when_what_they_hold_vanishes() -> None:
    """Seven days after the export began; one that has landed whole may go."""
    of_export, empty = collectors(task(), names=(NAME, "mine"), landed=lake(landing()))
    assert (of_export.readable_until, of_export.is_drained) == (pendulum.datetime(2024, 6, 16), True)
    assert (of_export.results, of_export.state) == (500, "landed")
    assert (empty.readable_until, empty.is_drained, empty.state) == (None, False, "empty")
    assert not collectors(task())[0].is_drained


def test_credits_count_on_the_day_of_the_order_once() -> None:
    """Whether the service remembers the export or only a manifest does, or both."""
    forgotten = landing("e0", created_at="2024-05-20T00:00:00Z", exported=70)
    days = spent(rows(task()), [landing(), forgotten], {}, NOW)
    assert len(days) == 31
    assert {str(it.day): it.used for it in days if it.used} == {"2024-05-20": 70, "2024-06-09": 500}


def test_speed_is_taken_over_the_last_two_minutes() -> None:
    """The first look tells none; an export that has ended has none."""
    speeds = Speeds()
    assert speeds.after([task("running", ready=0)], 0) == {}
    assert speeds.after([task("running", ready=100)], 10) == {"e1": 10}
    assert speeds.after([task("running", ready=100)], 125) == {"e1": 0}
    assert speeds.after([task()], 130) == {}


USES = {
    "e1": (TaskRef("dag", "one", "a.create", 0), TaskRef("dag", "one", "a.wait", 0)),
    "e2": (TaskRef("dag", "one", "a.create", 1), TaskRef("dag", "two", "b.create", -1)),
    "e3": (TaskRef("other", "one", "a.create", 0),),
}


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (("dag",), {"e1", "e2"}),
        (("dag", "one"), {"e1", "e2"}),
        (("dag", "two"), {"e2"}),
        (("dag", "one", "a.create", 1), {"e2"}),
        (("dag", "one", "a.land", 0), {"e1"}),
        (("dag", "one", "elsewhere"), set()),
        (("dag", "three"), set()),
    ],
)
def test_a_tab_shows_what_belongs_there(place: Any, found: set[str]) -> None:
    """All of a DAG or a run; of a task its own, or while it has told nothing that of its pipeline."""
    assert belonging(USES, *place) == found
