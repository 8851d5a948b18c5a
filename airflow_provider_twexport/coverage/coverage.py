"""What has landed of each day and topic, and what was bought twice, computed from manifests alone.

A landing without topics holds all topics of its scope, so it counts for each topic of other landings of the same scope
and query, and also for a series of its own, ``*``. Days are UTC days.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate, groupby, pairwise
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.text_table import aligned, edges
from airflow_provider_twexport.core.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    import pendulum

    from airflow_provider_twexport.storage.manifest import Manifest

ALL_TOPICS = "*"


@dataclass(frozen=True, slots=True)
class LandedSpan:
    """The time that one landing covers; or an export that was bought and has not landed: incomplete, no results.

    :param window: the time of publication.
    :param scope: project, stream, or what else it was exported from.
    :param export_id: the export that was paid for.
    :param results: how many results landed.
    :param complete: whether all exported results landed.
    :param truncated: whether more results match than were exported.
    :param topics: the topics of the scope; none for all.
    :param query: the query.
    :param owner: what the results belong to, by which remainders name it.
    :param remainder_of: owners of the truncated landings that it is the remainder of; planned for the last.
    :param remainder_windows: how many windows the remainder of that one was planned in; 0 if unknown.
    :param is_copied: whether the same export landed in another directory as well.
    """

    window: Window
    scope: str
    export_id: str
    results: int
    complete: bool = True
    truncated: bool = False
    topics: tuple[str, ...] = ()
    query: str | None = None
    owner: str = ""
    remainder_of: tuple[str, ...] = ()
    remainder_windows: int = 0
    is_copied: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """One topic and query of one scope, day by day."""

    scope: str
    topic: str = ALL_TOPICS
    query: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.scope, self.topic, self.query) if part and part != ALL_TOPICS)


class DayState(StrEnum):
    """How much of a day has landed; ``unlanded``: it was bought, and nothing of it landed."""

    MISSING = "missing"
    UNLANDED = "unlanded"
    PARTIAL = "partial"
    TRUNCATED = "truncated"
    LANDED = "landed"


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a series.

    :param window: the day, cut at the edges of the range.
    :param state: how much of it has landed.
    :param share: part of its time that complete landings cover, 0 to 1.
    :param results: about how many results landed; those of a longer landing count as spread evenly.
    :param export_ids: the exports that cover some of it.
    :param bought_twice: whether two exports cover the same time of it.
    :param copied: whether an export of it landed in several directories; its results count once.
    """

    window: Window
    state: DayState
    share: float
    results: int
    export_ids: tuple[str, ...]
    bought_twice: bool
    copied: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what :func:`json.dumps` takes."""
        return {
            **self.window.to_json(),
            "state": str(self.state),
            "share": round(self.share, 6),
            "results": self.results,
            "export_ids": list(self.export_ids),
            "bought_twice": self.bought_twice,
            "copied": self.copied,
        }


@dataclass(frozen=True, slots=True)
class SeriesCoverage:
    """All days of a series, in order."""

    series: Series
    days: tuple[Day, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Count the days of each state, those that were bought twice, and those with copied landings."""
        states = Counter(str(day.state) for day in self.days)
        return {
            **{str(state): states[state] for state in DayState},
            "bought_twice": sum(day.bought_twice for day in self.days),
            "copied": sum(day.copied for day in self.days),
        }

    def to_json(self) -> dict[str, Any]:
        """Return what :func:`json.dumps` takes."""
        return {
            "scope": self.series.scope,
            "topic": self.series.topic,
            "query": self.series.query,
            "counts": self.counts,
            "days": [day.to_json() for day in self.days],
        }


def landed_span(manifest: Manifest) -> LandedSpan | None:
    """Return the span that a landing covers; ``None`` if its manifest has no window that had begun.

    :param manifest: such as :func:`storage.manifest.read` returns.
    """
    source = manifest.source
    named = source.get("window")
    # what was published after the order is not in it
    window = Window.from_json(named).passed_at(manifest.ordered_at) if named else None
    if window is None:
        return None
    owner = str(source.get("owner") or "")
    return LandedSpan(
        window=window,
        scope=str(source.get("scope") or owner),
        export_id=str(source.get("export_id") or owner),
        results=manifest.results,
        complete=manifest.complete,
        truncated=manifest.truncated,
        topics=tuple(source.get("topics") or ()),
        query=source.get("query"),
        owner=owner,
        remainder_of=tuple(source.get("remainder_of") or ()),
        remainder_windows=int(source.get("remainder_windows") or 0),
    )


