"""What has landed of which day and topic, and what was bought twice; told by manifests alone.

A landing without topics holds all topics of its project, so it counts for each topic that other landings of the same
scope and query name, and also for a track of its own, ``*``. Days are those of UTC.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.text_table import aligned, edges
from airflow_provider_twexport.core.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pendulum

    from airflow_provider_twexport.storage.manifest import Manifest

ALL_TOPICS = "*"


@dataclass(frozen=True, slots=True)
class LandedSpan:
    """One landing; or an export that was bought and has not landed, incomplete and without results.

    :param window: the time of publication that it holds.
    :param scope: project, stream, or what else it was exported from.
    :param export_id: the export that was paid for.
    :param results: how many it holds.
    :param complete: whether that is all that was exported.
    :param truncated: whether more matches than was exported.
    :param topics: the topics of the project; none for all.
    :param query: what else was asked for.
    :param collector_id: the collector that it was exported into.
    :param remainder_of: collectors of the truncated landings that it is a rest of; it was planned for the last.
    :param remainder_windows: how many windows the rest of that one was planned in; 0 if nobody told.
    """

    window: Window
    scope: str
    export_id: str
    results: int
    complete: bool = True
    truncated: bool = False
    topics: tuple[str, ...] = ()
    query: str | None = None
    collector_id: str = ""
    remainder_of: tuple[str, ...] = ()
    remainder_windows: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """What is followed from day to day: one topic of one scope."""

    scope: str
    topic: str = ALL_TOPICS
    query: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.scope, self.topic, self.query) if part and part != ALL_TOPICS)


class DayState(StrEnum):
    """How much of a day is there; ``unlanded`` was bought, and nothing of it is there."""

    MISSING = "missing"
    UNLANDED = "unlanded"
    PARTIAL = "partial"
    TRUNCATED = "truncated"
    LANDED = "landed"


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a track.

    :param window: the day, cut at the edges of the range.
    :param state: how much of it is there.
    :param share: part of its time that complete landings hold, 0 to 1.
    :param results: about how many results it has; those of a longer landing are taken as spread evenly.
    :param export_ids: the exports that hold some of it.
    :param bought_twice: whether two exports hold the same time of it.
    """

    window: Window
    state: DayState
    share: float
    results: int
    export_ids: tuple[str, ...]
    bought_twice: bool

    def to_json(self) -> dict[str, Any]:
        """Return what :func:`json.dumps` takes."""
        return {
            **self.window.to_json(),
            "state": str(self.state),
            "share": round(self.share, 6),
            "results": self.results,
            "export_ids": list(self.export_ids),
            "bought_twice": self.bought_twice,
        }


