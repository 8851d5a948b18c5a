"""Export tasks: queued, running, then finished, or at their limit, or lost."""

from __future__ import annotations

import math
import random
import uuid
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.prng import number
from airflow_provider_twexport.simulator.talkwalker.errors import TalkwalkerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.simulator.day import Day
    from airflow_provider_twexport.simulator.talkwalker.account import Credits
    from airflow_provider_twexport.simulator.talkwalker.corpus import Corpus, Matches, Scope
    from airflow_provider_twexport.simulator.talkwalker.documents import Documents
    from airflow_provider_twexport.simulator.talkwalker.settings import Settings
    from airflow_provider_twexport.simulator.talkwalker.streams import Collectors


@dataclass(frozen=True, slots=True)
class Block:
    """The matches of one day, visited in strides that reach each of them once."""

    matches: Matches
    stride: int
    shift: int

    def index(self, place: int) -> int:
        """Index within the day of the result that comes at `place`."""
        return self.matches.index((place * self.stride + self.shift) % self.matches.size)


class Delivery:
    """A shuffled walk over matches that remembers nothing but its days."""

    def __init__(self, matches: list[Matches], seed: int) -> None:
        chance = random.Random(seed)
        self._blocks = [Block(each, *_stride(each.size, chance)) for each in matches]
        chance.shuffle(self._blocks)
        self._ends = list(accumulate(block.matches.size for block in self._blocks))
        self.total = self._ends[-1] if self._ends else 0

    def results(self, first: int, last: int) -> Iterator[tuple[Day, int]]:
        """Yield day and index of the results at places `[first, last)`."""
        number = bisect_right(self._ends, first)
        while first < last:
            block, end = self._blocks[number], self._ends[number]
            begin = end - block.matches.size
            for place in range(first - begin, min(last, end) - begin):
                yield block.matches.day, block.index(place)
            first = min(last, end)
            number += 1


def _stride(size: int, chance: random.Random) -> tuple[int, int]:
    stride = chance.randrange(1, size + 1)
    while math.gcd(stride, size) != 1:
        stride += 1
    return stride, chance.randrange(size)


# Exports that run at the same time into one collector take turns of so many results.
TURN = 64
REASON = "export"


@dataclass(frozen=True)
class Order:
    """What an export was asked for."""

    scope: Scope
    target: str
    start: int
    stop: int
    limit: int


