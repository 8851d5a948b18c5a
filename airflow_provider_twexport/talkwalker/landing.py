"""Lands a collector: reads it until everything that was exported has landed, then commits."""

from __future__ import annotations

import logging
import math
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol
from uuid import uuid4

from airflow_provider_twexport.core.dataset import Dataset
from airflow_provider_twexport.core.progress import Progress
from airflow_provider_twexport.exceptions import (
    DirectoryInUseError,
    ExportFailedError,
    IncompleteLandingError,
    ManifestNotFoundError,
    NotFoundError,
    NotReadyError,
    ReadStalledError,
    ResultsExpiredError,
    RetriableError,
    TwexportError,
    UnexpectedResponseError,
)
from airflow_provider_twexport.storage import resume
from airflow_provider_twexport.storage.already_landed import AlreadyLanded
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.landing import Dedup, Landing
from airflow_provider_twexport.talkwalker.purchasing.collector_names import fingerprint_in, scope_in
from airflow_provider_twexport.talkwalker.record_identity import identity
from airflow_provider_twexport.talkwalker.results import EARLIEST, ReadState
from airflow_provider_twexport.talkwalker.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from airflow_provider_twexport.core.batch import Batch
    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.manifest import Manifest, Repeats
    from airflow_provider_twexport.storage.part_options import PartOptions
    from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
    from airflow_provider_twexport.talkwalker.models import ExportTask
    from airflow_provider_twexport.talkwalker.remainder_of import RemainderOf
    from airflow_provider_twexport.talkwalker.results_reader import ResultsReader

OnIncomplete = Literal["fail", "warn"]


class Logger(Protocol):
    """A logger of the standard library, or Airflow's of a task."""

    def warning(self, event: Any, *args: Any, **kw: Any) -> Any:
        """Log a warning."""


def source_of(
    collector_id: str,
    export_id: str | None,
    order: Mapping[str, Any],
    remainder_of: RemainderOf | None = None,
) -> dict[str, Any]:
    """Return the ``source`` of a manifest: where its results come from.

    :param collector_id: the collector that they are read from.
    :param export_id: the export that was paid for; ``None`` for everything that the collector holds.
    :param order: what was ordered, as far as it is known; the keys are those of :meth:`ExportOrder.to_json`.
    :param remainder_of: the truncated landings whose remainder this is.
    """
    project_id, stream_id = order.get("project_id") or None, order.get("stream_id") or None
    return {
        "system": "talkwalker",
        "owner": collector_id,
        "scope": project_id or stream_id or scope_in(collector_id),
        "collector_id": collector_id,
        "export_id": export_id,
        "project_id": project_id,
        "stream_id": stream_id,
        "query": order.get("query") or None,
        "topics": list(order.get("topics") or ()),
        "limit": order.get("limit"),
        "window": order.get("window"),
        "fingerprint": fingerprint_in(collector_id),
        **(remainder_of.to_source() if remainder_of else {}),
    }


def open_landing(
    directory: StoragePath,
    source: Mapping[str, Any],
    parts: PartOptions | None = None,
    exclude: Sequence[StoragePath] = (),
    repeats: Repeats = "keep",
) -> Landing:
    """Start the landing of a collector, resume it, or find that it is complete; a damaged one is landed again.

    :param directory: of this landing and no other.
    :param source: what :func:`source_of` returned.
    :param parts: the file format, and where a part ends; ``None`` for the defaults.
    :param exclude: directories of landings whose results are excluded.
    :param repeats: ``keep`` or ``drop`` results that equal another one byte for byte.
    :raises CorruptLandingError: an excluded landing is incomplete or damaged.
    """
    excluded = AlreadyLanded(exclude, identity) if exclude else None
    dedup = Dedup(exclude=excluded, repeats=repeats)
    return Landing.open(
        directory, source=source, parts=parts, schema=SCHEMA, dedup=dedup, can_land_again=True
    )


def check_landing(directory: StoragePath, source: Mapping[str, Any], parts: PartOptions) -> None:
    """Check that results could land in a directory; a small file is written there and removed.

    :param directory: of the landing.
    :param source: what :func:`source_of` returned.
    :param parts: how the results would be written.
    :raises UnsupportedFormatError: a package that the format needs is missing.
    :raises DirectoryInUseError: the directory belongs to another owner.
    """
    parts.encoder(SCHEMA).close()
    place = Directory(directory)
    resume.check_owner(place, source)
    name = f"_write_check_{uuid4().hex}"
    place.write(name, b"")
    place.remove(name)


def dataset(source: Mapping[str, Any]) -> Dataset:
    """Return where the results of a landing come from.

    :param source: of the manifest.
    """
    kinds = ("project", "stream", "collector")
    kind = next((kind for kind in kinds if source.get(f"{kind}_id")), "collector")
    return Dataset("talkwalker://api.talkwalker.com", f"{kind}/{source.get(f'{kind}_id')}", SCHEMA)


