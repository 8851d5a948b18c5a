"""What a capture of a stream received: how far each partition was read, the gaps and their reasons, and the counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from airflow_provider_twexport.x.streams.messages import created_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# partition, start and stop of a slice of a past stream
SliceKey: TypeAlias = tuple[int, str, str]


class Gap(msgspec.Struct, frozen=True):
    """A time for which a partition was not read.

    :param partition: number of the partition.
    :param start: ISO 8601, UTC.
    :param stop: likewise, exclusive.
    :param reason: why the connection ended, and why there was no other since then.
    """

    partition: int
    start: str
    stop: str
    reason: str


class Minute(msgspec.Struct):
    """How many messages of a minute were received, and how many of those were new and landed."""

    received: int = 0
    stored: int = 0


class Partition(msgspec.Struct):
    """How one partition was read.

    :param reached: everything up to here was received, or is in a gap: ISO 8601, UTC.
    :param connected: number of connections.
    :param disconnected: number of disconnections, by reason.
    """

    reached: str | None = None
    connected: int = 0
    disconnected: dict[str, int] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Something that happened on one partition.

    :param records: messages that were received.
    :param unreadable: lines that are no JSON document in UTF-8.
    :param others: how many lines are no message, by kind.
    :param reached: everything up to here was received, in epoch seconds.
    :param connected: whether there is a new connection.
    :param gap: what the new connection cannot bring any more.
    :param disconnected: why a connection ended; ``None`` if none did.
    :param slice: a slice of a past stream that is now complete: partition, start, stop.
    """

    partition: int
    records: Sequence[bytes] = ()
    unreadable: Sequence[bytes] = ()
    others: Mapping[str, int] = field(default_factory=dict)
    reached: float | None = None
    connected: bool = False
    gap: Gap | None = None
    disconnected: str | None = None
    slice: SliceKey | None = None


class CaptureReport(msgspec.Struct):
    """A capture as a whole; as JSON it is the ``report`` in the manifest of a landing.

    :param stream: ``decahose`` or ``likes``.
    :param start: of the messages wanted, by the time in them: ISO 8601, UTC.
    :param stop: likewise, exclusive; ``None``: until there are enough messages.
    :param partitions: by number.
    :param gaps: in the order in which they were found.
    :param minutes: by the minute in which the messages were created.
    :param slices: the slices of a past stream that are complete.
    :param others: how many lines were no message, by kind: what X says about the stream (``operational``, ``limit``,
        ``notice``, ...), ``unreadable`` (no JSON document in UTF-8), and ``no message``.
    """

    stream: str
    start: str | None = None
    stop: str | None = None
    partitions: dict[str, Partition] = msgspec.field(default_factory=dict)
    gaps: list[Gap] = msgspec.field(default_factory=list)
    minutes: dict[str, Minute] = msgspec.field(default_factory=dict)
    slices: list[SliceKey] = msgspec.field(default_factory=list)
    others: dict[str, int] = msgspec.field(default_factory=dict)

    @classmethod
    def from_json(cls, report: dict[str, Any]) -> CaptureReport:
        """Return the report of a manifest."""
        return msgspec.convert(report, cls)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON, its minutes in order."""
        report: dict[str, Any] = msgspec.to_builtins(self)
        report["minutes"] = dict(sorted(report["minutes"].items()))
        return report

    def add(self, event: StreamEvent) -> None:
        """Record an event."""
        partition = self.partitions.setdefault(str(event.partition), Partition())
        if event.reached is not None:
            partition.reached = max(iso(event.reached), partition.reached or "")
        partition.connected += event.connected
        if event.gap:
            self.gaps.append(event.gap)
        if reason := event.disconnected:
            partition.disconnected[reason] = partition.disconnected.get(reason, 0) + 1
        if event.slice:
            self.slices.append(event.slice)
        for kind, number in event.others.items():
            self.others[kind] = self.others.get(kind, 0) + number

    def count(self, received: Iterable[bytes], stored: Iterable[bytes]) -> None:
        """Count messages by the minute in which they were created; messages without a time are not counted.

        :param received: the messages received.
        :param stored: those of them that were new and landed.
        """
        for minute, number in _by_minute(received).items():
            self._minute(minute).received += number
        for minute, number in _by_minute(stored).items():
            self._minute(minute).stored += number

    def reached(self, partition: int) -> float | None:
        """Return up to when a partition was read, in epoch seconds; ``None`` if it was not."""
        found = self.partitions.get(str(partition))
        return datetime.fromisoformat(found.reached).timestamp() if found and found.reached else None

    def _minute(self, minute: int) -> Minute:
        return self.minutes.setdefault(iso(minute * 60), Minute())


def iso(moment: float) -> str:
    """Return epoch seconds as ISO 8601, UTC, always of the same length, so that the texts sort by time."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def _by_minute(records: Iterable[bytes]) -> Counter[int]:
    return Counter(moment // 60_000 for moment in map(created_ms, records) if moment is not None)
