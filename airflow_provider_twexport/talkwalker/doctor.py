"""What a live account does where no document says it, beside what this package assumes; read-only and free.

Each finding belongs to a line of docs/assumptions.md.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.exceptions import (
    NotFoundError,
    PermissionDeniedError,
    ReadIdleError,
    ReadInterruptedError,
    TwexportError,
)
from airflow_provider_twexport.talkwalker.models import UNLIMITED, credits_text
from airflow_provider_twexport.talkwalker.results import EARLIEST, LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportTask
    from airflow_provider_twexport.talkwalker.results import EndBehaviour

UNKNOWN_EXPORT = "00000000-0000-4000-8000-000000000000"
# enough for the some 400 results that a short read was seen to bring
MAX_READ_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    :param subject: what it is about.
    :param found: what the service did.
    :param assumed: what this package assumes; empty where it assumes nothing.
    :param agrees: whether both agree; ``None`` where that cannot be said.
    """

    subject: str
    found: str
    assumed: str = ""
    agrees: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what :func:`json.dumps` takes."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Observation:
    """One connection to a collector, as it went.

    :param first: the first control's offset.
    :param last: the last control's offset.
    :param results: how many results it brought.
    :param controls: how many controls.
    :param unnamed: how many results name no export.
    :param repeats: how many results equal an earlier one of this connection.
    :param blanks: how many blank lines.
    :param seconds: how long it lasted.
    :param ended_by: ``service``, ``silence``, ``broken connection`` or ``doctor``.
    :param trailing: how many results came after the last control.
    """

    first: str | None
    last: str | None
    results: int
    controls: int
    unnamed: int
    repeats: int
    blanks: int
    seconds: float
    ended_by: str
    trailing: int


def examine(
    client: TalkwalkerClient, collector_id: str | None = None, seconds: float = 40.0
) -> Iterator[Finding]:
    """Yield what is found of an account, and of a collector that has results where one is named.

    It sends some ten requests, four of them to the results of the collector, of which Talkwalker allows five a minute.

    :param client: a client of the account.
    :param collector_id: an existing collector; it is read and not changed.
    :param seconds: how long to listen to its open connection.
    """
    checks: list[Callable[[], Iterator[Finding]]] = [
        lambda: _account(client),
        lambda: _rights(client),
        lambda: _credits(client),
        lambda: _exports(client),
    ]
    if collector_id:
        checks.append(lambda: _collector(client, collector_id, seconds))
    for check in checks:
        try:
            yield from check()
        except TwexportError as error:
            yield Finding("error", str(error), "no error here", agrees=False)


def _account(client: TalkwalkerClient) -> Iterator[Finding]:
    projects = client.list_projects()
    names = ", ".join(f"{project.name} ({project.id})" for project in projects[:5]) or "none"
    yield Finding("connection", f"{len(projects)} projects: {names}")


def _rights(client: TalkwalkerClient) -> Iterator[Finding]:
    try:
        collectors = client.list_collectors()
    except PermissionDeniedError:
        yield Finding("rights", "read only", "read and write, which exports need", agrees=False)
        return
    yield Finding("rights", f"read and write; {len(collectors)} collectors", "read and write", agrees=True)


def _credits(client: TalkwalkerClient) -> Iterator[Finding]:
    credit = client.get_credits()
    kinds = credit.remaining_monthly, credit.remaining_onetime
    yield Finding(
        "credits",
        f"left: {credits_text(credit.remaining_monthly)} monthly, {credits_text(credit.remaining_onetime)} one-time",
        "both are whole numbers, 0 or more",
        agrees=all(it is not None and 0 <= it < UNLIMITED for it in kinds),
    )


def _exports(client: TalkwalkerClient) -> Iterator[Finding]:
    tasks = client.list_exports()
    dates = [task.created for task in tasks if task.created]
    if not tasks:
        yield Finding("list of exports", "empty, so nothing can be seen of it")
        return
    oldest = f"the oldest is of {min(dates).to_date_string()}" if dates else "none has a date"
    yield Finding(
        "list of exports", f"{len(tasks)} exports; {oldest}", "it may forget, and may show an order late"
    )
    yield _order_of(tasks)
    fractions = any(date.microsecond for date in dates)
    yield Finding(
        "creation dates",
        "with milliseconds" if fractions else "in whole seconds",
        "either; the older of two orders is decided by a lock, not by dates",
        agrees=True,
    )
    known = [task for task in tasks if task.ready is not None]
    yield Finding(
        "exported results",
        f"{len(known)} of {len(tasks)} exports have `ready`",
        "`ready` where it is there, else the lesser of `processed` and the limit",
        agrees=len(known) == len(tasks),
    )
    odd = sorted({task.raw_status for task in tasks if not task.status.is_documented})
    yield Finding(
        "statuses",
        f"undocumented: {', '.join(odd)}" if odd else "all documented",
        "documented",
        agrees=not odd,
    )
    again = client.get_export(tasks[0].id)
    yield Finding(
        "one export",
        f"{again.id} is {again.raw_status}",
        "the same as in the list",
        agrees=again.id == tasks[0].id,
    )
    yield _unknown_export(client)


