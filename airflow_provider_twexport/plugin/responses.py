"""What the routes answer; the page's ``answers.ts`` says the same."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - pydantic reads annotations

from pydantic import BaseModel


class UseAnswer(BaseModel):
    """A run that uses an export."""

    dag_id: str
    run_id: str


class WindowAnswer(BaseModel):
    """A half-open window of time."""

    start: datetime
    stop: datetime


class AgeAnswer(BaseModel):
    """How old an answer is, in seconds (null: there is none yet), and why there is no newer one."""

    age: float | None
    problem: str | None


class CreditsAnswer(BaseModel):
    """What an account may still spend."""

    left: int
    used_monthly: int
    next_billing: datetime | None


class AccountAnswer(AgeAnswer):
    """One connection."""

    conn_id: str
    conn_type: str
    credits: CreditsAnswer | None
    exports: int
    counts: dict[str, int]


class ExportAnswer(BaseModel):
    """One export; ``expected`` is all that match or its limit; of a service that has no such thing it is null."""

    id: str
    conn_id: str
    collector_id: str | None
    dataset_id: str | None
    segments: int | None
    status: str
    is_unfinished: bool
    window: WindowAnswer | None
    created: datetime | None
    exported: int | None
    expected: int | None
    matching: int | None
    credits: int | None
    per_second: float | None
    seconds_left: float | None
    readable_until: datetime | None
    landings: list[str]
    flags: list[str]
    uses: list[UseAnswer]
    messages: list[str]
    may_abort: bool


class ExportsAnswer(BaseModel):
    """Exports: the first of all that were asked for."""

    accounts: list[AccountAnswer]
    places: int
    total: int
    rows: list[ExportAnswer]


class CollectorAnswer(BaseModel):
    """One collector."""

    id: str
    conn_id: str
    state: str
    exports: list[str]
    results: int | None
    readable_until: datetime | None
    uses: list[UseAnswer]
    may_delete: bool
    is_drained: bool


class CollectorsAnswer(BaseModel):
    """Collectors: the first of all that were asked for."""

    accounts: list[AccountAnswer]
    places: int
    total: int
    rows: list[CollectorAnswer]


class LandingAnswer(BaseModel):
    """One landing; ``requests`` of a search, ``gaps`` of a stream."""

    id: str
    address: str
    system: str
    export_id: str | None
    collector_id: str | None
    scope: str | None
    query: str | None
    topics: list[str]
    window: WindowAnswer | None
    file_format: str
    results: int
    exported: int | None
    matching: int | None
    bytes: int
    parts: int
    duplicates_dropped: int
    foreign_dropped: int
    requests: int | None
    gaps: int | None
    created: datetime
    flags: list[str]
    uses: list[UseAnswer]


class LandingsAnswer(AgeAnswer):
    """Landings: the newest of all that were asked for; ``sought`` is the one that was asked for by its address."""

    places: list[str]
    problems: list[str]
    total: int
    rows: list[LandingAnswer]
    sought: LandingAnswer | None


class PartAnswer(BaseModel):
    """One file of a landing."""

    name: str
    results: int
    bytes: int
    sha256: str
    coercion_failures: int


class PartsAnswer(BaseModel):
    """The files of a landing."""

    total: int
    rows: list[PartAnswer]


class DayAnswer(BaseModel):
    """The credits of one day."""

    day: date
    used: int


class SpendingAnswer(AgeAnswer):
    """Credits of one connection, day by day."""

    conn_id: str
    credits: CreditsAnswer | None
    days: list[DayAnswer]


class UsageAnswer(AgeAnswer):
    """What one connection used of its contract in the latest month, by the service's names."""

    conn_id: str
    month: str | None
    used: dict[str, int]


class SpendingsAnswer(BaseModel):
    """What all connections spent."""

    credits: list[SpendingAnswer]
    usage: list[UsageAnswer]


class TrackAnswer(BaseModel):
    """What is there of each day of a scope, topic and query; days as one letter each: m, u, p, t, l."""

    scope: str
    topic: str
    query: str
    first: date
    states: str
    results: list[int]
    bought_twice: list[int]
    counts: dict[str, int]


class CoverageAnswer(AgeAnswer):
    """All tracks."""

    places: list[str]
    tracks: list[TrackAnswer]


class DoneAnswer(BaseModel):
    """What an action has done, in a sentence."""

    done: str
