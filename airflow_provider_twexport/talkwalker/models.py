"""Projects, credits, collectors, export tasks and orders of Talkwalker."""

from __future__ import annotations

import logging
import math
import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_twexport.exceptions import (
    InvalidRequestError,
    UnexpectedResponseError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_twexport.core.window import Window


log = logging.getLogger(__name__)

MAX_LIMIT = 1_000_000


RETENTION = pendulum.duration(days=7)
# it counts from when a result was exported, and an export may wait and run for hours
RETENTION_MARGIN = pendulum.duration(hours=12)
UNLIMITED = math.inf


class ExportStatus(StrEnum):
    """Where an export task stands (vendor page "past data export"; lower case on the wire).

    ``UNDOCUMENTED`` stands for whatever else the service says. Nothing may be concluded from it: such an export counts
    as paid and unfinished, and has no results to read. Code that must not continue with it calls
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
        """Read the service's form.

        :raises UnexpectedResponseError: if it has no id.
        """
        account_id, account_name = body.get("account_id"), body.get("account_name")
        return cls(
            _identifier("project", body, "id"),
            str(body.get("name", "")),
            account_id and str(account_id),
            account_name and str(account_name),
        )


@dataclass(frozen=True, slots=True)
class Credits:
    """What the account may still spend, in credits; one result exported costs one.

    ``None`` where the service does not tell a number, ``UNLIMITED`` where it says that there is no limit.
    """

    remaining_monthly: float | None
    remaining_onetime: float | None
    used_monthly: float | None
    next_billing_period: pendulum.DateTime | None

    @property
    def remaining(self) -> float | None:
        """Return what is left of both kinds, as far as they are told."""
        told = [it for it in (self.remaining_monthly, self.remaining_onetime) if it is not None]
        return sum(told) if told else None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Credits:
        """Read the service's form.

        :raises UnexpectedResponseError: if a number of credits cannot be read.
        """
        return cls(
            remaining_monthly=_credits(body, "remaining_credits_monthly"),
            remaining_onetime=_credits(body, "remaining_credits_onetime"),
            used_monthly=_credits(body, "used_credits_monthly"),
            next_billing_period=_time(body.get("next_billing_period")),
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
        """Read the service's form.

        :raises UnexpectedResponseError: if it has no id.
        """
        collector_id = _identifier("collector", body, "collector_id")
        return cls(collector_id, str(body.get("state", "")), _time(body.get("creation_date")))


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
        """Refuse a status whose meaning nobody knows.

        :raises UnexpectedResponseError: if the status is undocumented.
        """
        if not self.status.is_documented:
            raise UnexpectedResponseError(
                f"Export {self.id} has the undocumented status {self.raw_status!r}. "
                "Look at it at Talkwalker before you continue."
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

    def may_be_lost(self, now: pendulum.DateTime) -> bool:
        """Return whether the service has surely forgotten some of its results; only a read shows whether all of them.

        :param now: the present moment.
        """
        return self.readable_until is not None and self.readable_until + RETENTION_MARGIN < now

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

    def facts(self, limit: int | None = None) -> dict[str, Any]:
        """Return its names and numbers, for the facts of an error.

        :param limit: the limit that was ordered.
        """
        return {
            "export_id": self.id,
            "collector_id": self.collector_id,
            "status": str(self.status),
            "exported": self.exported(limit),
            "readable_until": str(self.readable_until) if self.readable_until else None,
        }

    def estimated_total(self, limit: int | None = None) -> int | None:
        """Return how many results match in all: progress is exported results by matches.

        :param limit: the limit that was ordered.
        """
        exported = self.exported(limit)
        return round(exported / self.progress) if exported is not None and self.progress > 0 else None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> ExportTask:
        """Read the service's form, in which only the id is required.

        A value that cannot be read counts as missing, with a warning: the export is paid for all the same.

        :raises UnexpectedResponseError: if it has no id.
        """
        export_id = _identifier("export", body, "id")
        readable = {name: read(body.get(name)) for name, read in _EXPORT_FIELDS.items()}
        for name, value in readable.items():
            if value is None and body.get(name) not in (None, ""):
                log.warning("Export %s: %s=%.100r cannot be read.", export_id, name, body[name])
        messages = body.get("messages") or ()
        return cls(
            id=export_id,
            collector_id=readable["target"],
            raw_status=readable["status"] or str(body.get("status") or ExportStatus.UNKNOWN),
            processed=readable["processed"] or 0,
            ready=readable["ready"],
            progress=readable["progress"] or 0.0,
            created=readable["creation_date"],
            messages=tuple(map(str, messages)) if isinstance(messages, list | tuple) else (str(messages),),
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

    :param window: the time of publication, in whole minutes.
    :param project_id: export from this project; excludes ``stream_id``.
    :param stream_id: export from this stream.
    :param query: Talkwalker query, ANDed with the project or stream; required where neither is given.
    :param topics: topic ids of the project.
    :param limit: results at most, 1 to 1,000,000; each costs a credit.
    :raises InvalidRequestError: if the arguments contradict each other, or nothing to export is given.

    The query is kept in Unicode's composed form (NFC) and with plain line ends, so that texts that look alike are one
    order.
    """

    window: Window
    project_id: str | None = None
    stream_id: str | None = None
    query: str | None = None
    topics: tuple[str, ...] = field(default=())
    limit: int = MAX_LIMIT

    def __post_init__(self) -> None:
        if self.query:
            plain = self.query.replace("\r\n", "\n").replace("\r", "\n")
            object.__setattr__(self, "query", unicodedata.normalize("NFC", plain))
        if self.project_id and self.stream_id:
            raise InvalidRequestError(
                f"Both project_id={self.project_id!r} and stream_id={self.stream_id!r} are given: choose one."
            )
        if not (self.project_id or self.stream_id or self.query):
            raise InvalidRequestError(
                "Give a query, a project_id or a stream_id: without one there is nothing to export."
            )
        if self.topics and not self.project_id:
            raise InvalidRequestError("topics belong to a project: give project_id too.")
        if any(edge.second or edge.microsecond for edge in (self.window.start, self.window.stop)):
            raise InvalidRequestError(
                f"The window {self.window} begins or ends within a minute. Its collector is named to the minute, so "
                "what was bought of it could not be found again. Give whole minutes. Nothing was bought."
            )
        if not 1 <= self.limit <= MAX_LIMIT:
            raise InvalidRequestError(
                f"limit={self.limit} is not between 1 and {MAX_LIMIT:,}, the maximum of one export."
            )

    @property
    def path(self) -> str:
        """Return the path of the scope: project, stream, or everything."""
        if self.project_id:
            return f"/api/v3/stream/p/{path_segment(self.project_id)}/export"
        if self.stream_id:
            return f"/api/v3/stream/s/{path_segment(self.stream_id)}/export"
        return "/api/v3/stream/export"

    def to_json(self) -> dict[str, Any]:
        """Return the order as plain JSON values."""
        return {
            "window": self.window.to_json(),
            "project_id": self.project_id,
            "stream_id": self.stream_id,
            "query": self.query,
            "topics": list(self.topics),
            "limit": self.limit,
        }

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
    """Return a moment in the form that Talkwalker accepts."""
    return round(moment.timestamp() * 1000)


def path_segment(value: str) -> str:
    """Return an id that may be a segment of a path.

    :raises InvalidRequestError: if it would change the path, as ``..`` does.
    """
    if not re.fullmatch(r"[\w.~-]+", value, re.ASCII) or value in {".", ".."}:
        raise InvalidRequestError(
            f"{value!r} is not a Talkwalker id: letters, digits, '-', '_' and '.' only."
        )
    return value


def _identifier(noun: str, body: Any, key: str) -> str:
    value = body.get(key) if isinstance(body, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise UnexpectedResponseError(
            f"Talkwalker reports a {noun} without a readable {key}. Check the connection's host."
        )
    return str(value)


def credits_text(number: float | None) -> str:
    """Return a number of credits for people.

    :param number: ``UNLIMITED`` for no limit, ``None`` where the service does not say.
    """
    if number is None:
        return "not told by the service"
    return "unlimited" if math.isinf(number) else f"{number:,}"


def _credits(body: Mapping[str, Any], key: str) -> float | None:
    value = body.get(key)
    if value is None or value == "":
        return None
    # no document says how an account without a limit is shown; these are the usual ways
    if value == -1 or (isinstance(value, str) and value.strip().casefold() in ("-1", "unlimited")):
        return UNLIMITED
    number = _int(value)
    if number is None:
        raise UnexpectedResponseError(
            f"Talkwalker reports {key}={value!r:.100}, which is not a number of credits. Check the connection's host."
        )
    return number


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _float(value: Any) -> float | None:
    """Read a number, also where it is a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _int(value: Any) -> int | None:
    number = _float(value)
    return None if number is None else int(number)


def _time(value: Any) -> pendulum.DateTime | None:
    """Read a date, as ISO 8601 or epoch milliseconds."""
    try:
        if (milliseconds := _float(value)) is not None:
            return pendulum.from_timestamp(milliseconds / 1000)
        parsed = pendulum.parse(value) if _text(value) else None
    except (ValueError, OverflowError, OSError):  # pendulum's ParserError is a ValueError
        return None
    return parsed if isinstance(parsed, pendulum.DateTime) else None


_EXPORT_FIELDS: dict[str, Callable[[Any], Any]] = {
    "target": _text,
    "status": _text,
    "processed": _int,
    "ready": _int,
    "progress": _float,
    "creation_date": _time,
}
