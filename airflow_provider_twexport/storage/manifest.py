"""The manifest: what was landed, from where, and how to verify it.

``_manifest.json`` is written last and is the commit: a reader that uses only the parts it lists sees each result
once. ``_checkpoint.json`` has the same schema and says how far an unfinished landing got.

Schema, version 1 (readers ignore unknown keys; an unknown version is an error)::

    schema_version      1
    complete            true: everything that was exported is here; false: a later landing may resume
    incomplete_because  why it is not complete, in a sentence; null: it is, or nobody knows
    source              where it comes from: system (the service), owner (the id of what these results belong to, and no
                        others in the directory), export_id (which order of them; null: unknown), scope, window, query,
                        topics, limit, status, ordered_at (when the service created the order: ISO 8601, UTC; it holds
                        nothing that was published later), and what else the service's landing module writes; of a
                        remainder also remainder_of (the owners of the truncated landings that hold some of its results)
                        and remainder_windows (in how many windows the remainder of the last of them was planned)
    file_format         "jsonl", "jsonl.gz", "jsonl.zst", "parquet"; "files": each part is a file of the service,
                        byte for byte, and counts as one result
    results             how many results the parts hold
    exported            how many results the service exported; null: it did not say
    truncated           true: the export reached its limit, more results match
    estimated_total     how many results match, by the service's estimate; of counts, their sum; null: unknown
    bytes               size of all parts, as written
    duplicates_dropped  how many records were delivered again and dropped: replays, and where repeats is null, all whose
                        bytes, or ids, are equal
    repeats             what became of results that are equal although each was exported: "keep", "drop"; null: the
                        service does not tell these from results that are delivered again
    repeats_dropped     how many results were exported and dropped because an equal one is here
    foreign_dropped     how many results of other exports were dropped
    excluded            how many results were excluded because the landings of source.remainder_of hold them;
                        results + excluded + repeats_dropped = exported in a complete landing, or, where more came,
                        results + excluded = exported
    unconfirmed         how many of the last results came after final_cursor, so the next read brings them again
    unreadable          what came as results and is no document: count, file (beside the parts: each as it came and
                        a line feed), bytes (of the file); null: nothing
    parts               in order: name, results, bytes, sha256 (of the file as written), first_cursor (the cursor
                        before its first record; null: the start), last_cursor (the cursor after its last record),
                        coercion_failures (Parquet: how many results have a value that does not fit its column, by
                        column; the value is null there, and unchanged in the column raw), written_at (when it was
                        completed: ISO 8601, UTC), rows (of a file of the service, by its Parquet footer; null: unknown)
    report              of a stream: how each partition was read, what was missed (gaps), and how many messages of each
                        minute were received and stored; null: not a stream
    final_cursor        the cursor from which a read resumes; null: the start
    created_at          when this file was written: ISO 8601, UTC
    provider_version    which version wrote it
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_twexport import __version__
from airflow_provider_twexport.core.arguments import check_moment, parse_moment
from airflow_provider_twexport.core.window import check_window
from airflow_provider_twexport.exceptions import (
    CorruptManifestError,
    InvalidRequestError,
    ManifestNotFoundError,
    UnsupportedManifestVersionError,
)
from airflow_provider_twexport.storage.directory import Directory, as_storage_path
from airflow_provider_twexport.storage.part import Part, now
from airflow_provider_twexport.storage.unreadable import Unreadable  # noqa: TC001 - msgspec reads it

if TYPE_CHECKING:
    import builtins
    import os
    from collections.abc import Mapping, Sequence

    import pendulum

    from airflow_provider_twexport.storage.directory import StoragePath

Repeats = Literal["keep", "drop"]

MANIFEST = "_manifest.json"
CHECKPOINT = "_checkpoint.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What was landed; the module's docstring says what each field means."""

    schema_version: int = SCHEMA_VERSION
    complete: bool
    incomplete_because: str | None = None
    source: dict[str, Any]
    file_format: str
    results: int
    exported: int | None
    truncated: bool
    estimated_total: int | None
    bytes: int
    duplicates_dropped: int
    foreign_dropped: int
    repeats: Repeats | None = None
    repeats_dropped: int = 0
    excluded: int = 0
    unconfirmed: int = 0
    unreadable: Unreadable | None = None
    parts: tuple[Part, ...]
    final_cursor: str | None
    report: dict[str, Any] | None = None
    created_at: str
    provider_version: str

    @property
    def extent(self) -> str:
        """Return how much has landed, in words."""
        extent = "complete" if self.complete else "incomplete"
        return f"{self.results:,} results, {extent}." + (
            f" {self.incomplete_because}" if self.incomplete_because else ""
        )

    @property
    def rows(self) -> int | None:
        """Return how many rows files of the service hold; ``None`` where results are counted, or one is unknown."""
        found = [part.rows for part in self.parts]
        return None if not found or None in found else sum(rows for rows in found if rows is not None)

    @property
    def records(self) -> int:
        """Return how many records have landed: the rows of files of the service, if these are known, else results."""
        return self.results if self.rows is None else self.rows

    @property
    def ordered_at(self) -> pendulum.DateTime:
        """Return when the results were ordered, or else, which is later, when they landed."""
        return parse_moment(self.source.get("ordered_at") or self.created_at)

    @property
    def missing(self) -> int | None:
        """Return about how many matching results a truncated export lacks; ``None`` if that is unknown."""
        if self.exported is None or self.estimated_total is None:
            return None if self.truncated else 0
        return max(0, self.estimated_total - self.exported)

    @classmethod
    def from_json(cls, text: str | builtins.bytes, name: str = MANIFEST) -> Manifest:
        """Return the manifest that a JSON document holds.

        :param text: the document.
        :param name: its name in errors.
        :raises UnsupportedManifestVersionError: its schema is newer than this package.
        :raises CorruptManifestError: it is malformed, or a key is missing.
        """
        import msgspec

        try:
            version = msgspec.json.decode(text, type=_Versioned).schema_version
            if version <= SCHEMA_VERSION:
                found = msgspec.json.decode(text, type=cls)
                msgspec.convert(found.source, _Source).check(found.created_at)
                return found
        except (msgspec.MsgspecError, InvalidRequestError) as error:
            msg = f"{name} cannot be read: {error}. Restore it, or remove it and land again."
            raise CorruptManifestError(msg) from error
        msg = (
            f"{name} has schema version {version}, this package knows {SCHEMA_VERSION}: "
            "upgrade airflow-provider-twexport to read it."
        )
        raise UnsupportedManifestVersionError(msg)

    def summary(self, directory: object) -> dict[str, Any]:
        """Return its address and counts, small enough for an XCom.

        :param directory: of the landing; its text is its address.
        """
        return {
            "manifest": address(directory),
            "results": self.results,
            "bytes": self.bytes,
            "parts": len(self.parts),
        }

    def facts(self, directory: object) -> dict[str, Any]:
        """Return its system, window, counts and whether anything is missing, for downstream tasks and assets.

        :param directory: of the landing; its text is its address.
        """
        window = self.source.get("window") or self.report or self.source
        return {
            "system": self.source.get("system"),
            "window": {"start": window.get("start"), "stop": window.get("stop")},
            **self.summary(directory),
            "excluded": self.excluded,
            "truncated": self.truncated,
            "missing": self.missing,
            "complete": self.complete,
        }

    def to_json(self) -> str:
        """Return the manifest as an indented JSON document."""
        import msgspec

        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode() + "\n"


