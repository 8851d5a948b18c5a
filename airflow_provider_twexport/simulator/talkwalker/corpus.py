"""Which results exist: a function of seed, scope, day and index within the day, never of who exports them.

Results are numbered in order of time within their day, so a window selects a range of indices of each day, and windows
that touch select together exactly what the whole window selects.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_twexport.simulator.day import DAY_MS, Day
from airflow_provider_twexport.simulator.prng import hash64

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_twexport.simulator.talkwalker.settings import TalkwalkerSettings


@dataclass(frozen=True)
class Topic:
    """A saved query of a project; it matches the results whose index ends in one of these digits."""

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

# A topic matches last digits, an additional query matches remainders by seven: the pattern repeats every seventy.
PERIOD = 70


@dataclass(frozen=True)
class Scope:
    """Where results come from: a project, a stream, or everything that a query finds."""

    kind: str
    name: str
    topics: tuple[str, ...] = ()
    query: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    def residues(self) -> tuple[int, ...]:
        """Return which of every seventy results match the topics and the additional query."""
        digits, sevenths = self._topic_digits(), self._query_sevenths()
        return tuple(
            residue for residue in range(PERIOD) if residue % 10 in digits and residue % 7 in sevenths
        )

    def _topic_digits(self) -> frozenset[int]:
        if not self.topics:
            return frozenset(range(10))
        digits = {topic.id: topic.digits for topic in PROJECTS[self.name].topics}
        return frozenset().union(*(digits[topic] for topic in self.topics))

    def _query_sevenths(self) -> frozenset[int]:
        if self.query is None or self.kind == "query":
            return frozenset(range(7))
        first, width = divmod(hash64("query", self.query) % 42, 6)
        return frozenset((first + step) % 7 for step in range(width + 1))


@dataclass(frozen=True, slots=True)
class Matches:
    """The results of one day that a window and a scope select, in order of time.

    :param skipped: matches of the day before the window.
    """

    day: Day
    residues: tuple[int, ...]
    skipped: int
    size: int

    def index(self, position: int) -> int:
        """Return the index within the day of the match at `position`."""
        periods, remainder = divmod(self.skipped + position, len(self.residues))
        return periods * PERIOD + self.residues[remainder]


class Corpus:
    """Everything that was ever published."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def matches(self, scope: Scope, start: int, stop: int, settings: TalkwalkerSettings) -> list[Matches]:
        """Return the selected results of each day of `[start, stop)`, without the days that have none."""
        residues = scope.residues()
        selected = [_matches(day, residues, start, stop) for day in self._days(scope, start, stop, settings)]
        return [matches for matches in selected if matches.size]

    def count(self, scope: Scope, start: int, stop: int, settings: TalkwalkerSettings) -> int:
        """Count the results that an export of this window would have."""
        if start >= stop:
            return 0
        return sum(matches.size for matches in self.matches(scope, start, stop, settings))

    def _days(self, scope: Scope, start: int, stop: int, settings: TalkwalkerSettings) -> Iterator[Day]:
        for ordinal in range(start // DAY_MS, -(-stop // DAY_MS)):
            seed = hash64(self._seed, str(scope), ordinal)
            factor = 1 + settings.day_variation * (2 * (seed >> 32) / 0xFFFF_FFFF - 1)
            yield Day(ordinal * DAY_MS, seed, round(settings.results_per_day * factor))


def _matches(day: Day, residues: tuple[int, ...], start: int, stop: int) -> Matches:
    first, last = (_count_matches(residues, day.count_before(time_ms)) for time_ms in (start, stop))
    return Matches(day, residues, first, last - first)


def _count_matches(residues: tuple[int, ...], before_index: int) -> int:
    periods, remainder = divmod(before_index, PERIOD)
    return periods * len(residues) + bisect_left(residues, remainder)