def ended_export(client: TalkwalkerClient, export_id: str, *, salvage: bool = False) -> ExportTask:
    """Return an export that has ended.

    :param client: of the account.
    :param export_id: the export.
    :param salvage: accept one that was aborted or failed; what it exported until then is paid for.
    :raises NotReadyError: it has not ended.
    :raises ExportFailedError: it was aborted or failed.
    """
    task = client.get_export(export_id)
    task.check_status()
    if task.is_unfinished:
        raise NotReadyError(
            f"Export {task.id} is {task.raw_status}. Wait for it with TalkwalkerExportSensor before landing it."
        )
    if task.status.is_lost and not salvage:
        raise ExportFailedError(
            f"Export {task.id} is {task.raw_status}, so it has not brought all that was ordered. What it has brought "
            "is paid for: land it with 'twexport orphans --land'.",
            facts=task.facts(),
        )
    return task


def check_nothing_better(place: StoragePath, task: ExportTask) -> None:
    """Refuse to replace a landing by what an aborted or failed export brought if the landing has as much.

    :param place: the directory.
    :param task: the export.
    :raises DirectoryInUseError: the landing of another export is complete, or has as many results.
    """
    from airflow_provider_twexport.storage import manifest

    try:
        found = manifest.read(place)
    except ManifestNotFoundError:
        return
    if found.source.get("export_id") == task.id or not task.status.is_lost:
        return
    if found.complete or found.results >= (task.exported() or 0):
        raise DirectoryInUseError(
            f"{place} holds {found.results:,} results of another export. Export {task.id} ended early with "
            f"{task.exported()} results, which collector {task.collector_id} keeps until {task.readable_until}. Land "
            "them in another directory if you need them."
        )


