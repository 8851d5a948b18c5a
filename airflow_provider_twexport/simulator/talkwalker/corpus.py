"""Which results exist: a function of seed, scope, day and place within the day, never of who exports them.

A result's moment grows with its index within the day, so any window holds one run of indices of each day, and
windows that touch hold together exactly what the whole window holds.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_twexport.simulator.day import DAY, Day
from airflow_provider_twexport.simulator.prng import number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.simulator.talkwalker.settings import Settings


@dataclass(frozen=True)
class Topic:
    """A saved query of a project; it owns the results whose index ends in one of these digits."""

    id: str
    title: str
    digits: frozenset[int]


@dataclass(frozen=True)
class Project:
    """A container of topics."""

    id: str
    name: str
    topics: tuple[Topic, ...]


# Digit 3 has two topics: a result may match more than one.
TOPICS = (
    Topic("md000001_aaaaaaaaaaaa", "Harbour Bank", frozenset({0, 1, 2, 3})),
    Topic("md000002_bbbbbbbbbbbb", "Competitors", frozenset({3, 4, 5})),
    Topic("md000003_cccccccccccc", "Fintech en español", frozenset({6, 7})),
    Topic("md000004_dddddddddddd", "Economy", frozenset({8, 9})),
)
PROJECTS = {
    project.id: project
    for project in (
        Project("11111111-2222-4333-8444-555555555555", "Demo project", TOPICS),
        Project("66666666-7777-4888-8999-aaaaaaaaaaaa", "Second demo project", TOPICS[:2]),
    )
}
STREAMS = ("demo-stream", "demo-stream-2")


# A topic owns last digits, an additional query owns remainders by seven: together they repeat every seventy.
PERIOD = 70


@dataclass(frozen=True)
class Scope:
    """Where results come from: a project, a stream, or all that one query finds."""

    kind: str
    name: str
    topics: tuple[str, ...] = ()
    query: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    def residues(self) -> tuple[int, ...]:
        """Which of every seventy results match the topics and the additional query."""
        digits = self._topic_digits()
        sevenths = self._query_sevenths()
        return tuple(place for place in range(PERIOD) if place % 10 in digits and place % 7 in sevenths)

    def _topic_digits(self) -> frozenset[int]:
        if not self.topics:
            return frozenset(range(10))
        known = {topic.id: topic.digits for topic in PROJECTS[self.name].topics}
        return frozenset().union(*(known[topic] for topic in self.topics))

    def _query_sevenths(self) -> frozenset[int]:
        if self.query is None or self.kind == "query":
            return frozenset(range(7))
        shift, width = divmod(number("query", self.query) % 42, 6)
        return frozenset((shift + step) % 7 for step in range(width + 1))


@dataclass(frozen=True, slots=True)
class Matches:
    """The results of one day that a window and a scope select, in order of time."""

    day: Day
    residues: tuple[int, ...]
    skipped: int
    size: int

    def index(self, place: int) -> int:
        """Index within the day of the match at `place`."""
        rounds, rest = divmod(self.skipped + place, len(self.residues))
        return rounds * PERIOD + self.residues[rest]


class Corpus:
    """Everything that was ever published, as far as this simulator knows."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def matches(self, scope: Scope, start: int, stop: int, settings: Settings) -> list[Matches]:
        """Find the selected results of each day of `[start, stop)`; days without any are left out."""
        found = [
            self._match(day, scope.residues(), start, stop)
            for day in self._days(scope, start, stop, settings)
        ]
        return [matches for matches in found if matches.size]

    def count(self, scope: Scope, start: int, stop: int, settings: Settings) -> int:
        """How many results an export of this window would have."""
        if start >= stop:
            return 0
        return sum(matches.size for matches in self.matches(scope, start, stop, settings))

    def _days(self, scope: Scope, start: int, stop: int, settings: Settings) -> Iterator[Day]:
        for ordinal in range(start // DAY, -(-stop // DAY)):
            seed = number(self._seed, str(scope), ordinal)
            swing = 1 + settings.day_variation * (2 * (seed >> 32) / 0xFFFF_FFFF - 1)
            yield Day(ordinal * DAY, seed, round(settings.results_per_day * swing))

    @staticmethod
    def _match(day: Day, residues: tuple[int, ...], start: int, stop: int) -> Matches:
        first, last = (_owned(residues, day.before(moment)) for moment in (start, stop))
        return Matches(day, residues, first, last - first)


def _owned(residues: tuple[int, ...], below: int) -> int:
    rounds, rest = divmod(below, PERIOD)
    return rounds * len(residues) + bisect_left(residues, rest)