def coverage(spans: Iterable[LandedSpan], within: Window | None = None) -> list[SeriesCoverage]:
    """Return how much of each day has landed, for each scope, topic and query with a landing.

    A truncated landing counts as whole once all of its remainder has landed; that is no second purchase. An export that
    landed in several directories counts once. What an export that broke off brought does not count beside the whole.

    :param spans: the landings.
    :param within: the days to return; by default from the first to the last landed day of the scope and query, for all
        its topics.
    """
    landings = _with_remainders(_without_parts(_without_copies(spans)))
    by_query: defaultdict[tuple[str, str], list[LandedSpan]] = defaultdict(list)
    for span in landings:
        by_query[span.scope, span.query or ""].append(span)
    days = {key: (within or _extent(found)).cut("day") for key, found in by_query.items()}
    return [
        SeriesCoverage(series, _days(days[series.scope, series.query], found))
        for series, found in sorted(_by_series(landings).items())
    ]


def table(covered: Sequence[SeriesCoverage]) -> str:
    """Return the coverage as text: a line for each run of equal days.

    :param covered: what :func:`coverage` returned.
    """
    rows = [_row(it.series, list(run)) for it in covered for _, run in groupby(it.days, _appearance)]
    heads = ("window", "state", "days", "about results", "bought twice", "of")
    legend = ["", f"= {_COPIED}"] if any(day.copied for it in covered for day in it.days) else []
    return "\n".join([*aligned([heads, *rows], "<<>><<"), *legend])


_COPIED = (
    "marks what landed in several directories from one export; it counts once. "
    "Remove the copies, or name fewer paths."
)


def _appearance(day: Day) -> tuple[DayState, bool, bool]:
    return day.state, day.bought_twice, day.copied


def _row(series: Series, days: Sequence[Day]) -> tuple[str, ...]:
    return (
        edges(Window(days[0].window.start, days[-1].window.stop)),
        str(days[0].state) + ("=" if days[0].copied else ""),
        f"{len(days):,}",
        f"{sum(day.results for day in days):,}",
        "yes" if days[0].bought_twice else "",
        str(series),
    )


def _without_copies(spans: Iterable[LandedSpan]) -> list[LandedSpan]:
    """Return the spans, of those of one export the one that holds most."""
    found: dict[Hashable, LandedSpan] = {}
    for span in spans:
        key = span.export_id, span.owner, span.window.start
        if other := found.get(key):
            further = max(other, span, key=lambda it: (it.complete, it.results, it.window.seconds))
            span = replace(further, is_copied=True)
        found[key] = span
    return list(found.values())


def _without_parts(spans: Sequence[LandedSpan]) -> list[LandedSpan]:
    """Return the spans without those that landed in part, and whole from another export of the same owner."""
    whole = {(it.owner, it.window.start): it.window for it in spans if it.complete and it.owner}
    return [
        it
        for it in spans
        if it.complete
        or (holds := whole.get((it.owner, it.window.start))) is None
        or not holds.contains(it.window)
    ]


def _with_remainders(spans: Iterable[LandedSpan]) -> list[LandedSpan]:
    """Return the spans, shorter ones first; those whose remainder has landed completely are no longer truncated."""
    # a remainder may have a remainder itself, and is shorter
    by_length = sorted(spans, key=lambda it: it.window.seconds)
    remainders: defaultdict[str, dict[str, int]] = defaultdict(dict)
    found = []
    for span in by_length:
        planned = remainders[span.owner].values()
        if 0 < max(planned, default=0) <= len(planned):
            span = replace(span, truncated=False)
        if span.remainder_of and span.complete and not span.truncated:
            remainders[span.remainder_of[-1]][span.owner] = span.remainder_windows
        found.append(span)
    return found


def _extent(spans: Sequence[LandedSpan]) -> Window:
    return Window(min(span.window.start for span in spans), max(span.window.stop for span in spans))


