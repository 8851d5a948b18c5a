"""The rows of the page, each declared once: as this server keeps it, and as a response returns it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, computed_field

from airflow_provider_twexport.core.arguments import parse_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pendulum

    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.storage.ledger import ExportHistory
    from airflow_provider_twexport.storage.manifest import Manifest

CREDITS_DAYS = 31


class Flag(StrEnum):
    """What somebody should look at."""

    TRUNCATED = "truncated"
    PARTIAL = "partial"
    GAPS = "gaps"
    ORPHANED = "orphaned"
    BOUGHT_TWICE = "bought twice"
    EXPIRES_SOON = "expires soon"


class Row(BaseModel):
    """What never changes once it is known."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)


class WindowRow(Row):
    """A half-open window of time."""

    model_config = ConfigDict(from_attributes=True)

    start: datetime
    stop: datetime

    @classmethod
    def of(cls, window: Window | None) -> WindowRow | None:
        """Return a window as a row; ``None`` for none."""
        return cls.model_validate(window) if window else None


class ExportRow(Row):
    """One export of any service.

    :param id: the service's name of it.
    :param key: identifies it among the exports of all connections; tasks and landings refer to it by this.
    :param status: the service's word, in lower case.
    :param common_status: what other services call the same status; the page filters by it.
    :param is_unfinished: whether it may still write and cost.
    :param created: when it was ordered; ``None`` if unknown.
    :param messages: what the service says about it.
    :param exported: results, or profiles, so far; ``None`` if unknown.
    :param expected: how many it will have: all that match, or its limit; ``None`` if unknown.
    :param estimated_total: how many match, also beyond its limit; ``None`` if unknown.
    :param credits: what it has cost; ``None`` where results are not charged, or if unknown.
    :param collector_id: the collector that it writes into; ``None`` where there are no collectors.
    :param dataset_id: the dataset that it writes into; ``None`` where there are no datasets.
    :param segments: how many segments it exports; 0 for all profiles, ``None`` where there are no segments.
    :param window: the time of publication; ``None`` if unknown.
    :param per_second: results a second; ``None`` if it does not run, or was seen only once.
    :param readable_until: when the service deletes its results; ``None`` where it keeps none.
    :param landings: the addresses of its manifests.
    :param flags: what somebody should look at.
    """

    id: str
    key: str = Field(exclude=True)
    status: str
    common_status: str = Field(default="", exclude=True)
    is_unfinished: bool
    created: datetime | None
    messages: tuple[str, ...] = ()
    exported: int | None = None
    expected: int | None = None
    estimated_total: int | None = None
    credits: int | None = None
    collector_id: str | None = None
    dataset_id: str | None = None
    segments: int | None = None
    window: WindowRow | None = None
    per_second: float | None = None
    readable_until: datetime | None = None
    landings: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def seconds_left(self) -> float | None:
        """Return how long it will still take at this speed."""
        if not self.per_second or self.expected is None or self.exported is None:
            return None
        return max(0, self.expected - self.exported) / self.per_second

    def matches(self, only: str | None, search: str) -> bool:
        """Return whether it has a status or flag, and contains a text in its ids.

        :param only: a status, a flag, ``unfinished`` or ``flagged``; nothing for all.
        :param search: part of an id or of a manifest's address, in any case; nothing for all.
        """
        text = search.strip().casefold()
        ids = (self.id, self.collector_id or "", self.dataset_id or "", *self.landings)
        if text and not any(text in it.casefold() for it in ids):
            return False
        rules = {"unfinished": self.is_unfinished, "flagged": bool(self.flags)}
        return not only or rules.get(only, only in (self.status, self.common_status, *self.flags))


class CollectorRow(Row):
    """One collector.

    :param id: its id.
    :param state: what has become of it.
    :param exports: the ids of the exports that wrote into it.
    :param results: how many results those exported; ``None`` if unknown.
    :param readable_until: when the service deletes the first of them; ``None`` where there are none.
    :param is_drained: whether deleting it loses nothing that could be read and has not landed.
    """

    id: str
    state: str
    exports: tuple[str, ...]
    results: int | None
    readable_until: datetime | None
    is_drained: bool


