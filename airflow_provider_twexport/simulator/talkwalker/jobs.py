"""Exports: queued, running, then finished, or at their limit, or lost; and the order in which they deliver."""

from __future__ import annotations

import math
import random
import uuid
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.prng import hash64
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.simulator.day import Day
    from airflow_provider_twexport.simulator.talkwalker.corpus import Corpus, Matches, Scope
    from airflow_provider_twexport.simulator.talkwalker.documents import Documents
    from airflow_provider_twexport.simulator.talkwalker.settings import TalkwalkerSettings


@dataclass(frozen=True)
class ExportOrder:
    """What an export was ordered to deliver; `[start, stop)` in epoch milliseconds."""

    scope: Scope
    target: str
    start: int
    stop: int
    limit: int


@dataclass(frozen=True, slots=True)
class Block:
    """The matches of one day, visited in strides that reach each of them once."""

    matches: Matches
    stride: int
    shift: int

    def index(self, position: int) -> int:
        """Return the index within the day of the result at `position`."""
        return self.matches.index((position * self.stride + self.shift) % self.matches.size)


class DeliveryOrder:
    """The order in which an export delivers its matches: day by day, shuffled, different for each export.

    It is computed, not stored: its memory grows with the days, not with the results.

    :param limit: of the export.
    :param repeated: share of what is exported that repeats the results at the beginning.
    """

    def __init__(self, matches: list[Matches], seed: int, limit: int, repeated: float) -> None:
        rng = random.Random(seed)
        self._blocks = [Block(day, *_stride(day.size, rng)) for day in matches]
        rng.shuffle(self._blocks)
        self._ends = list(accumulate(block.matches.size for block in self._blocks))
        self.total = self._ends[-1] if self._ends else 0
        exported = min(self.total, limit)
        self._distinct = exported - int(exported * repeated)

    def results(self, first: int, last: int) -> Iterator[tuple[Day, int]]:
        """Yield day and index of the results at positions `[first, last)`."""
        while first < last:
            begin = first % self._distinct
            count = min(last - first, self._distinct - begin)
            yield from self._results(begin, begin + count)
            first += count

    def _results(self, first: int, last: int) -> Iterator[tuple[Day, int]]:
        number = bisect_right(self._ends, first)
        while first < last:
            block, end = self._blocks[number], self._ends[number]
            begin = end - block.matches.size
            for position in range(first - begin, min(last, end) - begin):
                yield block.matches.day, block.index(position)
            first = min(last, end)
            number += 1


def _stride(size: int, rng: random.Random) -> tuple[int, int]:
    stride = rng.randrange(1, size + 1)
    while math.gcd(stride, size) != 1:
        stride += 1
    return stride, rng.randrange(size)


