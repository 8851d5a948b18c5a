"""Lands a bounded time of a volume stream in one directory, and what a capture of it has missed in another."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.core.arguments import parse_moment
from airflow_provider_twexport.core.batch import Batch
from airflow_provider_twexport.core.dataset import Dataset
from airflow_provider_twexport.core.progress import Progress
from airflow_provider_twexport.exceptions import InvalidRequestError, TwexportError
from airflow_provider_twexport.storage.already_landed import AlreadyLanded
from airflow_provider_twexport.storage.landing import Dedup, Landing
from airflow_provider_twexport.x.schema import SCHEMAS
from airflow_provider_twexport.x.streams.capture_report import CaptureReport, iso
from airflow_provider_twexport.x.streams.client import PARTITIONS
from airflow_provider_twexport.x.streams.messages import message_key
from airflow_provider_twexport.x.streams.recovery import WINDOW_NAMES, recover, slices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, timedelta

    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.manifest import Manifest
    from airflow_provider_twexport.storage.part_options import PartOptions
    from airflow_provider_twexport.x.streams.client import XStreamClient

PART_SECONDS = 120.0
# Backfill repeats what came up to 5 minutes ago, and takes a while for it
DEDUP_WINDOW_SECONDS = 420.0


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """What to capture of a stream.

    :param stream: ``decahose`` or ``likes``.
    :param start: from this moment on, up to 5 minutes ago with Backfill; ``None``: from now on.
    :param stop: until then.
    :param duration: or for this long after ``start``.
    :param max_results: or until this many messages have landed.
    :param partitions: by number; each has half of the stream.
    :param connections: to each partition.
    :param label: of the stream; ``None`` for the connection's.
    :raises InvalidRequestError: an argument has a wrong value, contradicts another one, or the capture has no end.
    """

    stream: str
    start: str | date | None = None
    stop: str | date | None = None
    duration: timedelta | None = None
    max_results: int | None = None
    partitions: Sequence[int] = PARTITIONS
    connections: int = 1
    label: str | None = None

    def __post_init__(self) -> None:
        if not set(self.partitions) <= set(PARTITIONS) or not self.partitions:
            raise InvalidRequestError(f"partitions={self.partitions!r} are unknown. Choose from 1 and 2.")
        if self.connections < 1:
            raise InvalidRequestError(f"connections={self.connections!r} is too few. Give 1 or more.")
        if self.max_results is not None and self.max_results < 1:
            raise InvalidRequestError(
                f"max_results={self.max_results} leaves nothing to land. Give 1 or more."
            )
        if self.stop is not None and self.duration is not None:
            raise InvalidRequestError("stop and duration contradict each other. Give one of them.")
        if self.stop is None and self.duration is None and self.max_results is None:
            raise InvalidRequestError("A stream has no end. Give stop, duration or max_results.")

    def report(self, now: float) -> CaptureReport:
        """Return the report of a capture that starts now.

        :param now: in epoch seconds.
        :raises InvalidRequestError: the capture would start in the future, or stop before it starts.
        """
        start = parse_moment(self.start).timestamp() if self.start else now
        stop = None if self.stop is None else parse_moment(self.stop).timestamp()
        if self.duration is not None:
            stop = start + self.duration.total_seconds()
        if start > now or (stop is not None and stop <= start):
            raise InvalidRequestError(
                "The capture starts in the future, or stops before it starts. Correct start and stop."
            )
        return CaptureReport(self.stream, iso(start), None if stop is None else iso(stop))

    def source(self) -> dict[str, Any]:
        """Return the ``source`` of a manifest; its ``owner`` is a digest of all of it."""
        content = {
            "stream": self.stream,
            "label": self.label,
            "partitions": sorted(self.partitions),
            "start": None if self.start is None else str(self.start),
            "stop": None if self.stop is None else str(self.stop),
            "duration": None if self.duration is None else self.duration.total_seconds(),
            "limit": self.max_results,
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        return {"system": "x_stream", "owner": digest, "scope": self.stream, **content}


@dataclass(frozen=True, slots=True)
class CaptureLanding:
    """Lands what a stream brings, each message once.

    :param client: of the stream.
    :param request: what to capture.
    """

    client: XStreamClient
    request: CaptureRequest

    def open(self, directory: StoragePath, parts: PartOptions) -> Landing:
        """Start the landing, resume it, or find that it is complete.

        :param directory: of this landing and no other.
        :param parts: the file format, and where a part ends; a part ends every two minutes, too.
        :raises InvalidRequestError: the capture would start in the future, or stop before it starts.
        """
        self.request.report(self.client.now())
        return Landing.open(
            directory,
            source=self.request.source(),
            parts=parts,
            schema=SCHEMAS[self.request.stream],
            dedup=Dedup(identity=message_key, window_seconds=DEDUP_WINDOW_SECONDS),
            max_results=self.request.max_results,
        )

    def land(self, landing: Landing) -> Manifest:
        """Read the stream until the end of the capture and return the manifest."""
        stored = landing.report
        report = CaptureReport.from_json(stored) if stored else self.request.report(self.client.now())
        try:
            # a capture from now on requests nothing from before it
            self._capture(landing, report, resume=bool(stored or self.request.start))
        except TwexportError:
            landing.checkpoint(report.to_json())
            raise
        most = self.request.max_results
        return landing.commit(truncated=most is not None and landing.results >= most, report=report.to_json())

    def _capture(self, landing: Landing, report: CaptureReport, *, resume: bool) -> None:
        start = parse_moment(report.start).timestamp() if report.start and resume else None
        until = math.inf if report.stop is None else parse_moment(report.stop).timestamp()
        most = math.inf if self.request.max_results is None else self.request.max_results
        landing.checkpoint(report.to_json())  # if this try dies at once, the next one knows when it started
        reached = {number: report.reached(number) or start for number in self.request.partitions}
        progress, part_started = Progress(None, landing.results), self.client.now()
        for event in self.client.capture(until, reached=reached, connections=self.request.connections):
            report.add(event)
            report.count(
                event.records, landing.write(Batch(event.records, None, unreadable=event.unreadable))
            )
            progress.report(landing.results, landing.bytes)
            if landing.results >= most:
                return
            if landing.part_is_full or self.client.now() - part_started >= PART_SECONDS:
                landing.checkpoint(report.to_json())
                part_started = self.client.now()


@dataclass(frozen=True, slots=True)
class RecoveryLanding:
    """Lands what fell into the gaps of a capture, without what the capture holds.

    :param client: of the stream, with the URL of the service.
    :param capture_path: directory of the capture.
    :param capture: its manifest.
    :param service: ``recovery`` or ``replay``.
    :param names: how Recovery calls start and end of a window.
    """

    client: XStreamClient
    capture_path: StoragePath
    capture: Manifest
    service: str
    names: tuple[str, str] = WINDOW_NAMES

    def open(self, directory: StoragePath, parts: PartOptions) -> Landing:
        """Start the landing, resume it, or find that it is complete.

        :param directory: of this landing and no other.
        :param parts: the file format, and where a part ends.
        """
        source = self.capture.source
        return Landing.open(
            directory,
            source=source | {"system": f"x_stream_{self.service}", "owner": f"gaps-{source['owner']}"},
            parts=parts,
            schema=SCHEMAS[self.client.stream],
            dedup=Dedup(identity=message_key, exclude=AlreadyLanded([self.capture_path], message_key)),
        )

    def land(self, landing: Landing) -> Manifest:
        """Request the gaps again and return the manifest.

        :raises RetriableError: a slice does not become complete; a later landing resumes with the others.
        """
        report = CaptureReport.from_json(landing.report or {"stream": self.client.stream})
        wanted = slices(captured(self.capture).gaps, self.service, self.client.now())
        missing = [it for it in wanted if it.key not in report.slices]
        for event in recover(self.client, missing, self.service, self.names):
            report.add(event)
            report.count(
                event.records, landing.write(Batch(event.records, None, unreadable=event.unreadable))
            )
            if event.slice or landing.part_is_full:
                landing.checkpoint(report.to_json())
        return landing.commit(report=report.to_json())


def captured(capture: Manifest) -> CaptureReport:
    """Return the report of a capture."""
    return CaptureReport.from_json(capture.report or {"stream": capture.source.get("stream")})


def dataset(source: Mapping[str, Any]) -> Dataset:
    """Return where the messages of a landing come from.

    :param source: of the manifest.
    """
    stream = str(source.get("stream"))
    return Dataset("x://gnip-stream.x.com", f"stream/{stream}", SCHEMAS.get(stream))
