"""Batches become parts, and parts a manifest: exactly once, through crashes at any moment, in constant memory.

What survives a crash is the last checkpoint: parts that are whole, and the offset after them. A retry goes on from
there and writes the next part number again, whatever a dead try left under that name. Records that the service
delivers again are known by their digests, which a retry rebuilds from the parts, checking them on the way. Of a stream,
which repeats only what was a short while ago, these are the last parts.

Where each batch costs something, it is also kept in a file of its own until the part that holds it is whole, so that a
crash costs no batch that came.
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
from airflow_provider_twexport.storage.formats import EncodingOptions
from airflow_provider_twexport.storage.journal import Journal
from airflow_provider_twexport.storage.manifest import CHECKPOINT, MANIFEST, Manifest, nothing_yet, now
from airflow_provider_twexport.storage.part_writer import PartWriter

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from airflow_provider_twexport.core.batch import Batch
    from airflow_provider_twexport.core.schema import Schema
    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.formats import FileFormat
    from airflow_provider_twexport.storage.manifest import Part

log = logging.getLogger(__name__)

Records: TypeAlias = "Sequence[bytes]"  # within the class, bytes is something else
MAX_PART_BYTES = 64 * 1024 * 1024


class Landing:
    """The results of one export on their way into one directory; made by :meth:`open`."""

    def __init__(
        self,
        directory: Directory,
        file_format: FileFormat,
        written: EncodingOptions,
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
        self._written = written
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
        self._elsewhere: AlreadyLanded | None = None
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
        """Begin a landing, go on with one that broke off, or find that it is done.

        A landing of an earlier export of the same collector is removed first.

        :param directory: holds this landing and no other.
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
        if not resume.whose(source):
            msg = "A landing's source needs a collector_id, search_id or capture_id: it tells whose results these are."
            raise InvalidRequestError(msg)
        place, form = Directory(directory), formats.by_name(file_format)
        afresh = nothing_yet(json.loads(json.dumps(source)), file_format)
        found = resume.find(place, afresh.source)
        written = EncodingOptions(form.level(compression_level), schema, row_group_bytes)
        journal = Journal(place) if batches_cost else None
        begin = partial(
            cls,
            place,
            form,
            written,
            max_part_bytes,
            max_part_results,
            max_results,
            record_id,
            remembered_seconds,
            journal,
        )
        landing = begin(found or afresh)
        if found and found.complete:
            resume.tidy(place, found)
            return landing
        form.encoder(written).close()  # what is missing for that is told before anything is read
        elsewhere = AlreadyLanded(exclude_landed, identity) if exclude_landed else None
        if found and (problem := landing._cannot_go_on(file_format, elsewhere)):
            if batches_cost:
                raise DirectoryInUseError(
                    f"{place} cannot be gone on with, because {problem}. What is there was paid for, so it is not "
                    "replaced: land as it began, or choose another directory and pay again."
                )
            log.warning("%s: landing again from the start, because %s", place, problem)
            resume.clear(place)
            landing = begin(afresh)
        elif found:
            landing._landed = replace(found, source=afresh.source, complete=False)
        landing._elsewhere = elsewhere
        landing._recover()
        return landing

    @property
    def committed(self) -> Manifest | None:
        """The manifest, if everything is here already and there is nothing to read."""
        return self._landed if self._landed.complete else None

    @property
    def offset(self) -> str | None:
        """The last cursor written, from which the read goes on; ``None``: from the start."""
        return self._landed.final_cursor

    @property
    def results(self) -> int:
        """How many results this landing holds, those of the open part included."""
        return self._landed.results + (self._part.results if self._part else 0)

    @property
    def arrived(self) -> int:
        """How many results came: those that this landing holds, and those left out because others hold them."""
        return self.results + self._landed.excluded

    @property
    def bytes(self) -> int:
        """How many bytes this landing has written, those of the open part included."""
        return self._landed.bytes + (self._part.bytes if self._part else 0)

    @property
    def report(self) -> dict[str, Any] | None:
        """What the last checkpoint reports, for a read that goes on from there."""
        return self._landed.report

    @property
    def part_is_full(self) -> bool:
        """Whether the open part should end; it does so by itself at a batch that has a cursor."""
        return self._part is not None and self._is_full(self._part)

    def write(self, batch: Batch) -> Records:
        """Land the records of a batch that were not landed before, and return them.

        :raises LandingClosedError: it was committed or discarded.
        """
        self._check_open()
        try:
            if self._journal:
                self._journal.keep(batch, self.offset)
            kept = self._take(batch)
            # Only here does an offset belong to the end of a part.
            if batch.cursor is not None and self.part_is_full:
                self._checkpoint()
            return kept
        except BaseException:
            self.discard()
            raise

    def checkpoint(self, report: dict[str, Any]) -> None:
        """End the open part: what came so far survives a crash.

        :param report: comes back as :attr:`report` when the landing is gone on with.
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
        """End the last part, write the manifest, and remove what dead tries left behind.

        :param exported: how many results the service says there are.
        :param truncated: the export ended at its limit.
        :param estimated_total: how many results match, by the service's estimate.
        :param status: the export's last state; joins the manifest's ``source``.
        :param complete: ``False`` if results are missing: a later landing goes on from here.
        :param incomplete_because: why they are, in a sentence.
        :param report: what else there is to say of how they came.
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
        resume.tidy(self._directory, self._landed)
        return self._landed

    def discard(self) -> None:
        """Drop the open part and end this landing; the last checkpoint stays for the next one."""
        part, self._part, self._ended = self._part, None, True
        if part is None:
            return
        try:
            part.discard()
        except Exception:
            # Whatever made the caller discard is the error to see.
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
            msg = f"The landing in {self._directory} has ended: open it again to go on from its last checkpoint."
            raise LandingClosedError(msg)

    def _recover(self) -> None:
        """Take the batches that came after the last checkpoint."""
        if self._journal is None:
            return
        if not self._landed.parts:
            self._save(CHECKPOINT, complete=False)  # which tells whose batches these are
        try:
            for batch in self._journal.kept(len(self._landed.parts), lambda: self.offset):
                self._take(batch)
        except BaseException:
            self.discard()
            raise

    def _take(self, batch: Batch) -> Records:
        new = self._seen.add(batch.records)
        duplicates = len(batch.records) - len(new)
        kept = self._elsewhere.without(new) if self._elsewhere else new
        excluded = len(new) - len(kept)
        if self._max_results is not None:
            kept = kept[: self._max_results - self.results]
        if kept:
            self._part = self._part or self._next_part()
            self._part.write(kept)
        self._landed = replace(
            self._landed,
            duplicates_dropped=self._landed.duplicates_dropped + duplicates,
            foreign_dropped=self._landed.foreign_dropped + batch.foreign,
            excluded=self._landed.excluded + excluded,
            final_cursor=self.offset if batch.cursor is None else batch.cursor,
        )
        return kept

    def _checkpoint(self) -> None:
        self._end_part()
        self._save(CHECKPOINT, complete=False)
        if self._journal:
            self._journal.forget(len(self._landed.parts))

    def _is_full(self, part: PartWriter) -> bool:
        if self._max_part_results is not None and part.results >= self._max_part_results:
            return True
        return part.expected_bytes >= self._max_part_bytes

    def _next_part(self) -> PartWriter:
        name = f"part-{len(self._landed.parts):05}.{self._format.name}"
        return PartWriter(self._directory, name, self._format.encoder(self._written), self.offset)

    def _end_part(self) -> None:
        if self._part is None:
            return
        part = self._part.commit(self.offset)
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

    def _cannot_go_on(self, file_format: str, elsewhere: AlreadyLanded | None) -> str | None:
        """Rebuild the digests from the parts, and say what keeps this landing from going on."""
        if self._landed.file_format != file_format:
            return f"it began as {self._landed.file_format} and should now be {file_format}"
        if elsewhere and self._landed.excluded:
            return (
                "it leaves out what other landings hold, and of what came of that no try but the first knows"
            )
        problems = (
            part_verification.problem(self._directory, part, self._format, self._seen.add)
            for part in self._landed.parts
            if self._may_come_again(part)
        )
        return next(filter(None, problems), None)

    def _may_come_again(self, part: Part) -> bool:
        if self._remembered_seconds is None or part.written_at is None:
            return True
        age = datetime.now(UTC) - datetime.fromisoformat(part.written_at)
        return age.total_seconds() <= self._remembered_seconds