@dataclass(eq=False)
class Export:
    """One export task and how far it is."""

    id: str
    order: Order
    delivery: Delivery
    documents: Documents
    created: float
    status: str = "queued"
    exported: int = 0
    due: int = 0
    moved: float = 0.0
    messages: list[str] = field(default_factory=list)

    @property
    def wanted(self) -> int:
        """How many results it will have exported in the end."""
        return min(self.order.limit, self.delivery.total)

    @property
    def is_active(self) -> bool:
        """Whether it still moves."""
        return self.status in {"queued", "running"}

    def lines(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the CT_RESULT lines of its results `[first, last)`."""
        return self.documents.lines(self.order.scope, self.delivery, self.id, first, last)

    def move(self, now: float, settings: Settings) -> None:
        """Note how many results are due by now."""
        begins = self.created + settings.queue_seconds
        if self.status == "queued" and now >= begins:
            self.status, self.moved = "running", begins
        if self.status != "running":
            return
        missing = self.wanted - self.exported
        if settings.results_per_second is None:
            self.due, self.moved = missing, now
        elif settings.results_per_second > 0:
            self.due = max(0, min(int((now - self.moved) * settings.results_per_second), missing))
            self.moved += self.due / settings.results_per_second

    def end(self) -> None:
        """Finish once everything wanted is exported."""
        if self.status == "running" and self.exported >= self.wanted:
            self.status = "finished" if self.wanted == self.delivery.total else "result_limit_reached"

    def fail(self, message: str) -> None:
        """Stop for good; what was exported stays exported."""
        self.status, self.due = "failed", 0
        self.messages.append(message)

    def processed(self, step: int) -> int:
        """How many matches were looked at: in whole steps, ahead of what was exported."""
        if self.status == "queued":
            return 0
        return min(self.delivery.total, (self.exported // step + 1) * step)

    def progress(self) -> float:
        """Divide exported by matches, so that a truncated export never reaches 1."""
        if self.delivery.total:
            return self.exported / self.delivery.total
        return float(not self.is_active)

    def created_json(self) -> dict[str, Any]:
        """Write the task as the answer to its creation does: `progress` is a whole 0."""
        return {**self._named(), "processed": 0, "progress": 0, "status": "queued"}

    def to_json(self, settings: Settings) -> dict[str, Any]:
        """Write the task as status and list do."""
        task = {
            **self._named(),
            "processed": self.processed(settings.processed_step),
            "progress": self.progress(),
        }
        if settings.ready_field:
            task["ready"] = self.exported
        if self.messages:
            task["messages"] = self.messages
        return {**task, "status": self.status}

    def entry(self) -> dict[str, Any]:
        """Write the task for the ledger, with everything the vendor does not say."""
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

    def _named(self) -> dict[str, Any]:
        return {
            "creation_date": timestamp(self.created),
            "type": "export",
            "id": self.id,
            "target": self.order.target,
        }


class Exports:
    """The export tasks of the account, newest last, and the work they do as time passes."""

    def __init__(self, seed: int, corpus: Corpus, documents: Documents) -> None:
        self._seed = seed
        self._corpus = corpus
        self._documents = documents
        self._ids = random.Random(number(seed, "exports"))
        self._known: dict[str, Export] = {}
        self._active: list[Export] = []

    def create(self, order: Order, now: float, settings: Settings) -> Export:
        """Queue a new export, whatever ran before it."""
        task_id = str(uuid.UUID(int=self._ids.getrandbits(128), version=4))
        matches = self._corpus.matches(order.scope, order.start, order.stop, settings)
        delivery = Delivery(matches, number(self._seed, "delivery", task_id))
        export = self._known[task_id] = Export(task_id, order, delivery, self._documents, now)
        self._active.append(export)
        return export

    def get(self, task_id: str) -> Export:
        """Find an export; error 15 when there is none."""
        if export := self._known.get(task_id):
            return export
        raise TalkwalkerError(15, "Wrong task id: no such task.", task_id=task_id)

    def abort(self, task_id: str) -> None:
        """Stop an export; one that has ended stays as it is."""
        export = self.get(task_id)
        if export.is_active:
            export.status = "aborted"

    def all(self) -> list[Export]:
        """List them, newest first."""
        return list(reversed(self._known.values()))

    def advance(self, now: float, settings: Settings, collectors: Collectors, credits_left: Credits) -> None:
        """Export and charge all that is due by now."""
        if not self._active:
            return
        for export in self._active:
            export.move(now, settings)
        running = [export for export in self._active if export.due]
        turn = TURN if len(running) > 1 else max((export.due for export in running), default=0)
        while running:
            running = [export for export in running if _take_turn(export, turn, collectors, credits_left)]
        for export in self._active:
            export.end()
        self._active = [export for export in self._active if export.is_active]


def timestamp(seconds: float) -> str:
    """ISO 8601 with milliseconds, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _take_turn(export: Export, turn: int, collectors: Collectors, credits_left: Credits) -> bool:
    """Export a few results; false when there is nothing more to do for now."""
    collector = collectors.find(export.order.target)
    if collector is None:
        export.fail("The target collector does not exist any more.")
        return False
    wanted = min(turn, export.due)
    taken = credits_left.take(wanted, REASON)
    collector.append(export, export.exported, export.exported + taken, export.moved)
    export.exported += taken
    export.due -= taken
    if taken < wanted:
        export.fail("No credits left.")
    return export.due > 0