@dataclass(frozen=True, slots=True)
class CollectorLanding:
    """Lands the results of one collector.

    A result that came again by a reconnect is no result; any other one counts, equal or not, as the service's count of
    what it exported does. Where more come than were exported, everything is read again through one connection, so
    that no reconnect can repeat a result. Where that does not give the count, everything is read once more, and of
    equal results one lands: they are an export's own only if they are as many as it exported.

    :param client: of the account.
    :param collector_id: the collector to read.
    :param task: land all results of this export and no others; ``None`` for everything that the collector holds.
    :param limit: the limit that was ordered; needed to count a truncated export if the service does not.
    :param on_incomplete: what to do if the results that come are not as many as were exported, even on a second read.
    :param log: for warnings.
    """

    client: TalkwalkerClient
    collector_id: str
    task: ExportTask | None = None
    limit: int | None = None
    on_incomplete: OnIncomplete = "fail"
    log: Logger = field(default_factory=lambda: logging.getLogger(__name__))

    @property
    def exported(self) -> int | None:
        """Return how many results should come; ``None`` if that is unknown."""
        if self.task is None:
            return None
        # an export that ended early may have processed more than it exported
        return self.task.ready if self.task.status.is_lost else self.task.exported(self.limit)

    def land(self, landing: Landing) -> Manifest:
        """Read the collector and return the manifest; free, and resumes where an earlier try broke off.

        :param landing: an open landing.
        :raises ResultsExpiredError: the collector does not exist any more.
        :raises IncompleteLandingError: fewer or more results came than were exported, and ``on_incomplete`` is
            ``fail``.
        """
        state = ReadState(landing.unconfirmed)
        self._read_twice(landing, state, lambda: landing.arrived, until_more=True)
        broke_off = None
        if self._has_more(landing.arrived):
            broke_off = self._read_uninterrupted(landing)
            if broke_off or landing.arrived != self.exported:
                self._read_without_repeats(landing)
        task, why = self.task, self._why_incomplete(landing, broke_off)
        return landing.commit(
            exported=self.exported,
            truncated=task is not None and task.status.is_truncated,
            estimated_total=task.estimated_total(self.limit) if task else None,
            status=str(task.status) if task else None,
            ordered_at=task.created.to_iso8601_string() if task and task.created else None,
            complete=why is None,
            incomplete_because=why,
        )

    def _has_more(self, came: int) -> bool:
        return self.exported is not None and came > self.exported

    def _read_twice(
        self, landing: Landing, state: ReadState, came: Callable[[], int], *, until_more: bool = False
    ) -> None:
        """Read the collector to its end, and once more if results are missing.

        :param state: what earlier reads saw.
        :param came: returns how many results have come.
        :param until_more: end when more have come than were exported.
        """
        self._read(landing, state, came, until_more=until_more)
        if self.exported is not None and came() < self.exported:
            self.log.warning("%d of %d results came; reading again.", came(), self.exported)
            time.sleep(self.client.timing.second_read)
            self._read(landing, state, came, until_more=until_more)

    def _read_uninterrupted(self, landing: Landing) -> TwexportError | None:
        """Land again through one connection: nothing comes twice by a reconnect; return why it broke off, if it did."""
        self.log.warning("More than the %d exported results came. Landing again, in one read.", self.exported)
        landing.restart(landing.repeats)
        reader = self._reader(landing, ReadState(), self._missing(lambda: landing.arrived))
        try:
            self._write(landing, reader.uninterrupted(), lambda: landing.arrived, until_more=True)
        except (RetriableError, UnexpectedResponseError) as error:
            return error
        return None

    def _read_without_repeats(self, landing: Landing) -> None:
        """Land again, and of equal results one; those that equal others are missing, so the read may never end."""
        self.log.warning(
            "Not exactly the %d exported results came in one read. Landing again, without equal results.",
            self.exported,
        )
        landing.restart("drop")
        with suppress(ReadStalledError, UnexpectedResponseError):
            self._read_twice(landing, ReadState(), lambda: landing.distinct)

    def _read(self, landing: Landing, state: ReadState, came: Callable[[], int], *, until_more: bool) -> None:
        reader = self._reader(landing, state, self._missing(came))
        self._write(landing, iter(reader), came, until_more=until_more)

    def _missing(self, came: Callable[[], int]) -> Callable[[], float]:
        exported = self.exported
        return lambda: math.inf if exported is None else exported - came()

    def _reader(self, landing: Landing, state: ReadState, missing: Callable[[], float]) -> ResultsReader:
        return self.client.drain(
            self.collector_id,
            cursor=landing.cursor or EARLIEST,
            export_id=self.task.id if self.task else None,
            missing=missing,
            state=state,
        )

    def _write(
        self, landing: Landing, read: Generator[Batch], came: Callable[[], int], *, until_more: bool
    ) -> None:
        """Land what a read brings.

        :param came: returns how many results have come.
        :param until_more: end when more have come than were exported.
        """
        progress = Progress(self.exported, came())
        try:
            with closing(read) as batches:
                for batch in batches:
                    landing.write(batch)
                    progress.report(came(), landing.bytes)
                    if until_more and self._has_more(came()):
                        return
        except NotFoundError as error:
            raise ResultsExpiredError(
                f"Collector {self.collector_id} was deleted before all of it had landed, perhaps by another pipeline "
                "for the same window. To buy the missing results again, set if_exists='recreate'.",
                error.evidence,
                {"collector_id": self.collector_id} | (self.task.facts(self.limit) if self.task else {}),
            ) from None

    def _why_incomplete(self, landing: Landing, broke_off: TwexportError | None) -> str | None:
        if self.task is None or self.exported is None or self.exported in (landing.arrived, landing.distinct):
            return self._ended_early()
        is_short = landing.arrived < self.exported
        why = (
            self._short_of(landing, self.exported)
            if is_short
            else self._more_than(landing, self.exported, broke_off)
        )
        if self.on_incomplete == "fail":
            raise IncompleteLandingError(
                f"{why} {'A retry resumes here' if is_short else 'A retry reads again'}; reading costs nothing.",
                facts={
                    "collector_id": self.collector_id,
                    "exported": self.exported,
                    "landed": landing.distinct,
                    "arrived": landing.arrived,
                    "foreign": landing.foreign,
                },
            )
        self.log.warning(why)
        return why

    def _short_of(self, landing: Landing, exported: int) -> str:
        """Return why fewer results can have come than were exported, as far as that can be known."""
        reasons = [
            f"results are older than 7 days and were dropped (these are kept until {self._readable_until()})",
            "the collector was deleted and created again, or its results were deleted",
            "another reader of the same collector has taken them",
            "the service has not yet made all results readable",
        ]
        if self.task and self.task.ready is None:
            reasons.append("the service does not count what it exported, and the estimate is too high")
        if landing.foreign:
            reasons.append(
                f"{landing.foreign:,} results name another export than {self.task and self.task.id}"
            )
        return (
            f"Only {landing.arrived:,} of {exported:,} exported results could be read from collector "
            f"{self.collector_id}, which holds no more. This can be because {'; or '.join(reasons)}. "
            "If they are lost, buy them again with if_exists='recreate'."
        )

    def _more_than(self, landing: Landing, exported: int, broke_off: TwexportError | None) -> str:
        """Return why more results can have come than were exported."""
        undecided = (
            f" A read without a reconnect would decide it, but broke off: {broke_off}" if broke_off else ""
        )
        return (
            f"{landing.arrived:,} results came from collector {self.collector_id}, {landing.distinct:,} of them "
            f"different, though {exported:,} were exported. Either it holds results of another export that do not "
            "name their export; or the service delivered results again that it had reported as delivered; or its count "
            f"is too low.{undecided} To land the different ones all the same, set on_incomplete='warn'."
        )

    def _readable_until(self) -> str:
        until = self.task and self.task.readable_until
        return str(until) if until else "7 days after the export"

    def _ended_early(self) -> str | None:
        if self.task is None or not self.task.status.is_lost:
            return None
        messages = "; ".join(self.task.messages) or "no message"
        return f"Its export ended as {self.task.status} ({messages}); this is what it brought until then."