@dataclass(frozen=True, slots=True)
class SeriesCoverage:
    """All days of a track, in order."""

    track: Series
    days: tuple[Day, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Count the days of each state, and those that were bought twice."""
        states = Counter(str(day.state) for day in self.days)
        twice = sum(day.bought_twice for day in self.days)
        return {**{str(state): states[state] for state in DayState}, "bought_twice": twice}

    def to_json(self) -> dict[str, Any]:
        """Return what :func:`json.dumps` takes."""
        return {
            "scope": self.track.scope,
            "topic": self.track.topic,
            "query": self.track.query,
            "counts": self.counts,
            "days": [day.to_json() for day in self.days],
        }


def landed_span(manifest: Manifest) -> LandedSpan | None:
    """Return what a manifest tells of a landing; ``None`` if it does not tell its window.

    :param manifest: such as :func:`storage.manifest.read` returns. The scope is ``project_id``, ``stream_id`` or
        ``product`` of its source; older sources name none, and then the collector's name, less
        window and hash, stands for it.
    """
    source = manifest.source
    window = source.get("window")
    if not window:
        return None
    return LandedSpan(
        window=Window.from_json(window),
        scope=_scope(source),
        export_id=str(source.get("export_id") or source.get("collector_id") or source.get("search_id")),
        results=manifest.results,
        complete=manifest.complete,
        truncated=manifest.truncated,
        topics=tuple(source.get("topics") or ()),
        query=source.get("query"),
        collector_id=str(source.get("collector_id") or ""),
        remainder_of=tuple(source.get("remainder_of") or ()),
        remainder_windows=int(source.get("remainder_windows") or 0),
    )


def coverage(pieces: Iterable[LandedSpan], within: Window | None = None) -> list[SeriesCoverage]:
    """Return how much of each day is there, for each scope, topic and query that something was landed of.

    A truncated landing counts as whole once all of its rest has landed, and is no second purchase of the same time.

    :param pieces: the landings.
    :param within: the days to tell of; by default from the first to the last that anything was landed of the scope
        and query, for all its topics.
    """
    landings = _completed(pieces)
    followed: defaultdict[tuple[str, str], list[LandedSpan]] = defaultdict(list)
    for piece in landings:
        followed[piece.scope, piece.query or ""].append(piece)
    days = {name: (within or _span(found)).cut("day") for name, found in followed.items()}
    return [
        SeriesCoverage(track, _days(days[track.scope, track.query], tracked))
        for track, tracked in sorted(_tracks(landings).items())
    ]


def table(tracks: Iterable[SeriesCoverage]) -> str:
    """Return the coverage for people: a line for each run of days that are alike.

    :param tracks: what :func:`coverage` returned.
    """
    rows = [_row(covered.track, list(run)) for covered in tracks for _, run in groupby(covered.days, _looks)]
    heads = ("window", "state", "days", "about results", "bought twice", "of")
    return "\n".join(aligned([heads, *rows], "<<>><<"))


def _looks(day: Day) -> tuple[DayState, bool]:
    return day.state, day.bought_twice


def _row(track: Series, days: Sequence[Day]) -> tuple[str, ...]:
    return (
        edges(Window(days[0].window.start, days[-1].window.stop)),
        str(days[0].state),
        f"{len(days):,}",
        f"{sum(day.results for day in days):,}",
        "yes" if days[0].bought_twice else "",
        str(track),
    )


def _scope(source: Mapping[str, Any]) -> str:
    named = source.get("project_id") or source.get("stream_id") or source.get("product")
    return str(named or _named_scope(str(source.get("collector_id"))))


def _named_scope(collector_id: str) -> str:
    # twx-<slug>-<start>-<stop>-<hash>
    return collector_id.rsplit("-", 3)[0]


def _completed(pieces: Iterable[LandedSpan]) -> list[LandedSpan]:
    """Return the pieces, those as not truncated whose rest is there; smaller ones first, as a rest may have its own."""
    landings = sorted(pieces, key=lambda it: it.window.seconds)
    rests: defaultdict[str, dict[str, int]] = defaultdict(dict)
    found = []
    for piece in landings:
        rest = rests[piece.collector_id].values()
        whole = replace(piece, truncated=False) if 0 < max(rest, default=0) <= len(rest) else piece
        if whole.remainder_of and whole.complete and not whole.truncated:
            rests[whole.remainder_of[-1]][whole.collector_id] = whole.remainder_windows
        found.append(whole)
    return found


def _span(pieces: Sequence[LandedSpan]) -> Window:
    return Window(min(piece.window.start for piece in pieces), max(piece.window.stop for piece in pieces))


def _tracks(pieces: Iterable[LandedSpan]) -> dict[Series, list[LandedSpan]]:
    tracks: defaultdict[Series, list[LandedSpan]] = defaultdict(list)
    for piece in pieces:
        for topic in piece.topics or (ALL_TOPICS,):
            tracks[Series(piece.scope, topic, piece.query or "")].append(piece)
    for track, tracked in tracks.items():
        if track.topic != ALL_TOPICS:
            tracked += tracks.get(Series(track.scope, ALL_TOPICS, track.query), [])
    return tracks


@dataclass(frozen=True, slots=True)
class _Share:
    """What a landing holds of one day."""

    start: pendulum.DateTime
    stop: pendulum.DateTime
    piece: LandedSpan

    @property
    def seconds(self) -> float:
        return self.stop.timestamp() - self.start.timestamp()

    @property
    def results(self) -> float:
        return self.piece.results * self.seconds / self.piece.window.seconds


def _days(days: Sequence[Window], pieces: Iterable[LandedSpan]) -> tuple[Day, ...]:
    held: defaultdict[pendulum.DateTime, list[_Share]] = defaultdict(list)
    for piece in pieces:
        for part in piece.window.cut("day"):
            held[part.start.start_of("day")].append(_Share(part.start, part.stop, piece))
    parts = [_within(day, held.get(day.start.start_of("day"), ())) for day in days]
    # rounded as a running total, so that the days of a landing add up to what it holds
    totals = [
        0,
        *(round(total) for total in accumulate(sum(share.results for share in part) for part in parts)),
    ]
    results = [after - before for before, after in pairwise(totals)]
    return tuple(_day(day, part, number) for day, part, number in zip(days, parts, results, strict=True))


def _within(day: Window, shares: Iterable[_Share]) -> list[_Share]:
    """Cut what landings hold at the edges of the range, and sort it by time."""
    cut = [
        _Share(max(share.start, day.start), min(share.stop, day.stop), share.piece)
        for share in shares
        if share.start < day.stop and share.stop > day.start
    ]
    return sorted(cut, key=lambda share: (share.start, share.stop))


def _day(day: Window, shares: Sequence[_Share], results: int) -> Day:
    covered = _covered([share for share in shares if share.piece.complete]) / day.seconds
    landed = any(share.piece.complete or share.piece.results for share in shares)
    facts = _Facts(bool(shares), landed, covered, any(_lacks_rest(share, shares) for share in shares))
    return Day(
        window=day,
        state=next(state for state, holds in _RULES if holds(facts)),
        share=covered,
        results=results,
        export_ids=tuple(dict.fromkeys(share.piece.export_id for share in shares)),
        bought_twice=_is_bought_twice(shares),
    )


def _lacks_rest(share: _Share, shares: Sequence[_Share]) -> bool:
    """Tell whether a share is truncated, and not all of its time has landed again as its rest."""
    rest = [
        it
        for it in shares
        if _is_rest(it.piece, share.piece) and it.piece.complete and not it.piece.truncated
    ]
    return share.piece.truncated and _covered(rest) < share.seconds


def _is_rest(piece: LandedSpan, of: LandedSpan) -> bool:
    return bool(of.collector_id) and of.collector_id in piece.remainder_of


@dataclass(frozen=True, slots=True)
class _Facts:
    bought: bool
    anything: bool
    covered: float
    truncated: bool


# the first rule that holds decides
_RULES: tuple[tuple[DayState, Callable[[_Facts], bool]], ...] = (
    (DayState.MISSING, lambda it: not it.bought),
    (DayState.UNLANDED, lambda it: not it.anything),
    (DayState.TRUNCATED, lambda it: it.truncated),
    (DayState.PARTIAL, lambda it: it.covered < 1),
    (DayState.LANDED, lambda it: True),
)


def _covered(shares: Sequence[_Share]) -> float:
    """Add up the seconds that any of the shares, sorted by start, holds."""
    seconds, until = 0.0, 0.0
    for share in shares:
        start, stop = max(share.start.timestamp(), until), share.stop.timestamp()
        seconds += max(0.0, stop - start)
        until = max(until, stop)
    return seconds


def _is_bought_twice(shares: Sequence[_Share]) -> bool:
    """Tell whether shares of different exports, sorted by start, overlap, unless one is the other's rest."""
    before: list[_Share] = []
    for share in shares:
        before = [it for it in before if it.stop > share.start]
        if any(_are_two_purchases(it.piece, share.piece) for it in before):
            return True
        before.append(share)
    return False


def _are_two_purchases(one: LandedSpan, other: LandedSpan) -> bool:
    return one.export_id != other.export_id and not (_is_rest(one, other) or _is_rest(other, one))
