"""What Talkwalker speaks of: projects, credits, collectors, export tasks and orders."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.exceptions import (
    InvalidRequestError,
    UnexpectedResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_twexport.core.window import Window


MAX_LIMIT = 1_000_000


RETENTION = pendulum.duration(days=7)


class ExportStatus(StrEnum):
    """Where an export task stands (vendor page "past data export"; lower case on the wire).

    ``UNDOCUMENTED`` stands for whatever else the service says. Nothing may be concluded from it: such an export counts
    as paid and unfinished, and has no results to read. What must not go on with it calls
    :meth:`ExportTask.check_status`.
    """

    UNKNOWN = "unknown"
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    RESULT_LIMIT_REACHED = "result_limit_reached"
    FAILED = "failed"
    ABORTED = "aborted"
    DELETED = "deleted"
    UNDOCUMENTED = "undocumented"

    @classmethod
    def from_wire(cls, text: str) -> ExportStatus:
        """Return the status that a text of the service stands for."""
        return _DOCUMENTED.get(text.casefold(), cls.UNDOCUMENTED)

    @property
    def is_documented(self) -> bool:
        """Return whether the vendor says what it means."""
        return self is not ExportStatus.UNDOCUMENTED

    @property
    def has_results(self) -> bool:
        """Return whether the export ended well, so that its collector may be read."""
        return self in (ExportStatus.FINISHED, ExportStatus.RESULT_LIMIT_REACHED)

    @property
    def is_truncated(self) -> bool:
        """Return whether more matched than was exported."""
        return self is ExportStatus.RESULT_LIMIT_REACHED

    @property
    def is_lost(self) -> bool:
        """Return whether the export ended without giving what was ordered."""
        return self in (ExportStatus.FAILED, ExportStatus.ABORTED, ExportStatus.DELETED)

    @property
    def is_unfinished(self) -> bool:
        """Return whether the export may still write and cost."""
        return not (self.has_results or self.is_lost)

    @property
    def is_adoptable(self) -> bool:
        """Return whether ordering the same again would pay twice."""
        return not self.is_lost


_DOCUMENTED = {str(status): status for status in ExportStatus if status.is_documented}


@dataclass(frozen=True, slots=True)
class Project:
    """A project that the token may use."""

    id: str
    name: str
    account_id: str | None = None
    account_name: str | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Project:
        """Read the service's form."""
        account_id, account_name = body.get("account_id"), body.get("account_name")
        return cls(str(body["id"]), str(body.get("name", "")), account_id and str(account_id), account_name)


@dataclass(frozen=True, slots=True)
class Credits:
    """What the account may still spend, in credits; one result exported costs one."""

    remaining_monthly: int
    remaining_onetime: int
    used_monthly: int
    next_billing_period: pendulum.DateTime | None

    @property
    def remaining(self) -> int:
        """Add up what is left of both kinds."""
        return self.remaining_monthly + self.remaining_onetime

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Credits:
        """Read the service's form."""
        billing = body.get("next_billing_period")
        return cls(
            remaining_monthly=int(body.get("remaining_credits_monthly") or 0),
            remaining_onetime=int(body.get("remaining_credits_onetime") or 0),
            used_monthly=int(body.get("used_credits_monthly") or 0),
            next_billing_period=pendulum.from_timestamp(int(billing) / 1000) if billing else None,
        )


@dataclass(frozen=True, slots=True)
class Collector:
    """A buffer that exports write into and that keeps each result for 7 days.

    One without a query of its own is PAUSED, also while exports write into it.
    """

    id: str
    state: str
    created: pendulum.DateTime | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Collector:
        """Read the service's form."""
        return cls(str(body["collector_id"]), str(body.get("state", "")), _time(body.get("creation_date")))