def _order_of(tasks: list[ExportTask]) -> Finding:
    dates = [task.created for task in tasks if task.created]
    newest_first = dates == sorted(dates, reverse=True)
    return Finding(
        "order of the list", "newest first" if newest_first else "not newest first", "any", agrees=True
    )


def _unknown_export(client: TalkwalkerClient) -> Finding:
    try:
        client.get_export(UNKNOWN_EXPORT)
    except NotFoundError as error:
        found, agrees = (
            f"HTTP {error.evidence and error.evidence.status}, code {error.evidence and error.evidence.code}",
            True,
        )
    except TwexportError as error:
        found, agrees = f"{error.kind}: {error}", False
    else:
        found, agrees = "an export", False
    return Finding("an export that does not exist", found, "not found", agrees)


def _collector(client: TalkwalkerClient, collector_id: str, seconds: float) -> Iterator[Finding]:
    before = pendulum.now("UTC")
    with client.open_results(collector_id, LATEST, "stop") as response:
        skew = response.sent_at() - before.timestamp()
    yield Finding(
        "clock",
        f"the service's is {skew:+.0f} s from this machine's",
        "only compared with itself",
        agrees=True,
    )
    short = observe(client, collector_id, EARLIEST, "stop", seconds)
    yield Finding(
        "first control",
        f"offset {short.first!r}",
        "the offset that was asked for",
        agrees=short.first == EARLIEST,
    )
    yield Finding(
        "a short read",
        f"{short.results:,} results, {short.controls} controls, {short.seconds:.1f} s; ended by the {short.ended_by}",
        "it ends by itself, perhaps before all has come",
        agrees=short.ended_by == "service",
    )
    yield Finding(
        "last control",
        f"{short.trailing} results behind it",
        "none: a control says that all before it was delivered",
        agrees=short.trailing == 0,
    )
    yield Finding(
        "owner of a result",
        f"{short.unnamed:,} of {short.results:,} name no export",
        "each result of an export names it in `matched.task_id`",
        agrees=short.unnamed == 0,
    )
    yield Finding(
        "equal results",
        f"{short.repeats:,} in one connection",
        "possible: they were exported twice",
        agrees=True,
    )
    drained = observe(client, collector_id, short.last or EARLIEST, "stop", seconds)
    yield Finding(
        "reading on",
        f"starts at {drained.first!r} and brings {drained.results:,} results",
        "starts where the last read ended",
        agrees=drained.first == (short.last or EARLIEST),
    )
    waiting = observe(client, collector_id, drained.last or EARLIEST, "wait", seconds)
    beats = f"{waiting.blanks} blank lines and {max(0, waiting.controls - 1)} further controls"
    yield Finding(
        "an open read",
        f"{beats} in {waiting.seconds:.0f} s; ended by the {waiting.ended_by}",
        "silence, blank lines or repeated controls: none of them is progress",
        agrees=True,
    )


def observe(
    client: TalkwalkerClient, collector_id: str, cursor: str, end_behaviour: EndBehaviour, seconds: float
) -> Observation:
    """Return how one connection to a collector goes; it keeps no result.

    :param cursor: where to start.
    :param end_behaviour: ``stop`` or ``wait``.
    :param seconds: how long to listen.
    """
    began, received, ended_by = time.monotonic(), bytearray(), "service"
    try:
        with client.open_results(collector_id, cursor, end_behaviour) as response:
            for block in response.blocks:
                received += block
                if time.monotonic() - began > seconds or len(received) > MAX_READ_BYTES:
                    ended_by = "doctor"
                    break
    except ReadIdleError:
        ended_by = "silence"
    except ReadInterruptedError:
        ended_by = "broken connection"
    return _observation(received.split(b"\n"), time.monotonic() - began, ended_by)


def _observation(lines: list[bytearray], seconds: float, ended_by: str) -> Observation:
    offsets: list[str | None] = []
    digests: set[int] = set()
    results = unnamed = repeats = trailing = 0
    for line in lines:
        chunk = _chunk(line)
        if chunk.get("chunk_type") == "CT_CONTROL":
            offsets.append((chunk.get("chunk_control") or {}).get("resume_offset"))
            trailing = 0
        elif chunk.get("chunk_type") == "CT_RESULT":
            results, trailing = results + 1, trailing + 1
            unnamed += b'"task_id"' not in line
            repeats += hash(bytes(line)) in digests
            digests.add(hash(bytes(line)))
    blanks = sum(not line.strip() for line in lines[:-1])
    first, last = (offsets[0], offsets[-1]) if offsets else (None, None)
    return Observation(
        first, last, results, len(offsets), unnamed, repeats, blanks, seconds, ended_by, trailing
    )


def _chunk(line: bytearray) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