def _by_series(spans: Iterable[LandedSpan]) -> dict[Series, list[LandedSpan]]:
    by_series: defaultdict[Series, list[LandedSpan]] = defaultdict(list)
    for span in spans:
        for topic in span.topics or (ALL_TOPICS,):
            by_series[Series(span.scope, topic, span.query or "")].append(span)
    for series, found in by_series.items():
        if series.topic != ALL_TOPICS:
            found += by_series.get(Series(series.scope, ALL_TOPICS, series.query), [])
    return by_series


@dataclass(frozen=True, slots=True)
class _Share:
    """The part of one day that a landing covers."""

    start: pendulum.DateTime
    stop: pendulum.DateTime
    span: LandedSpan

    @property
    def seconds(self) -> float:
        return self.stop.timestamp() - self.start.timestamp()

    @property
    def results(self) -> float:
        return self.span.results * self.seconds / self.span.window.seconds


def _days(days: Sequence[Window], spans: Iterable[LandedSpan]) -> tuple[Day, ...]:
    by_day: defaultdict[pendulum.DateTime, list[_Share]] = defaultdict(list)
    for span in spans:
        for part in span.window.cut("day"):
            by_day[part.start.start_of("day")].append(_Share(part.start, part.stop, span))
    parts = [_within(day, by_day.get(day.start.start_of("day"), ())) for day in days]
    # rounded as a running total, so that the days of a landing add up to its results
    totals = [
        0,
        *(round(total) for total in accumulate(sum(share.results for share in part) for part in parts)),
    ]
    results = [after - before for before, after in pairwise(totals)]
    return tuple(_day(day, part, number) for day, part, number in zip(days, parts, results, strict=True))


def _within(day: Window, shares: Iterable[_Share]) -> list[_Share]:
    """Return the shares cut at the edges of the day, in order of time."""
    cut = [
        _Share(max(share.start, day.start), min(share.stop, day.stop), share.span)
        for share in shares
        if share.start < day.stop and share.stop > day.start
    ]
    return sorted(cut, key=lambda share: (share.start, share.stop))


def _day(day: Window, shares: Sequence[_Share], results: int) -> Day:
    covered = _covered([share for share in shares if share.span.complete]) / day.seconds
    landed = any(share.span.complete or share.span.results for share in shares)
    facts = _Facts(bool(shares), landed, covered, _lacks_remainder(shares))
    return Day(
        window=day,
        state=next(state for state, holds in _RULES if holds(facts)),
        share=covered,
        results=results,
        export_ids=tuple(dict.fromkeys(share.span.export_id for share in shares)),
        bought_twice=_is_bought_twice(shares),
        copied=any(share.span.is_copied for share in shares),
    )


def _lacks_remainder(shares: Sequence[_Share]) -> bool:
    """Return whether a share is truncated, and those that are not do not cover all of its time."""
    whole = _merged([it for it in shares if it.span.complete and not it.span.truncated])
    starts = [start for start, _ in whole]
    for share in shares:
        if share.span.truncated:
            place = bisect_right(starts, share.start.timestamp()) - 1
            if place < 0 or whole[place][1] < share.stop.timestamp():
                return True
    return False


def _is_remainder(span: LandedSpan, of: LandedSpan) -> bool:
    return bool(of.owner) and of.owner in span.remainder_of


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
    """Return the seconds that the shares, sorted by start, cover together."""
    return sum(stop - start for start, stop in _merged(shares))


def _merged(shares: Iterable[_Share]) -> list[tuple[float, float]]:
    """Return the time that shares, sorted by start, cover together, in order and apart."""
    found: list[tuple[float, float]] = []
    for share in shares:
        start, stop = share.start.timestamp(), share.stop.timestamp()
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found


def _is_bought_twice(shares: Sequence[_Share]) -> bool:
    """Return whether shares of different exports, sorted by start, overlap; a remainder and its export may."""
    before: list[_Share] = []
    for share in shares:
        before = [it for it in before if it.stop > share.start]
        if any(_are_two_purchases(it.span, share.span) for it in before):
            return True
        before.append(share)
    return False


def _are_two_purchases(one: LandedSpan, other: LandedSpan) -> bool:
    return one.export_id != other.export_id and not (_is_remainder(one, other) or _is_remainder(other, one))
