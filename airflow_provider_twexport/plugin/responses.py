"""What the routes return: rows, and what one visitor may know of them; the page's ``responses.ts`` says the same."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic reads annotations

from pydantic import BaseModel

from airflow_provider_twexport.plugin.rows import (
    CollectorRow,
    CreditsRow,
    DailyCredits,
    ExportRow,
    LandingRow,
    UsageRow,
)
from airflow_provider_twexport.storage.part import Part  # noqa: TC001


class RunResponse(BaseModel):
    """A DAG run."""

    dag_id: str
    run_id: str


class Aged(BaseModel):
    """How old a result is, in seconds (null: there is none yet), and why there is no newer one."""

    age: float | None
    problem: str | None


class AccountResponse(Aged):
    """One connection; ``is_charged`` says whether its service charges each result."""

    conn_id: str
    service: str
    is_charged: bool
    credits: CreditsRow | None
    exports: int
    counts: dict[str, int]


class ExportResponse(ExportRow):
    """One export."""

    conn_id: str
    used_by: list[RunResponse]
    may_abort: bool


class ExportsResponse(BaseModel):
    """Exports: a page of them."""

    accounts: list[AccountResponse]
    services: list[str]
    directories: int
    total: int
    rows: list[ExportResponse]


class CollectorResponse(CollectorRow):
    """One collector."""

    conn_id: str
    used_by: list[RunResponse]
    may_delete: bool


class CollectorsResponse(BaseModel):
    """Collectors: a page of them."""

    accounts: list[AccountResponse]
    total: int
    rows: list[CollectorResponse]


class LandingResponse(LandingRow):
    """One landing."""

    used_by: list[RunResponse]


class LandingsResponse(Aged):
    """Landings: a page of them, the newest first; ``selected`` is the one whose manifest was asked for."""

    directories: list[str]
    problems: list[str]
    total: int
    rows: list[LandingResponse]
    selected: LandingResponse | None


class PartsResponse(BaseModel):
    """The files of a landing, as its manifest lists them."""

    total: int
    rows: list[Part]


class DailyCreditsResponse(Aged):
    """The credits of one connection, day by day."""

    conn_id: str
    credits: CreditsRow | None
    days: list[DailyCredits]


class UsageResponse(Aged, UsageRow):
    """What one connection used of its contract in the latest month."""

    conn_id: str
    service: str


class SpendingResponse(BaseModel):
    """What all connections spent."""

    credits: list[DailyCreditsResponse]
    usage: list[UsageResponse]


class SeriesResponse(BaseModel):
    """What is there of each day of a scope, topic and query; days as one letter each: m, u, p, t, l."""

    scope: str
    topic: str
    query: str
    first: date
    states: str
    results: list[int]
    bought_twice: list[int]
    counts: dict[str, int]


class CoverageResponse(Aged):
    """All series."""

    directories: list[str]
    series: list[SeriesResponse]


class DoneResponse(BaseModel):
    """What an action has done, in a sentence."""

    done: str