@dataclass(frozen=True, slots=True)
class _Versioned:
    schema_version: int


@dataclass(frozen=True, slots=True)
class _Source:
    """What of a source is read by more than its own service; whoever reads it may rely on these types."""

    owner: str | None = None
    export_id: str | None = None
    scope: str | None = None
    window: dict[str, str] | None = None
    query: str | None = None
    topics: tuple[str, ...] | None = None
    limit: int | None = None
    status: str | None = None
    ordered_at: str | None = None
    remainder_of: tuple[str, ...] | None = None
    remainder_windows: int | None = None

    def check(self, created_at: str) -> None:
        """Check that all moments can be read.

        :raises InvalidRequestError: if one cannot.
        """
        if self.window is not None:
            check_window(self.window)
        for moment in (created_at, self.ordered_at):
            if moment is not None:
                check_moment(moment)


def empty_manifest(source: Mapping[str, Any], file_format: str, repeats: Repeats | None = None) -> Manifest:
    """Return the manifest of a landing that has just started."""
    return Manifest(
        repeats=repeats,
        complete=False,
        source=dict(source),
        file_format=file_format,
        results=0,
        exported=None,
        truncated=False,
        estimated_total=None,
        bytes=0,
        duplicates_dropped=0,
        foreign_dropped=0,
        parts=(),
        final_cursor=None,
        created_at=now(),
        provider_version=__version__,
    )


def address(directory: object) -> str:
    """Return the address of a landing's manifest.

    :param directory: of the landing, which may be the root of a bucket; its text is its address.
    """
    return f"{str(directory).rstrip('/')}/{MANIFEST}"


def read(path: StoragePath | str | os.PathLike[str]) -> Manifest:
    """Return the manifest of a landing.

    :param path: the directory, or the ``_manifest.json`` in it.
    :raises ManifestNotFoundError: the directory holds none.
    :raises UnsupportedManifestVersionError: a later version of this package wrote it.
    :raises CorruptManifestError: it is malformed.
    """
    directory = _directory_of(path)
    found = load(directory, MANIFEST)
    if found is None:
        raise ManifestNotFoundError(
            f"{directory} holds no {MANIFEST}: nothing has landed there yet. Check the path, or land first."
        )
    return found


def read_checked(path: StoragePath | str | os.PathLike[str]) -> Manifest:
    """Return the manifest of a landing; it is not complete if parts are missing or have another size.

    The parts are listed, not read.

    :param path: the directory, or the ``_manifest.json`` in it.
    :raises ManifestNotFoundError: the directory holds none.
    """
    from airflow_provider_twexport.storage import part_verification

    landed = read(path)
    lost = part_verification.lost(landed.parts, _directory_of(path).sizes()) if landed.complete else None
    return replace(landed, complete=False, incomplete_because=f"{lost}.") if lost else landed


def verify(path: StoragePath | str | os.PathLike[str]) -> Sequence[str]:
    """Read all parts of a landing back and return what is wrong with them, one sentence each.

    :param path: the directory, or the ``_manifest.json`` in it.
    :returns: nothing if each part has the size, the sha256 and the number of results that the manifest lists.
    :raises ManifestNotFoundError: the directory holds no manifest.
    """
    from airflow_provider_twexport.storage import formats, part_verification

    directory, landed = _directory_of(path), read(path)
    file_format = formats.of_landing(landed.file_format)
    found = (part_verification.problem(directory, part, file_format) for part in landed.parts)
    return [problem for problem in found if problem]


def load(directory: Directory, name: str) -> Manifest | None:
    """Return the manifest or checkpoint of a directory; ``None`` if it has none."""
    text = directory.read(name)
    return None if text is None else Manifest.from_json(text, f"{directory}/{name}")


def _directory_of(path: StoragePath | str | os.PathLike[str]) -> Directory:
    place: Any = as_storage_path(path)
    return Directory(place.parent if place.name == MANIFEST else place)
