"""Batches become parts, and parts a manifest: exactly once, through crashes at any moment, in constant memory.

A crash loses what came after the last checkpoint, which lists the complete parts and the cursor after them. A retry
resumes there and writes the next parts under names of its own.

Where a service may deliver any record again, records are recognized by their digests; a retry rebuilds these from the
parts and verifies the parts at the same time. A stream repeats only recent records, so for a stream a retry reads only
the last parts. Where the reader recognizes what is delivered again, no record is remembered, and a retry looks only at
the names and sizes of the parts.

If each batch costs money, it is also stored in a file of its own until the part that holds it is complete, so that a
crash loses no paid batch.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from airflow_provider_twexport import __version__
from airflow_provider_twexport.exceptions import (
    CorruptLandingError,
    DirectoryInUseError,
    InvalidRequestError,
    LandingClosedError,
)
from airflow_provider_twexport.storage import part_verification, resume
from airflow_provider_twexport.storage.dedup import RecentRecords, SeenRecords, digests
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.journal import Journal
from airflow_provider_twexport.storage.manifest import CHECKPOINT, Manifest, empty_manifest
from airflow_provider_twexport.storage.part import now
from airflow_provider_twexport.storage.part_options import PartOptions
from airflow_provider_twexport.storage.part_writer import PartWriter
from airflow_provider_twexport.storage.tries import Try
from airflow_provider_twexport.storage.unreadable import UnreadableFile

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from airflow_provider_twexport.core.batch import Batch
    from airflow_provider_twexport.core.schema import Schema
    from airflow_provider_twexport.storage.already_landed import AlreadyLanded
    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.manifest import Repeats
    from airflow_provider_twexport.storage.part import Part

log = logging.getLogger(__name__)

Records: TypeAlias = "Sequence[bytes]"  # within the class, bytes is something else


@dataclass(frozen=True, slots=True)
class Dedup:
    """Which records a landing drops because it, or another landing, has them already.

    :param identity: returns the bytes that identify a record of this landing; ``None``: all its bytes.
    :param window_seconds: for how long a record is remembered after it first came; a retry reads back only parts that
        are no older. ``None``: forever, and all parts.
    :param exclude: results of other landings; they are dropped and counted. An interrupted landing that has dropped
        some of them restarts from the beginning, so that each is counted once.
    :param repeats: what to do with equal records if whoever reads has left out what was delivered again, so that each
        was exported: ``keep`` them, or ``drop`` and count them. ``None``: a record that equals an earlier one was
        delivered again, and is dropped.
    """

    identity: Callable[[bytes], bytes] | None = None
    window_seconds: float | None = None
    exclude: AlreadyLanded | None = None
    repeats: Repeats | None = None

    def remembered(self) -> SeenRecords | RecentRecords | None:
        """Return a memory for the records of one landing; ``None`` if none has to be remembered."""
        if self.repeats == "keep":
            return None
        if self.window_seconds is None:
            return SeenRecords(identity=self.identity)
        return RecentRecords(self.window_seconds, self.identity)

    def may_repeat(self, part: Part) -> bool:
        """Return whether records of a part may come again."""
        if self.window_seconds is None or part.written_at is None:
            return True
        age = datetime.now(UTC) - datetime.fromisoformat(part.written_at)
        return age.total_seconds() <= self.window_seconds


@dataclass(frozen=True, slots=True)
class _Settings:
    parts: PartOptions
    schema: Schema | None
    dedup: Dedup
    max_results: int | None
    durable_batches: bool


class Landing:
    """Lands the results of one export in one directory; created by :meth:`open`.

    :param lost: which parts of a complete landing, which this one replaces, are lost.
    """

    def __init__(
        self, directory: Directory, landed: Manifest, settings: _Settings, lost: str | None, *, is_first: bool
    ) -> None:
        self._directory = directory
        self._landed = landed
        self._settings = settings
        self._try = Try(directory, is_first, lost)
        self._journal = Journal(directory) if settings.durable_batches else None
        self._seen = settings.dedup.remembered()
        self._unreadable = UnreadableFile.resume(directory, None if landed.complete else landed.unreadable)
        self._part: PartWriter | None = None
        self._ended = landed.complete

    @classmethod
    def open(
        cls,
        directory: StoragePath | str | os.PathLike[str],
        *,
        source: Mapping[str, Any],
        parts: PartOptions | None = None,
        schema: Schema | None = None,
        dedup: Dedup | None = None,
        max_results: int | None = None,
        durable_batches: bool = False,
        can_land_again: bool = False,
    ) -> Self:
        """Start a landing, resume an interrupted one, or find that it is complete.

        A landing of an earlier order by the same owner is removed first. What else earlier tries left stays until this
        landing is complete.

        :param directory: of this landing and no other.
        :param source: goes into the manifest unchanged; its ``owner`` says whose results these are, its ``export_id``
            which order of them.
        :param parts: the file format, and where a part ends; ``None`` for the defaults.
        :param schema: the typed columns of these results; Parquet needs them.
        :param dedup: which records to drop; ``None``: those with equal bytes.
        :param max_results: results beyond this number are dropped.
        :param durable_batches: store each batch as soon as it is written, and never restart from the beginning, because
            each batch costs money.
        :param can_land_again: a complete landing whose parts are lost is landed again, because that costs nothing as
            long as the service has the results.
        :raises ManifestNotFoundError: an excluded directory holds no landing.
        :raises CorruptLandingError: an excluded landing is incomplete or damaged; or parts of this landing, which was
            complete, are lost.
        :raises DirectoryInUseError: the directory belongs to another owner; or this landing cannot be resumed, and its
            batches cost money.
        :raises UnsupportedFormatError: the results have no typed columns, or a package is missing.
        :raises InvalidRequestError: the source names no owner.
        """
        if not resume.owner(source):
            raise InvalidRequestError("A landing's source names no owner. Say whose results these are.")
        parts, dedup = parts or PartOptions(), dedup or Dedup()
        settings = _Settings(parts, schema, dedup, max_results, durable_batches)
        place = Directory(directory)
        fresh = empty_manifest(json.loads(json.dumps(source)), parts.file_format, dedup.repeats)
        earlier = resume.load(place, fresh.source)
        if earlier.committed:
            return cls(place, earlier.committed, settings, None, is_first=False)
        if earlier.lost:
            _explain_loss(place, earlier.lost, can_land_again=can_land_again)
        parts.encoder(schema).close()  # fails here if a package is missing, before anything is read
        if dedup.exclude:
            dedup.exclude.load()
        for found in earlier.unfinished:
            landing = cls(place, replace(found, source=fresh.source), settings, earlier.lost, is_first=False)
            problem = landing._why_not_resumable()
            if problem is None:
                break
            if durable_batches:
                raise DirectoryInUseError(
                    f"{place} cannot be resumed, because {problem}. Its results were paid for, so they are not "
                    "replaced. Land with the same settings as before, or choose another directory and pay again."
                )
            log.warning("%s: an earlier try is not resumed, because %s", place, problem)
        else:
            landing = cls(place, fresh, settings, earlier.lost, is_first=earlier.is_empty)
        landing._replay_journal()
        return landing

    @property
    def committed(self) -> Manifest | None:
        """The manifest, if the landing is complete already and there is nothing to read."""
        return self._landed if self._landed.complete else None

    @property
    def cursor(self) -> str | None:
        """The last cursor written, from which a read resumes; ``None``: from the start."""
        return self._landed.final_cursor

    @property
    def results(self) -> int:
        """How many results this landing holds, those of the open part included."""
        return self._landed.results + (self._part.results if self._part else 0)

    @property
    def distinct(self) -> int:
        """How many results came: those that this landing holds, and those excluded because other landings hold them."""
        return self.results + self._landed.excluded

    @property
    def arrived(self) -> int:
        """How many results came, those dropped because an equal one came before included."""
        return self.distinct + self._landed.repeats_dropped

    @property
    def foreign(self) -> int:
        """How many results of other exports came and were dropped."""
        return self._landed.foreign_dropped

    @property
    def repeats(self) -> Repeats | None:
        """What this landing does with equal results that were exported each."""
        return self._settings.dedup.repeats

    @property
    def unconfirmed(self) -> Counter[int]:
        """How often each record, by its digest, is among those of earlier tries that come after the cursor again."""
        left, found = self._landed.unconfirmed, Counter[int]()
        for part in reversed(self._landed.parts):
            if left <= 0:
                break
            found.update(self._last_digests(part, left))
            left -= part.results
        return found

    @property
    def bytes(self) -> int:
        """How many bytes this landing has written, those of the open part included."""
        return self._landed.bytes + (self._part.bytes if self._part else 0)

    @property
    def report(self) -> dict[str, Any] | None:
        """The report of the last checkpoint, for a read that resumes there."""
        return self._landed.report

    @property
    def part_is_full(self) -> bool:
        """Whether the open part should end; a batch with a cursor ends it."""
        return self._part is not None and self._settings.parts.is_full(self._part)

    def write(self, batch: Batch) -> Records:
        """Land those records of a batch that have not landed yet, and return them.

        :raises LandingClosedError: it was committed or discarded.
        """
        self._check_open()
        try:
            if self._journal:
                self._journal.add(batch, self.cursor)
            kept = self._take(batch)
            # A part may only end at a cursor.
            if batch.cursor is not None and self.part_is_full:
                self._checkpoint()
            return kept
        except BaseException:
            self.discard()
            raise

    def restart(self, repeats: Repeats | None) -> None:
        """Land everything again from the beginning; what has landed stays until that is complete.

        :param repeats: what to do with equal results now.
        """
        self._check_open()
        self._drop_part()
        self._try.end()
        self._try = Try(self._directory, is_first=False, lost=self._try.lost)
        self._settings = replace(self._settings, dedup=replace(self._settings.dedup, repeats=repeats))
        self._seen = self._settings.dedup.remembered()
        self._unreadable = UnreadableFile(self._directory)
        self._landed = empty_manifest(self._landed.source, self._landed.file_format, repeats)

    def checkpoint(self, report: dict[str, Any]) -> None:
        """End the open part, so that everything so far survives a crash.

        :param report: returned by :attr:`report` when the landing is resumed.
        :raises LandingClosedError: it was committed or discarded.
        """
        self._check_open()
        try:
            self._landed = replace(self._landed, report=report)
            self._checkpoint()
        except BaseException:
            self.discard()
            raise

    def commit(
        self,
        *,
        exported: int | None = None,
        truncated: bool = False,
        estimated_total: int | None = None,
        status: str | None = None,
        ordered_at: str | None = None,
        complete: bool = True,
        incomplete_because: str | None = None,
        report: dict[str, Any] | None = None,
    ) -> Manifest:
        """End the last part, write the manifest, and if it is complete remove the files of other tries.

        A complete landing without results has one part with columns and no rows, if its format has columns.

        :param exported: how many results the service exported.
        :param truncated: whether the export reached its limit.
        :param estimated_total: how many results match, by the service's estimate.
        :param status: the export's last status; added to the manifest's ``source``.
        :param ordered_at: when the service created the export, ISO 8601; likewise.
        :param complete: ``False`` if results are missing: a later landing resumes here.
        :param incomplete_because: why results are missing, in a sentence.
        :param report: of a stream: how it was read.
        :returns: the manifest; that of another try, if that was faster.
        :raises IncompleteLandingError: somebody has removed parts of this landing.
        :raises LandingClosedError: it was committed or discarded.
        """
        self._check_open()
        try:
            is_empty = self._part is None and not self._landed.parts
            if complete and is_empty and self._settings.parts.format.has_columns:
                # most readers fail on a directory without a file, and then a whole lake cannot be read
                self._part = self._next_part()
            self._end_part()
            self._landed = replace(
                self._landed,
                incomplete_because=incomplete_because,
                report=report,
                source=self._landed.source
                | {
                    key: value
                    for key, value in (("status", status), ("ordered_at", ordered_at))
                    if value is not None
                },
                exported=exported,
                truncated=truncated,
                estimated_total=estimated_total,
            )
            self._landed = self._try.commit(self._stamped(complete=complete))
        except BaseException:
            self.discard()
            raise
        self._ended = True
        if self._landed.complete:
            resume.cleanup(self._directory)
        else:
            self._directory.remove(CHECKPOINT)
            self._try.end()
        return self._landed

    def discard(self) -> None:
        """Drop the open part and end this landing; the last checkpoint stays for the next try."""
        if self._ended:
            return
        self._ended = True
        for remove in (self._drop_part, self._try.end):
            try:
                remove()
            except Exception:
                # The error that made the caller discard is the one to show.
                log.warning("%s: files of this try could not be removed", self._directory, exc_info=True)

    def __enter__(self) -> Self:
        """Return the landing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Discard what was not committed; an error also says which parts of an earlier landing are lost."""
        self.discard()
        self._try.explain(error)

    def _check_open(self) -> None:
        if self._ended:
            raise LandingClosedError(
                f"The landing in {self._directory} has ended: open it again to resume from its last checkpoint."
            )

    def _replay_journal(self) -> None:
        """Land the stored batches that came after the last checkpoint."""
        if self._journal is None:
            return
        if not self._landed.parts:
            self._save_checkpoint()  # it records who owns these batches
        try:
            for batch in self._journal.replay(len(self._landed.parts), lambda: self.cursor):
                self._take(batch)
        except BaseException:
            self.discard()
            raise

    def _take(self, batch: Batch) -> Records:
        new = self._seen.add(batch.records) if self._seen else batch.records
        equal = len(batch.records) - len(new)
        exclude, max_results = self._settings.dedup.exclude, self._settings.max_results
        kept = exclude.without(new) if exclude else new
        excluded = len(new) - len(kept)
        if max_results is not None:
            kept = kept[: max_results - self.results]
        self._unreadable.add(batch.unreadable)
        if kept:
            self._part = self._part or self._next_part()
            self._part.write(kept)
        landed, repeats = self._landed, self.repeats
        self._landed = replace(
            landed,
            duplicates_dropped=landed.duplicates_dropped + batch.replays + (0 if repeats else equal),
            repeats_dropped=landed.repeats_dropped + (equal if repeats else 0),
            foreign_dropped=landed.foreign_dropped + batch.foreign,
            excluded=landed.excluded + excluded,
            unconfirmed=landed.unconfirmed + len(kept) if repeats and batch.cursor is None else 0,
            final_cursor=self.cursor if batch.cursor is None else batch.cursor,
        )
        return kept

    def _checkpoint(self) -> None:
        self._end_part()
        self._save_checkpoint()
        if self._journal:
            self._journal.clear(len(self._landed.parts))

    def _next_part(self) -> PartWriter:
        options = self._settings.parts
        name = self._try.part_name(len(self._landed.parts), options.file_format)
        return PartWriter(self._directory, name, options.encoder(self._settings.schema), self.cursor)

    def _end_part(self) -> None:
        if self._part is None:
            return
        part = self._part.commit(self.cursor)
        self._part = None
        self._landed = replace(
            self._landed,
            parts=(*self._landed.parts, part),
            results=self._landed.results + part.results,
            bytes=self._landed.bytes + part.bytes,
        )
        log.info("%s/%s: %d results, %d bytes", self._directory, part.name, part.results, part.bytes)

    def _drop_part(self) -> None:
        part, self._part = self._part, None
        if part:
            part.discard()

    def _save_checkpoint(self) -> None:
        self._try.begin()
        self._landed = self._stamped(complete=False)
        self._directory.write(CHECKPOINT, self._landed.to_json().encode())

    def _stamped(self, *, complete: bool) -> Manifest:
        unreadable = self._unreadable.save(self._try.unreadable_name) if self._unreadable.count else None
        return replace(
            self._landed,
            complete=complete,
            unreadable=unreadable,
            created_at=now(),
            provider_version=__version__,
        )

    def _why_not_resumable(self) -> str | None:
        """Verify the parts, and remember their records where that is needed; return why not, or ``None``."""
        landed, options, dedup = self._landed, self._settings.parts, self._settings.dedup
        if landed.file_format != options.file_format:
            return f"it started as {landed.file_format} and file_format is now {options.file_format}"
        if landed.repeats != dedup.repeats:
            return f"it started with repeats={landed.repeats!r}, and this is now {dedup.repeats!r}"
        counts_are_certain = dedup.repeats == "keep" and not landed.unconfirmed
        if dedup.exclude and landed.excluded and not counts_are_certain:
            return "only the first try knows how many of its results were excluded"
        if self._seen is None:
            return part_verification.lost(landed.parts, self._directory.sizes())
        if dedup.repeats and landed.unconfirmed:
            return "some of its results come again, and it does not know which of them were equal to others"
        problems = (
            part_verification.problem(self._directory, part, options.format, self._seen.add)
            for part in landed.parts
            if dedup.may_repeat(part)
        )
        return next(filter(None, problems), None)

    def _last_digests(self, part: Part, count: int) -> Iterator[int]:
        """Yield the digests of the last records of a part."""
        skipped = max(0, part.results - count)
        with self._directory.open(part.name) as file:
            for records in self._settings.parts.format.decode(file):
                yield from digests(records[skipped:])
                skipped = max(0, skipped - len(records))


def _explain_loss(place: Directory, lost: str, *, can_land_again: bool) -> None:
    if not can_land_again:
        raise CorruptLandingError(
            f"{place} was complete, and now {lost}. Restore the files from a backup; or remove the directory to land "
            "again, which may cost again, or bring less."
        )
    log.warning("%s was complete, and now %s: landing again, which is free", place, lost)