class LandingRow(Row):
    """One landing, with what its manifest and the manifest's ``source`` say under the same names.

    :param id: a name of it that fits into an address.
    :param address: of the manifest.
    :param scope: project, stream, product or dataset; ``None`` if unknown.
    :param window: the window that was ordered; of a stream the time that it was read; ``None`` if unknown.
    :param parts: how many files it has.
    :param requests: how many requests it took; ``None`` where they are not counted.
    :param gaps: how many times a stream was interrupted; ``None`` if it is no stream.
    :param flags: what somebody should look at.
    """

    id: str
    address: str
    system: str | None = None
    scope: str | None
    export_id: str | None = None
    collector_id: str | None = None
    query: str | None = None
    topics: tuple[str, ...] = ()
    window: WindowRow | None
    file_format: str
    results: int
    exported: int | None
    estimated_total: int | None
    bytes: int
    parts: int
    duplicates_dropped: int
    foreign_dropped: int
    requests: int | None
    gaps: int | None
    created_at: datetime
    flags: tuple[Flag, ...]


class CreditsRow(Row):
    """What an account may still spend."""

    # None where it is unlimited, or not told; `left` says which
    remaining: float | None
    left: str
    next_billing_period: datetime | None


class DailyCredits(Row):
    """The credits of one day, in UTC, used by the exports that were ordered on it."""

    day: date
    used: int


class UsageDay(Row):
    """What one product was used for on one day, in UTC."""

    day: date
    product: str
    requests: int
    posts: int


class UsageRow(Row):
    """What a contract was used for in its latest month.

    :param month: such as ``2024-06``; ``None`` if the service does not say.
    :param used: how many requests or posts, by the service's names.
    :param days: of each product the days on which it was used, the oldest first.
    """

    month: str | None = None
    used: dict[str, int] = Field(default_factory=dict)
    days: list[UsageDay] = Field(default_factory=list)


def in_order(rows: Iterable[ExportRow], now: datetime) -> list[ExportRow]:
    """Return running exports first, then the newest."""
    newest = sorted(rows, key=lambda row: row.created or now, reverse=True)
    return sorted(newest, key=lambda row: not row.is_unfinished)


def counts(rows: Iterable[ExportRow]) -> dict[str, int]:
    """Count the exports by status and by flag, and those that may still cost."""
    found: Counter[str] = Counter()
    for row in rows:
        found.update((row.status, *map(str, row.flags)))
        found["unfinished"] += row.is_unfinished
    return dict(found)


def daily_credits(
    rows: Iterable[ExportRow],
    manifests: Iterable[Manifest],
    histories: Mapping[str, ExportHistory],
    now: pendulum.DateTime,
) -> list[DailyCredits]:
    """Return the credits of each of the last 31 days; where the service has forgotten an export, its landing counts.

    :param rows: the exports that the service lists.
    :param manifests: of the landings of exports that are charged.
    :param histories: of the ledgers, by export.
    :param now: the present moment.
    """
    used: dict[str, tuple[date, int]] = {}
    for manifest in manifests:
        export_id = manifest.source.get("export_id")
        if export_id and manifest.exported is not None:
            used[str(export_id)] = _day(manifest.created_at), manifest.exported
    for export_id, history in histories.items():
        if history.credits is not None and history.bought is not None:
            used[export_id] = _day(history.bought.at), history.credits
    for row in rows:
        if row.created and row.credits is not None:
            used[row.id] = row.created.astimezone(UTC).date(), row.credits
    by_day: Counter[date] = Counter()
    for day, credits in used.values():
        by_day[day] += credits
    today = now.in_timezone("UTC").date()
    days = [today.subtract(days=back) for back in reversed(range(CREDITS_DAYS))]
    return [DailyCredits(day=day, used=by_day[day]) for day in days]


def _day(text: str) -> date:
    return parse_moment(text).date()
