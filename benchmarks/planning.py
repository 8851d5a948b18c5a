"""Measure the work of planning and of what is around it, without a service: ``python -m benchmarks.planning``.

Each case runs in a process of its own, on what a large account would show. The memory is the most that the case adds to
that of the process before it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.core.window import Window
from airflow_provider_twexport.coverage.coverage import coverage, landed_span
from airflow_provider_twexport.storage.ledger import EntryKind, LedgerEntry, LedgerReader, TaskRef
from airflow_provider_twexport.storage.manifest import Manifest, empty_manifest
from airflow_provider_twexport.talkwalker.histogram import Volume
from airflow_provider_twexport.talkwalker.models import Collector, Credits, ExportOrder, ExportTask
from airflow_provider_twexport.talkwalker.orphans import find_orphans
from airflow_provider_twexport.talkwalker.planning.plan_table import table
from airflow_provider_twexport.talkwalker.planning.survey import survey
from airflow_provider_twexport.talkwalker.purchasing.collector_names import collector_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_twexport.core.window import CalendarUnit

NOW = pendulum.now("UTC").start_of("day")
PROJECT = "11111111-2222-4333-8444-555555555555"
YEAR = Window(pendulum.datetime(2024, 1, 1), pendulum.datetime(2025, 1, 1))


@dataclass(frozen=True)
class Account:
    """An account that answers from memory, and nothing that costs time."""

    exports: tuple[ExportTask, ...] = ()

    def list_exports(self, collector_id: str | None = None) -> list[ExportTask]:
        """Return all exports."""
        return list(self.exports)

    def list_collectors(self) -> list[Collector]:
        """Return a collector for each of them."""
        return [Collector(task.collector_id or "", "PAUSED") for task in self.exports]

    def get_credits(self) -> Credits:
        """Return credits enough."""
        return Credits(10**9, 0, 0, None)

    def histogram(self, order: ExportOrder, interval: CalendarUnit = "day") -> list[Volume]:
        """Return 10 results for each bucket."""
        return [Volume(bucket, 10) for bucket in order.window.cut(interval)]

    def can_be_read(self, collector_id: str, export_id: str | None) -> bool:
        """Return that nothing is left."""
        return False


class NoHours:
    """The hours of a landing without results."""

    def within(self, window: Window) -> tuple[int, int]:
        """Return that there are none."""
        return 0, 0


def order(window: Window = YEAR, **changes: Any) -> ExportOrder:
    """Return an order of the demo project."""
    return replace(ExportOrder(window, project_id=PROJECT, query="coffee"), **changes)


def task(window: Window, **changes: Any) -> ExportTask:
    """Return a finished export of yesterday."""
    collector_id = collector_id_of(order(window, **changes))
    created = NOW.subtract(days=1).to_iso8601_string()
    body = {"id": collector_id[-10:], "target": collector_id, "status": "finished", "creation_date": created}
    return ExportTask.from_json(body | {"ready": 10, "progress": 1.0})


def landed(window: Window, **changes: Any) -> Manifest:
    """Return a complete landing."""
    collector_id = collector_id_of(order(window))
    source = {"owner": collector_id, "collector_id": collector_id, "export_id": collector_id[-10:]}
    whole = empty_manifest({**source, "window": window.to_json(), "scope": PROJECT}, "jsonl.gz")
    return replace(whole, complete=True, results=10, **changes)


def plan(
    account: Account,
    window: Window,
    by: CalendarUnit,
    landings: Iterable[Manifest] = (),
    *,
    split: bool = False,
) -> None:
    """Plan a range, and write the table."""
    client: Any = account
    by_owner = {str(it.source["owner"]): it for it in landings}
    hours: Any = (lambda _: NoHours()) if split else None
    table(survey(client, order(window), by, landed=by_owner, landed_hours=hours).count(client))


def twenty_years() -> Callable[[], None]:
    """Nothing of it was bought."""
    years = Window(pendulum.datetime(2004, 1, 1), pendulum.datetime(2024, 1, 1))
    return lambda: plan(Account(), years, "hour")


def year_among_tasks() -> Callable[[], None]:
    """Half of the hours were bought; the other tasks are of other limits, and overlap."""
    hours = YEAR.cut("hour")
    others = [
        Window(hours[at % 8_000].start, hours[at % 8_000].stop.add(hours=at % 48)) for at in range(45_608)
    ]
    bought = [task(hour) for hour in hours[::2]]
    account = Account((*bought, *(task(it, limit=1_000 + at) for at, it in enumerate(others))))
    return lambda: plan(account, YEAR, "hour")


def truncated_days() -> Callable[[], None]:
    """Each day landed truncated, and its hours were bought."""
    days, hours = YEAR.cut("day"), YEAR.cut("hour")
    others = [task(hour, limit=1_000 + at) for at in range(5) for hour in hours]
    account = Account((*(task(hour) for hour in hours[: 50_000 - len(others)]), *others))
    landings = [landed(day, truncated=True, exported=10, estimated_total=20) for day in days]
    return lambda: plan(account, YEAR, "day", landings, split=True)


def copied_month() -> Callable[[], None]:
    """Find the same landing in 3,000 directories."""
    spans = [landed_span(landed(Window(YEAR.start, YEAR.start.add(months=1))))] * 3_000
    return lambda: print(len(coverage([it for it in spans if it])), end="", file=sys.stderr)


def thousand_orphans() -> Callable[[], None]:
    """Find exports of yesterday that have not landed; a call for one of them would fail."""
    client: Any = Account(tuple(task(hour) for hour in YEAR.cut("hour")[:1_000]))
    return lambda: print(len(find_orphans(client, ())), end="", file=sys.stderr)


def second_look() -> Callable[[], None]:
    """100,000 facts that were read once, and 10 new ones."""
    place = Path(tempfile.mkdtemp(prefix="twexport-bench-"))
    kinds = (EntryKind.ORDERED, EntryKind.ENDED, EntryKind.LANDED, EntryKind.DELETED)

    def write(first: int, stop: int) -> None:
        for number in range(first, stop):
            details = {
                "window": YEAR.to_json(),
                "limit": 10,
                "manifest": f"s3://lake/{number // 4}",
                "complete": True,
            }
            by, at = TaskRef("dag", f"run-{number % 50}", "task"), "2024-06-01T00:00:00Z"
            kind, export_id = kinds[number % 4], f"export-{number // 4}"
            entry = LedgerEntry(kind=kind, export_id=export_id, by=by, at=at, details=details)
            (place / entry.name).write_bytes(entry.to_json())

    write(0, 100_000)
    reader = LedgerReader(place)
    began = time.monotonic()
    reader.read()
    print(f"(the first look took {time.monotonic() - began:.1f} s)", end=" ", file=sys.stderr)
    write(100_000, 100_010)
    return lambda: print(len(reader.read().exports), end="", file=sys.stderr)


CASES = {
    "20 years by hour": twenty_years,
    "a year by hour among 50,000 tasks": year_among_tasks,
    "366 truncated days among 50,000 tasks": truncated_days,
    "3,000 copies of a month": copied_month,
    "1,000 orphans": thousand_orphans,
    "100,000 facts, second look": second_look,
}


def _status(name: str) -> float:
    """Return a number of MiB of this process."""
    text = Path("/proc/self/status").read_text()
    return int(re.findall(rf"{name}:\s+(\d+) kB", text)[0]) / 1024


def measure(name: str) -> None:
    """Print how long a case takes, and how much memory it adds."""
    work = CASES[name]()
    Path("/proc/self/clear_refs").write_text("5")
    before, began, cpu = _status("VmRSS"), time.monotonic(), time.process_time()
    work()
    wall, cpu = time.monotonic() - began, time.process_time() - cpu
    print(f"{name:<40}{wall:>8.2f} s{cpu:>8.2f} s of a core{_status('VmHWM') - before:>6.0f} MiB")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        for case in CASES:
            command = [sys.executable, "-m", "benchmarks.planning", case]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
