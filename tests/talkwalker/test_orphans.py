"""Orphans: what was bought and has not landed, and what nobody needs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pendulum
import pytest

from airflow_provider_twexport.exceptions import UnexpectedResponseError
from airflow_provider_twexport.talkwalker.models import Collector, ExportTask
from airflow_provider_twexport.talkwalker.orphans import (
    Orphan,
    describe_lost,
    disposable,
    orphans,
    table,
    urgent_warning,
)

NOW = pendulum.datetime(2024, 6, 1)
COLLECTOR = "twx-demo-20240101-20240201-0123456789"


@dataclass(frozen=True)
class Landed:
    """What matters of a manifest."""

    source: dict[str, Any] = field(default_factory=dict)
    complete: bool = True
    results: int = 500


def export(
    status: str = "finished", days_ago: float = 1, ready: int = 500, collector_id: str = COLLECTOR
) -> ExportTask:
    """An export as the service lists it."""
    created = NOW.subtract(hours=round(24 * days_ago)).to_iso8601_string()
    body = {"id": "e1", "target": collector_id, "status": status, "creation_date": created, "ready": ready}
    return ExportTask.from_json(body)


def found(
    *exports: ExportTask,
    landed: tuple[Landed, ...] = (),
    collectors: tuple[str, ...] = (COLLECTOR,),
    collector_age: float = 30,
    holds: bool | None = False,
) -> list[Orphan]:
    """Return the orphans of a service that holds these exports, and whose collectors hold results or not."""
    existing = [Collector(name, "PAUSED") for name in collectors]
    return orphans(
        exports,
        existing,
        landed,
        created=lambda _: NOW.subtract(hours=round(24 * collector_age)),
        can_be_read=lambda *_: holds,
        now=NOW,
    )


HERE = Landed({"export_id": "e1", "collector_id": COLLECTOR})
ANY = Landed({"export_id": None, "collector_id": COLLECTOR})
OTHER = Landed({"export_id": "e2", "collector_id": COLLECTOR})
HALF = Landed({"export_id": "e1", "collector_id": COLLECTOR}, complete=False, results=200)
ALL_OF_IT = Landed({"export_id": "e1", "collector_id": COLLECTOR}, complete=False, results=500)


@pytest.mark.parametrize(
    ("task", "landed", "state", "may_go"),
    [
        (export("queued"), (), "running", False),
        (export("running", days_ago=8), (), "running", False),
        (export(), (), "readable", False),
        (export("RESULT_LIMIT_REACHED"), (), "readable", False),
        (export(), (HALF,), "readable", False),
        (export(), (OTHER,), "readable", False),
        (export("aborted"), (), "readable", False),
        (export("failed"), (HALF,), "readable", False),
        (export("aborted"), (ALL_OF_IT,), "landed", True),
        (export(), (HERE,), "landed", True),
        (export(), (ANY,), "landed", True),
        (export(days_ago=7), (), "readable", False),
        (export(days_ago=7.4), (), "readable", False),
        (export(days_ago=7.6), (), "expired", True),
        (export("aborted", days_ago=8), (HALF,), "expired", True),
    ],
)
def test_state(task: ExportTask, landed: tuple[Landed, ...], state: str, may_go: bool) -> None:
    """The state of an export, and whether its collector may be deleted."""
    (orphan,) = all_found = found(task, landed=landed)
    assert str(orphan.state) == state
    assert bool(disposable(all_found)) is may_go


@pytest.mark.parametrize(("holds", "state"), [(True, "readable"), (False, "expired"), (None, "overdue")])
def test_a_read_decides_what_is_lost(holds: bool | None, state: str) -> None:
    """An export that ran for hours keeps its last results longer than 7 days; what was not read is not deleted."""
    (orphan,) = found(export(days_ago=8), holds=holds)
    assert (str(orphan.state), orphan.is_disposable) == (state, state == "expired")
    assert (orphan.is_readable, orphan.is_urgent) == (state == "readable",) * 2
    warning = urgent_warning([orphan])
    assert (warning is not None) == (state == "readable")
    assert warning is None or "if at all, as their 7 days have passed" in warning


def test_what_a_deleted_collector_held_is_lost() -> None:
    """Also if one of the same name was created since; there is nothing to delete where there is none."""
    (gone,) = found(export(), collectors=())
    assert (str(gone.state), disposable([gone])) == ("lost", [])
    renewed = found(export(days_ago=2), export(), collector_age=1.5)
    assert [str(it.state) for it in renewed] == ["lost", "readable"]
    (late,) = found(export(days_ago=6), collector_age=1)
    assert str(late.state) == "lost"
    (still_there,) = found(export(days_ago=6), collector_age=1, holds=True)
    assert str(still_there.state) == "readable"
    assert found(export(), collectors=(), landed=(HERE,)) == []


def test_a_collector_that_is_not_listed_yet_is_not_lost() -> None:
    """The list may lag by minutes."""
    (young,) = found(export(days_ago=0), collectors=())
    assert str(young.state) == "readable"


def test_the_age_of_a_collector_is_asked_only_where_it_decides() -> None:
    """A thousand exports that can be read for days are one listing, and no call for each."""
    asked: list[str] = []
    names = [f"twx-demo-20240101-20240201-{number:010x}" for number in range(1_000)]
    tasks = [replace(export(collector_id=name), id=name) for name in names]
    existing = [Collector(name, "PAUSED") for name in names]
    states = orphans(tasks, existing, (), created=asked.append, now=NOW)  # type: ignore[arg-type]
    assert {str(orphan.state) for orphan in states} == {"readable"}
    assert asked == []


def test_one_unread_export_keeps_its_collector() -> None:
    """Whatever the state of the others."""
    assert disposable(found(export(days_ago=8), export())) == []


def test_only_our_collectors_are_considered() -> None:
    """They are recognized by their names."""
    assert found(export(collector_id="box"), collectors=("box", "twxbox", "my-twx-box")) == []


@pytest.mark.parametrize(
    ("name", "days", "state"),
    [
        ("twx-lock-1", 0.9, None),
        ("twx-lock-1", 1.1, "ticket"),
        (COLLECTOR, 7.4, None),
        (COLLECTOR, 7.6, "empty"),
        ("twx-live-brand", 7.6, None),
    ],
)
def test_collectors_without_exports(name: str, days: float, state: str | None) -> None:
    """A purchase that may still be running is left alone."""
    orphans_found = found(collectors=(name,), collector_age=days)
    assert [str(orphan.state) for orphan in orphans_found] == ([state] if state else [])


@pytest.mark.parametrize("holds", [True, None])
def test_a_collector_with_results_is_not_empty(holds: bool | None) -> None:
    """The service may have forgotten which export wrote them; what was not read is not called empty."""
    assert found(collector_age=8, holds=holds) == []


def test_a_collector_that_collects_by_itself_is_left_alone() -> None:
    """It is somebody's, whatever its name is."""
    active = [Collector(COLLECTOR, "ACTIVE")]
    assert orphans([export()], active, (), created=lambda _: NOW.subtract(days=30), now=NOW) == []