@dataclass(eq=False)
class Export:
    """One export and its progress.

    :param names_itself: whether its results name it.
    :param due: results that it has to deliver by `advanced_to`, in addition to `exported`.
    """

    id: str
    order: ExportOrder
    delivery: DeliveryOrder
    documents: Documents
    created: float
    names_itself: bool = True
    status: str = "queued"
    exported: int = 0
    due: int = 0
    advanced_to: float = 0.0
    messages: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many results it will have exported in the end."""
        return min(self.order.limit, self.delivery.total)

    @property
    def is_active(self) -> bool:
        """Whether its status can still change."""
        return self.status in {"queued", "running"}

    def lines(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the CT_RESULT lines of its results `[first, last)`."""
        lines = self.documents.lines(self.order.scope, self.delivery.results(first, last), self.id)
        if self.names_itself:
            return lines
        return (line.replace(b'"task_id":"%b"' % self.id.encode(), b"") for line in lines)

    def advance(self, now: float, settings: TalkwalkerSettings) -> None:
        """Start when the time has come, and compute how many results are due by now."""
        starts = self.created + settings.queue_seconds
        if self.status == "queued" and now >= starts:
            self.status, self.advanced_to = "running", starts
        if self.status != "running":
            return
        missing = self.total - self.exported
        if settings.results_per_second is None:
            self.due, self.advanced_to = missing, now
        elif settings.results_per_second > 0:
            self.due = max(0, min(int((now - self.advanced_to) * settings.results_per_second), missing))
            self.advanced_to += self.due / settings.results_per_second

    def end_if_finished(self) -> None:
        """Finish once everything is exported."""
        if self.status == "running" and self.exported >= self.total:
            self.status = "finished" if self.total == self.delivery.total else "result_limit_reached"

    def fail(self, message: str) -> None:
        """Stop for good; what was exported stays exported."""
        self.status, self.due = "failed", 0
        self.messages.append(message)

    def created_json(self, settings: TalkwalkerSettings) -> dict[str, Any]:
        """Return the task as the response to its creation shows it: `progress` is a whole 0."""
        return {**self._identity(settings), "processed": 0, "progress": 0, "status": "queued"}

    def to_json(self, settings: TalkwalkerSettings) -> dict[str, Any]:
        """Return the task as status and list show it."""
        task = {
            **self._identity(settings),
            "processed": self._processed(settings.processed_step),
            "progress": self._progress(),
        }
        if settings.ready_field:
            task["ready"] = self.exported
        if self.messages:
            task["messages"] = self.messages
        if settings.numbers_as_text:
            task |= {name: str(task[name]) for name in ("processed", "progress", "ready") if name in task}
        return {**task, "status": self.status.upper() if settings.upper_case else self.status}

    def ledger_json(self) -> dict[str, Any]:
        """Return the task for the ledger, with everything that the vendor does not show."""
        order = self.order
        return {
            "id": self.id,
            "target": order.target,
            "scope": str(order.scope),
            "start": order.start,
            "stop": order.stop,
            "query": order.scope.query,
            "topics": list(order.scope.topics),
            "limit": order.limit,
            "total_matches": self.delivery.total,
            "exported": self.exported,
            "charged": self.exported,
            "status": self.status,
            "created": self.created,
        }

    def _identity(self, settings: TalkwalkerSettings) -> dict[str, Any]:
        return {
            "creation_date": settings.creation_date(self.created),
            "type": "export",
            "id": self.id,
            "target": self.order.target,
        }

    def _processed(self, step: int) -> int:
        """Count the processed matches: in whole steps, more than were exported."""
        if self.status == "queued":
            return 0
        return min(self.delivery.total, (self.exported // step + 1) * step)

    def _progress(self) -> float:
        """Divide exported results by matches, so that a truncated export never reaches 1."""
        if self.delivery.total:
            return self.exported / self.delivery.total
        return float(not self.is_active)


class Exports:
    """The exports of the account, in order of creation."""

    def __init__(self, seed: int, corpus: Corpus, documents: Documents) -> None:
        self._seed = seed
        self._corpus = corpus
        self._documents = documents
        self._id_rng = random.Random(hash64(seed, "exports"))
        self._exports: dict[str, Export] = {}
        self._active: list[Export] = []

    def create(self, order: ExportOrder, now: float, settings: TalkwalkerSettings) -> Export:
        """Queue a new export, whatever was exported before."""
        task_id = str(uuid.UUID(int=self._id_rng.getrandbits(128), version=4))
        matches = self._corpus.matches(order.scope, order.start, order.stop, settings)
        seed = hash64(self._seed, "delivery", task_id)
        delivery = DeliveryOrder(matches, seed, order.limit, settings.repeated_rows)
        export = Export(task_id, order, delivery, self._documents, now, settings.task_ids)
        self._exports[task_id] = export
        self._active.append(export)
        return export

    def get(self, task_id: str) -> Export:
        """Return an export.

        :raises TalkwalkerError: error 15 if there is none.
        """
        if export := self._exports.get(task_id):
            return export
        raise TalkwalkerError(15, "Wrong task id: no such task.", task_id=task_id)

    def abort(self, task_id: str) -> None:
        """Stop an export; one that has ended stays as it is."""
        export = self.get(task_id)
        if export.is_active:
            export.status = "aborted"

    def all(self) -> list[Export]:
        """List the exports, newest first."""
        return list(reversed(self._exports.values()))

    def recent(self, now: float, settings: TalkwalkerSettings) -> list[Export]:
        """List the exports that the service's list shows, newest first."""
        shown = [export for export in self.all() if export.created + settings.list_delay_seconds <= now]
        return shown[: settings.list_keeps]

    def advance(self, now: float, settings: TalkwalkerSettings) -> list[Export]:
        """Advance the active exports and return those that have results to deliver."""
        for export in self._active:
            export.advance(now, settings)
        return [export for export in self._active if export.due]

    def end_finished(self) -> None:
        """Finish the exports that have delivered everything."""
        for export in self._active:
            export.end_if_finished()
        self._active = [export for export in self._active if export.is_active]