@dataclass(frozen=True, slots=True)
class ExportTask:
    """An export task as the service reports it; what was ordered is not echoed.

    :param collector_id: the collector that it writes into, ``target`` on the wire.
    :param raw_status: the service's own text, for messages; :attr:`status` is what it means.
    """

    id: str
    collector_id: str | None
    raw_status: str
    processed: int
    ready: int | None
    progress: float
    created: pendulum.DateTime | None
    messages: tuple[str, ...] = ()

    @property
    def status(self) -> ExportStatus:
        """Return where it stands."""
        return ExportStatus.from_wire(self.raw_status)

    def check_status(self) -> None:
        """Refuse to go on with a status whose meaning nobody knows.

        :raises UnexpectedResponseError: if the status is undocumented.
        """
        if not self.status.is_documented:
            raise UnexpectedResponseError(
                f"Export {self.id} has the undocumented status {self.raw_status!r}: look at it before going on."
            )

    @property
    def is_adoptable(self) -> bool:
        """Return whether ordering the same again would pay twice."""
        return self.status.is_adoptable

    @property
    def is_unfinished(self) -> bool:
        """Return whether the export may still write and cost."""
        return self.status.is_unfinished

    @property
    def readable_until(self) -> pendulum.DateTime | None:
        """Return when the service forgets its results at the earliest; ``None`` where its creation is unknown."""
        return self.created and self.created + RETENTION

    def exported(self, limit: int | None = None) -> int | None:
        """Return the number of results exported so far; ``None`` where that cannot be known.

        ``processed`` is larger than what is exported, also beyond the limit, so it counts only below a known one.

        :param limit: the limit that was ordered.
        """
        if self.ready is not None:
            return self.ready
        if limit is not None:
            return min(self.processed, limit)
        unknown = self.status.is_truncated or not self.status.is_documented
        return None if unknown else self.processed

    def estimated_total(self, limit: int | None = None) -> int | None:
        """Return how many results match in all: progress is exported results by matches.

        :param limit: the limit that was ordered.
        """
        exported = self.exported(limit)
        return round(exported / self.progress) if exported is not None and self.progress > 0 else None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ExportTask:
        """Read the service's form; only the id is always there."""
        messages = body.get("messages") or ()
        return cls(
            id=str(body["id"]),
            collector_id=body.get("target"),
            raw_status=str(body.get("status") or ExportStatus.UNKNOWN),
            processed=int(body.get("processed") or 0),
            ready=int(body["ready"]) if body.get("ready") is not None else None,
            progress=float(body.get("progress") or 0),
            created=_time(body.get("creation_date")),
            messages=(messages,) if isinstance(messages, str) else tuple(map(str, messages)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the service's form, for :meth:`from_json`."""
        return {
            "id": self.id,
            "target": self.collector_id,
            "status": self.raw_status,
            "processed": self.processed,
            "ready": self.ready,
            "progress": self.progress,
            "creation_date": self.created.to_iso8601_string() if self.created else None,
            "messages": list(self.messages),
        }


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What to export: this, and nothing else, decides what is paid for.

    :param window: the time of publication.
    :param project_id: export from this project; excludes ``stream_id``.
    :param stream_id: export from this stream.
    :param query: Talkwalker query, ANDed with the project or stream; required where neither is given.
    :param topics: topic ids of the project.
    :param limit: results at most, 1 to 1,000,000; each costs a credit.
    :raises InvalidRequestError: if the order cannot be meant.
    """

    window: Window
    project_id: str | None = None
    stream_id: str | None = None
    query: str | None = None
    topics: tuple[str, ...] = field(default=())
    limit: int = MAX_LIMIT

    def __post_init__(self) -> None:
        if self.project_id and self.stream_id:
            raise InvalidRequestError(
                f"Both project_id={self.project_id!r} and stream_id={self.stream_id!r} are given: choose one."
            )
        if not (self.project_id or self.stream_id or self.query):
            raise InvalidRequestError(
                "Give a query, a project_id or a stream_id: without any there is nothing to export."
            )
        if self.topics and not self.project_id:
            raise InvalidRequestError("topics belong to a project: give project_id too.")
        if not 1 <= self.limit <= MAX_LIMIT:
            raise InvalidRequestError(
                f"limit={self.limit} is outside 1..{MAX_LIMIT:,}, what one export may bring."
            )

    @property
    def path(self) -> str:
        """Return the address of the scope: project, stream, or all."""
        if self.project_id:
            return f"/api/v3/stream/p/{_segment(self.project_id)}/export"
        if self.stream_id:
            return f"/api/v3/stream/s/{_segment(self.stream_id)}/export"
        return "/api/v3/stream/export"

    def body(self, collector_id: str) -> dict[str, Any]:
        """Return the request that orders this into a collector; dates as epoch milliseconds leave no zone to guess."""
        optional = {"query": self.query, "topics": list(self.topics)}
        return {
            "start": epoch_ms(self.window.start),
            "stop": epoch_ms(self.window.stop),
            "target": collector_id,
            "limit": self.limit,
            **{key: value for key, value in optional.items() if value},
        }


def epoch_ms(moment: pendulum.DateTime) -> int:
    """Return the moment as Talkwalker takes it."""
    return round(moment.timestamp() * 1000)


def _segment(value: str) -> str:
    if not re.fullmatch(r"[\w.~-]+", value, re.ASCII):
        raise InvalidRequestError(f"{value!r} is no Talkwalker id: letters, digits, '-', '_' and '.' only.")
    return value


def _time(text: str | None) -> pendulum.DateTime | None:
    parsed = pendulum.parse(text) if text else None
    return parsed if isinstance(parsed, pendulum.DateTime) else None
