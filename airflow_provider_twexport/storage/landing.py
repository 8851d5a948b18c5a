"""Batches become parts, and parts a manifest: exactly once, through crashes at any moment, in constant memory.

A crash loses what came after the last checkpoint, which lists the complete parts and the cursor after them. A retry
resumes there and writes the next part again, over whatever an earlier try left under that name. Records that the
service delivers again are recognized by their digests; a retry rebuilds these from the parts and verifies the parts at
the same time. A stream repeats only recent records, so for a stream a retry reads only the last parts.

If each batch costs money, it is also stored in a file of its own until the part that holds it is complete, so that a
crash loses no paid batch.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from airflow_provider_twexport import __version__
from airflow_provider_twexport.exceptions import (
    DirectoryInUseError,
    InvalidRequestError,
    LandingClosedError,
)
from airflow_provider_twexport.storage import formats, part_verification, resume
from airflow_provider_twexport.storage.already_landed import AlreadyLanded
from airflow_provider_twexport.storage.dedup import RecentRecords, SeenRecords
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.encoding import EncodingOptions
from airflow_provider_twexport.storage.journal import Journal
from airflow_provider_twexport.storage.manifest import CHECKPOINT, MANIFEST, Manifest, empty_manifest
from airflow_provider_twexport.storage.part import now
from airflow_provider_twexport.storage.part_writer import PartWriter

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from airflow_provider_twexport.core.batch import Batch
    from airflow_provider_twexport.core.schema import Schema
    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.formats import FileFormat
    from airflow_provider_twexport.storage.part import Part

log = logging.getLogger(__name__)

Records: TypeAlias = "Sequence[bytes]"  # within the class, bytes is something else
MAX_PART_BYTES = 64 * 1024 * 1024


class Landing:
    """Lands the results of one export in one directory; created by :meth:`open`."""

    def __init__(
        self,
        directory: Directory,
        file_format: FileFormat,
        encoding: EncodingOptions,
        max_part_bytes: int,
        max_part_results: int | None,
        max_results: int | None,
        record_id: Callable[[bytes], bytes] | None,
        remembered_seconds: float | None,
        journal: Journal | None,
        begun: Manifest,
    ) -> None:
        self._directory = directory
        self._format = file_format
        self._encoding = encoding
        self._max_part_bytes = max_part_bytes
        self._max_part_results = max_part_results
        self._landed = begun
        self._remembered_seconds = remembered_seconds
        self._max_results = max_results
        self._journal = journal
        self._seen = (
            SeenRecords(identity=record_id)
            if remembered_seconds is None
            else RecentRecords(remembered_seconds, record_id)
        )
        self._already_landed: AlreadyLanded | None = None
        self._part: PartWriter | None = None
        self._ended = begun.complete

    @classmethod
    def open(
        cls,
        directory: StoragePath | str | os.PathLike[str],
        *,
        source: Mapping[str, Any],
        file_format: str = "jsonl.gz",
        compression_level: int | None = None,
        max_part_bytes: int = MAX_PART_BYTES,
        max_part_results: int | None = None,
        max_results: int | None = None,
        record_id: Callable[[bytes], bytes] | None = None,
        remembered_seconds: float | None = None,
        batches_cost: bool = False,
        schema: Schema | None = None,
        row_group_bytes: int = formats.ROW_GROUP_BYTES,
        exclude_landed: Sequence[StoragePath | str | os.PathLike[str]] = (),
        identity: Callable[[bytes], bytes] = bytes,
    ) -> Self:
        """Start a landing, resume an interrupted one, or find that it is complete.

        A landing of an earlier order by the same owner is removed first.

        :param directory: of this landing and no other.
        :param source: goes into the manifest as it is; its ``collector_id``, ``search_id`` or ``capture_id`` says whose
            landing this is, its ``export_id`` which order of the same results.
        :param file_format: one of :data:`formats.FORMATS`.
        :param compression_level: one of the format's; ``None`` for its default.
        :param max_part_bytes: a part ends at the first cursor after about so many bytes as written.
        :param max_part_results: and at the first cursor after so many results.
        :param max_results: what comes beyond so many results is left out.
        :param record_id: what makes two records the same one; ``None`` if all their bytes do.
        :param remembered_seconds: a record that comes again so long after the first time is still known, and parts
            older than that are not read back; ``None``: always, and all are.
        :param batches_cost: keep each batch as soon as it is written, and never begin again from the start.
        :param schema: the typed columns of these results; Parquet needs them.
        :param row_group_bytes: a row group of Parquet ends after about so many bytes of results.
        :param exclude_landed: directories of other landings; results that they hold are left out and counted. A landing
            that broke off after it left something out begins anew, to count it once.
        :param identity: what of a result is the same in whatever export.
        :raises ManifestNotFoundError: one of these directories holds no landing.
        :raises CorruptLandingError: one of these landings is not whole.
        :raises DirectoryInUseError: another collector or search was landed there; or this one, in such a
            way that it cannot go on, and each batch costs.
        :raises UnsupportedFormatError: no such file format, or not for these results, or not here.
        :raises InvalidCompressionLevelError: the format has no such level.
        :raises InvalidRequestError: the source has no ``collector_id``, ``search_id`` or ``capture_id``.
        """
        if not resume.owner(source):
            msg = "A landing's source needs a collector_id, search_id or capture_id: it tells whose results these are."
            raise InvalidRequestError(msg)
        place, form = Directory(directory), formats.by_name(file_format)
        afresh = empty_manifest(json.loads(json.dumps(source)), file_format)
        found = resume.load(place, afresh.source)
        encoding = EncodingOptions(form.level(compression_level), schema, row_group_bytes)
        journal = Journal(place) if batches_cost else None
        begin = partial(
            cls,
            place,
            form,
            encoding,
            max_part_bytes,
            max_part_results,
            max_results,
            record_id,
            remembered_seconds,
            journal,
        )
        landing = begin(found or afresh)
        if found and found.complete:
            resume.cleanup(place, found)
            return landing
        form.encoder(encoding).close()  # fails here if a package is missing, before anything is read
        already_landed = AlreadyLanded(exclude_landed, identity) if exclude_landed else None
        if found and (problem := landing._why_not_resumable(file_format, already_landed)):
            if batches_cost:
                raise DirectoryInUseError(
                    f"{place} cannot be resumed, because {problem}. Its results were paid for, so they are not "
                    "replaced. Land with the same settings as before, or choose another directory and pay again."
                )
            log.warning("%s: landing restarts from the beginning, because %s", place, problem)
            resume.remove_all(place)
            landing = begin(afresh)
        elif found:
            landing._landed = replace(found, source=afresh.source, complete=False)
        landing._already_landed = already_landed
        landing._recover()
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
    def arrived(self) -> int:
        """How many results came: those that this landing holds, and those excluded because other landings hold them."""
        return self.results + self._landed.excluded

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
        return self._part is not None and self._is_full(self._part)

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
        complete: bool = True,
        incomplete_because: str | None = None,
        report: dict[str, Any] | None = None,
    ) -> Manifest:
        """End the last part, write the manifest, and remove the files of earlier tries.

        :param exported: how many results the service exported.
        :param truncated: whether the export reached its limit.
        :param estimated_total: how many results match, by the service's estimate.
        :param status: the export's last status; added to the manifest's ``source``.
        :param complete: ``False`` if results are missing: a later landing resumes here.
        :param incomplete_because: why results are missing, in a sentence.
        :param report: of a stream: how it was read.
        :raises LandingClosedError: it was committed or discarded.
        """
        self._check_open()
        try:
            self._end_part()
            self._landed = replace(
                self._landed,
                incomplete_because=incomplete_because,
                report=report,
                source=self._landed.source | ({} if status is None else {"status": status}),
                exported=exported,
                truncated=truncated,
                estimated_total=estimated_total,
            )
            self._save(MANIFEST, complete=complete)
        finally:
            self.discard()
        resume.cleanup(self._directory, self._landed)
        return self._landed

    def discard(self) -> None:
        """Drop the open part and end this landing; the last checkpoint stays for the next try."""
        part, self._part, self._ended = self._part, None, True
        if part is None:
            return
        try:
            part.discard()
        except Exception:
            # The error that made the caller discard is the one to show.
            log.warning("%s: the open part could not be removed", self._directory, exc_info=True)

    def __enter__(self) -> Self:
        """Return the landing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Discard what was not committed."""
        self.discard()

    def _check_open(self) -> None:
        if self._ended:
            raise LandingClosedError(
                f"The landing in {self._directory} has ended: open it again to resume from its last checkpoint."
            )

    def _recover(self) -> None:
        """Land the stored batches that came after the last checkpoint."""
        if self._journal is None:
            return
        if not self._landed.parts:
            self._save(CHECKPOINT, complete=False)  # it records who owns these batches
        try:
            for batch in self._journal.replay(len(self._landed.parts), lambda: self.cursor):
                self._take(batch)
        except BaseException:
            self.discard()
            raise

    def _take(self, batch: Batch) -> Records:
        new = self._seen.add(batch.records)
        duplicates = len(batch.records) - len(new)
        kept = self._already_landed.without(new) if self._already_landed else new
        excluded = len(new) - len(kept)
        if self._max_results is not None:
            kept = kept[: self._max_results - self.results]
        if kept:
            self._part = self._part or self._next_part()
            self._part.write(kept)
        self._landed = replace(
            self._landed,
            duplicates_dropped=self._landed.duplicates_dropped + duplicates + batch.replays,
            foreign_dropped=self._landed.foreign_dropped + batch.foreign,
            excluded=self._landed.excluded + excluded,
            final_cursor=self.cursor if batch.cursor is None else batch.cursor,
        )
        return kept

    def _checkpoint(self) -> None:
        self._end_part()
        self._save(CHECKPOINT, complete=False)
        if self._journal:
            self._journal.clear(len(self._landed.parts))

    def _is_full(self, part: PartWriter) -> bool:
        if self._max_part_results is not None and part.results >= self._max_part_results:
            return True
        return part.expected_bytes >= self._max_part_bytes

    def _next_part(self) -> PartWriter:
        name = f"part-{len(self._landed.parts):05}.{self._format.name}"
        return PartWriter(self._directory, name, self._format.encoder(self._encoding), self.cursor)

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

    def _save(self, name: str, *, complete: bool) -> None:
        landed = replace(self._landed, complete=complete, created_at=now(), provider_version=__version__)
        self._directory.write(name, landed.to_json().encode())
        self._landed = landed

    def _why_not_resumable(self, file_format: str, already_landed: AlreadyLanded | None) -> str | None:
        """Rebuild the digests from the parts; return why this landing cannot be resumed, or ``None``."""
        if self._landed.file_format != file_format:
            return f"it started as {self._landed.file_format} and file_format is now {file_format}"
        if already_landed and self._landed.excluded:
            return "only the first try knows how many of its results were excluded"
        problems = (
            part_verification.problem(self._directory, part, self._format, self._seen.add)
            for part in self._landed.parts
            if self._may_be_repeated(part)
        )
        return next(filter(None, problems), None)

    def _may_be_repeated(self, part: Part) -> bool:
        if self._remembered_seconds is None or part.written_at is None:
            return True
        age = datetime.now(UTC) - datetime.fromisoformat(part.written_at)
        return age.total_seconds() <= self._remembered_seconds