def test_an_export_that_brought_nothing_is_not_reported() -> None:
    """It cost nothing; its collector counts as one that no export filled."""
    (orphan,) = found(export("aborted", ready=0))
    assert (str(orphan.state), orphan.credits) == ("empty", 0)


def test_the_warning_comes_48_hours_before_the_deadline() -> None:
    """Not earlier, and only for what can still be read and has not landed."""
    assert urgent_warning(found(export(days_ago=4.9))) is None
    words = urgent_warning(found(export(days_ago=5.1)))
    assert words is not None
    assert "WARNING: 1 unread export of 500 credits" in words
    assert "until 2024-06-02T22:00Z" in words
    assert urgent_warning(found(export(days_ago=6.9), landed=(HERE,))) is None
    assert urgent_warning(found(export(days_ago=7.6))) is None


def test_table_and_json() -> None:
    """Both show the deadline, the time left and the cost."""
    orphans_found = found(export(days_ago=6))
    assert "2024-06-02T00:00Z  24 h  readable!      500  [2024-01-01T00:00Z" in table(orphans_found)
    document = json.loads(json.dumps(orphans_found[0].to_json()))
    assert (document["credits"], document["readable"], document["urgent"]) == (500, True, True)
    assert document["deadline"] == "2024-06-02T00:00:00Z"


def test_an_undocumented_status_is_refused() -> None:
    """The error names it, because nobody knows what would be safe to do."""
    with pytest.raises(UnexpectedResponseError, match="paused"):
        found(export("paused"))


def test_another_deadline_warning() -> None:
    """The caller chooses how long before, and the sentence says so."""
    existing = [Collector(COLLECTOR, "PAUSED")]
    orphans_found = orphans(
        [export(days_ago=3.9)],
        existing,
        (),
        created=lambda _: NOW.subtract(days=30),
        now=NOW,
        warn_before=pendulum.duration(hours=80),
    )
    assert "can be read for less than 80 hours more" in str(urgent_warning(orphans_found))


def test_what_is_lost_says_what_it_would_cost() -> None:
    """Expired or deleted; what can be read is not lost."""
    (words,) = describe_lost(found(export(days_ago=8)))
    assert "export e1, 500 credits, until 2024-05-31T00:00Z. Buying it again costs about as much" in words
    assert len(describe_lost(found(export(), collectors=()))) == 1
    assert describe_lost(found(export())) == []
