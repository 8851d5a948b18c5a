"""What a read of a stream saw: how far each partition came, what was missed and why, and how much came each minute."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.x.streams.messages import moment_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Gap(msgspec.Struct, frozen=True):
    """A time that a partition was not read for.

    :param partition: its number.
    :param start: ISO 8601, UTC.
    :param stop: likewise, exclusive.
    :param because: how the connection had ended, and why none could be made since then.
    """

    partition: int
    start: str
    stop: str
    because: str


class Minute(msgspec.Struct):
    """How many messages of a minute came, and how many of those were new and landed."""

    received: int = 0
    stored: int = 0


class Partition(msgspec.Struct):
    """How one partition was read.

    :param reached: everything up to here came, or is told as a gap: ISO 8601, UTC.
    :param connected: how often.
    :param disconnected: how often, by reason.
    """

    reached: str | None = None
    connected: int = 0
    disconnected: dict[str, int] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Something that happened on one partition.

    :param records: messages that came.
    :param reached: everything up to here came, in epoch seconds.
    :param connected: a connection was made.
    :param gap: what it could not bring any more.
    :param disconnected: a connection ended, and why.
    :param done: this window of a past stream is complete: partition, start, stop.
    """

    partition: int
    records: Sequence[bytes] = ()
    reached: float | None = None
    connected: bool = False
    gap: Gap | None = None
    disconnected: str | None = None
    done: tuple[int, str, str] | None = None


class CaptureReport(msgspec.Struct):
    """All of it; as plain data it is the report in the manifest of a landing.

    :param stream: ``decahose`` or ``likes``.
    :param start: what was made since then is wanted: ISO 8601, UTC.
    :param stop: and before then; ``None``: until there is enough.
    :param partitions: by number.
    :param gaps: in the order they were found.
    :param minutes: by the minute that messages were made in.
    :param done: windows of a past stream that are complete.
    """

    stream: str
    start: str | None = None
    stop: str | None = None
    partitions: dict[str, Partition] = msgspec.field(default_factory=dict)
    gaps: list[Gap] = msgspec.field(default_factory=list)
    minutes: dict[str, Minute] = msgspec.field(default_factory=dict)
    done: list[tuple[int, str, str]] = msgspec.field(default_factory=list)

    @classmethod
    def of(cls, report: dict[str, Any]) -> CaptureReport:
        """Return the log that a manifest reports."""
        return msgspec.convert(report, cls)

    def report(self) -> dict[str, Any]:
        """Return it as plain data, its minutes in order."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        told["minutes"] = dict(sorted(told["minutes"].items()))
        return told

    def note(self, arrival: StreamEvent) -> None:
        """Write down what happened."""
        partition = self.partitions.setdefault(str(arrival.partition), Partition())
        if arrival.reached is not None:
            partition.reached = max(iso(arrival.reached), partition.reached or "")
        partition.connected += arrival.connected
        if arrival.gap:
            self.gaps.append(arrival.gap)
        if why := arrival.disconnected:
            partition.disconnected[why] = partition.disconnected.get(why, 0) + 1
        if arrival.done:
            self.done.append(arrival.done)

    def count(self, received: Iterable[bytes], stored: Iterable[bytes]) -> None:
        """Count messages by the minute they were made in; those that do not say it count for none.

        :param received: what came.
        :param stored: which of it was new and landed.
        """
        for minute, number in _by_minute(received).items():
            self._minute(minute).received += number
        for minute, number in _by_minute(stored).items():
            self._minute(minute).stored += number

    def reached(self, partition: int) -> float | None:
        """Return how far a partition was read, in epoch seconds; ``None``: not yet."""
        found = self.partitions.get(str(partition))
        return datetime.fromisoformat(found.reached).timestamp() if found and found.reached else None

    def _minute(self, minute: int) -> Minute:
        return self.minutes.setdefault(iso(minute * 60), Minute())


def iso(moment: float) -> str:
    """Return epoch seconds as ISO 8601, UTC, of one length, so that texts compare as moments do."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def _by_minute(records: Iterable[bytes]) -> Counter[int]:
    return Counter(moment // 60_000 for moment in map(moment_ms, records) if moment is not None)
