"""The ledger: what was ordered, by which run, what it cost, and where it landed.

It is a directory beside the landings with one small file for each entry. A file is named by its content, so a task that
records the same again changes nothing, and writers never collide. The ledger is for people, and a witness:
the service is asked about what it knows before an export is bought again.

Schema, version 1 (readers ignore unknown keys, and report unknown versions)::

    schema_version  1
    kind            ordered, ended, landed, aborted, deleted
    export_id       the export
    by              the task that recorded it: dag_id, run_id, task_id, map_index (-1: not mapped)
    at              when it was first recorded: ISO 8601, UTC
    details         ordered: what was ordered, such as window, query and limit; adopted (true: it existed already, and
                    this run paid nothing)
                    ended: status, exported, credits (null: the service did not say)
                    landed: manifest (its address), results, truncated, complete
                    aborted, deleted: what was ended
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_twexport.core.arguments import check_moment
from airflow_provider_twexport.core.window import check_window
from airflow_provider_twexport.exceptions import (
    CorruptManifestError,
    InvalidRequestError,
    TwexportError,
    UnsupportedManifestVersionError,
)
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.discovery import READERS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from airflow_provider_twexport.storage.directory import StoragePath

SCHEMA_VERSION = 1
_BROKE_OFF = ("aborted", "failed", "deleted")


class EntryKind(StrEnum):
    """What happened; the module's docstring lists the details of each kind."""

    ORDERED = "ordered"
    ENDED = "ended"
    LANDED = "landed"
    ABORTED = "aborted"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class TaskRef:
    """A task of a DAG run."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    def __str__(self) -> str:
        return f"{self.dag_id} {self.run_id}" + (f" [{self.map_index}]" if self.map_index >= 0 else "")

    @property
    def run(self) -> tuple[str, str]:
        """Return what identifies its DAG run."""
        return self.dag_id, self.run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One thing that happened to an export; the module's docstring says what each field means."""

    kind: EntryKind
    export_id: str
    by: TaskRef
    at: str
    details: dict[str, Any]
    schema_version: int = SCHEMA_VERSION

    @property
    def name(self) -> str:
        """Return the name of its file: equal entries have equal names."""
        by = (self.by.dag_id, self.by.run_id, self.by.task_id, self.by.map_index)
        text = json.dumps([self.kind, self.export_id, by, self.details], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return f"{quote(self.export_id, safe='')}.{self.kind}.{digest}.json"

    @classmethod
    def from_json(cls, text: bytes, name: str) -> LedgerEntry:
        """Return the entry that a JSON document holds.

        :param text: the document.
        :param name: its name in errors.
        :raises UnsupportedManifestVersionError: its schema is newer than this package.
        :raises CorruptManifestError: it is malformed, perhaps half written.
        """
        import msgspec

        try:
            version = msgspec.json.decode(text, type=_Versioned).schema_version
            if version <= SCHEMA_VERSION:
                found = msgspec.json.decode(text, type=cls)
                check_moment(found.at)
                if window := msgspec.convert(found.details, _Details).window:
                    check_window(window)
                return found
        except (msgspec.MsgspecError, InvalidRequestError) as error:
            raise CorruptManifestError(
                f"{name} cannot be read: {error}. Remove it if it is half written."
            ) from error
        raise UnsupportedManifestVersionError(
            f"{name} has schema version {version}, this package knows {SCHEMA_VERSION}: "
            "upgrade airflow-provider-twexport to read it."
        )

    def to_json(self) -> bytes:
        """Return the entry as a JSON document."""
        import msgspec

        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


@dataclass(frozen=True, slots=True)
class _Versioned:
    schema_version: int


@dataclass(frozen=True, slots=True)
class _Details:
    """What of an entry's details is read; whoever reads it may rely on these types."""

    window: dict[str, str] | None = None
    query: str | None = None
    topics: tuple[str, ...] | None = None
    limit: int | None = None
    credits: int | None = None
    manifest: str | None = None


class LedgerState(StrEnum):
    """What became of an export, as far as the ledger knows."""

    ORDERED = "ordered"
    BROKEN_OFF = "broken off"
    ENDED = "ended"
    PARTIAL = "partial"
    TRUNCATED = "truncated"
    LANDED = "landed"

    @property
    def meaning(self) -> str:
        """Return an explanation."""
        return _MEANINGS[self]


_MEANINGS = {
    LedgerState.ORDERED: "no end is recorded",
    LedgerState.BROKEN_OFF: "aborted or failed, and nothing of it landed",
    LedgerState.ENDED: "exported, and no landing is recorded",
    LedgerState.PARTIAL: "some of what was exported landed",
    LedgerState.TRUNCATED: "landed, but more results matched than its limit",
    LedgerState.LANDED: "landed",
}


@dataclass(frozen=True, slots=True)
class ExportHistory:
    """All entries of one export.

    :param export_id: the export.
    :param entries: oldest first.
    """

    export_id: str
    entries: tuple[LedgerEntry, ...]

    @property
    def order(self) -> dict[str, Any]:
        """Return what was ordered, such as its window, query and limit."""
        details = next((entry.details for entry in self._of(EntryKind.ORDERED)), {})
        return {key: value for key, value in details.items() if key != "adopted"}

    @property
    def bought(self) -> LedgerEntry | None:
        """Return the entry of the task that paid; ``None`` if only adoptions are recorded."""
        return next((it for it in self._of(EntryKind.ORDERED) if not it.details.get("adopted")), None)

    @property
    def adopted_by(self) -> tuple[TaskRef, ...]:
        """Return the tasks that adopted it, without retries of the run that paid."""
        bought = self.bought
        adopters = dict.fromkeys(it.by for it in self._of(EntryKind.ORDERED) if it.details.get("adopted"))
        return tuple(task for task in adopters if bought is None or task.run != bought.by.run)

    @property
    def status(self) -> str | None:
        """Return how it ended; ``None`` if that is not recorded."""
        if ended := self._of(EntryKind.ENDED):
            return str(ended[-1].details.get("status"))
        return "aborted" if self._of(EntryKind.ABORTED) else None

    @property
    def credits(self) -> int | None:
        """Return what it cost; ``None`` if that is not recorded."""
        recorded = [entry.details.get("credits") for entry in self._of(EntryKind.ENDED)]
        return next((credits for credits in reversed(recorded) if credits is not None), None)

    @property
    def landings(self) -> dict[str, dict[str, Any]]:
        """Return the latest details of each of its landings, by the address of the manifest."""
        return {str(entry.details.get("manifest")): entry.details for entry in self._of(EntryKind.LANDED)}

    @property
    def state(self) -> LedgerState:
        """Return what became of it."""
        landings = self.landings.values()
        complete = [it for it in landings if it.get("complete")]
        rules = (
            (LedgerState.TRUNCATED, any(it.get("truncated") for it in complete)),
            (LedgerState.LANDED, bool(complete)),
            (LedgerState.PARTIAL, bool(landings)),
            (LedgerState.BROKEN_OFF, self.status in _BROKE_OFF),
            (LedgerState.ENDED, self.status is not None),
            (LedgerState.ORDERED, True),
        )
        return next(state for state, holds in rules if holds)

    def to_json(self) -> dict[str, Any]:
        """Return what :func:`json.dumps` takes."""
        bought = self.bought
        return {
            "export_id": self.export_id,
            **self.order,
            "ordered_at": bought and bought.at,
            "bought_by": bought and _to_json(bought.by),
            "adopted_by": [_to_json(task) for task in self.adopted_by],
            "state": str(self.state),
            "status": self.status,
            "credits": self.credits,
            "landings": list(self.landings.values()),
            "deleted_at": next((entry.at for entry in self._of(EntryKind.DELETED)), None),
        }

    def _of(self, kind: EntryKind) -> list[LedgerEntry]:
        return [entry for entry in self.entries if entry.kind is kind]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The exports that a ledger knows.

    :param exports: in the order of their windows.
    :param problems: a sentence for each entry that cannot be read.
    """

    exports: tuple[ExportHistory, ...]
    problems: tuple[str, ...] = ()

    @property
    def credits(self) -> int:
        """Return the sum of all known costs."""
        return sum(export.credits or 0 for export in self.exports)


def record(path: StoragePath | str | os.PathLike[str], entry: LedgerEntry) -> None:
    """Write an entry, unless the ledger has it already.

    :param path: the directory of the ledger.
    :param entry: the entry.
    """
    directory = Directory(path)
    if directory.read(entry.name) is None:
        directory.write(entry.name, entry.to_json())


def read(path: StoragePath | str | os.PathLike[str]) -> Ledger:
    """Return what a ledger knows; a directory that does not exist is an empty ledger.

    :param path: the directory of the ledger.
    """
    return LedgerReader(path).read()


class LedgerReader:
    """Reads a ledger as often as somebody looks, and each entry once: entries never change.

    :param path: the directory of the ledger.
    """

    def __init__(self, path: StoragePath | str | os.PathLike[str]) -> None:
        self._directory = Directory(path)
        self._entries: dict[str, LedgerEntry] = {}
        self._by_export: defaultdict[str, dict[str, LedgerEntry]] = defaultdict(dict)
        self._histories: dict[str, ExportHistory] = {}
        self._ledger = Ledger(())

    def read(self) -> Ledger:
        """Return what the ledger knows now."""
        names = {name for name in self._directory.names() if name.endswith(".json")}
        gone = self._entries.keys() - names
        found = _read_all(self._directory, sorted(names - self._entries.keys()))
        problems = tuple(it for it in found.values() if isinstance(it, str))
        new = {name: it for name, it in found.items() if isinstance(it, LedgerEntry)}
        changed = {self._entries[name].export_id for name in gone} | {it.export_id for it in new.values()}
        for name in gone:
            del self._by_export[self._entries[name].export_id][name], self._entries[name]
        for name, entry in new.items():
            self._entries[name] = self._by_export[entry.export_id][name] = entry
        if changed:
            for export_id in changed:
                self._histories.pop(export_id, None)
            entries = (entry for export_id in changed for entry in self._by_export[export_id].values())
            self._histories |= {it.export_id: it for it in _histories(entries)}
        if changed or problems != self._ledger.problems:
            self._ledger = Ledger(tuple(sorted(self._histories.values(), key=_place)), problems)
        return self._ledger


def exports_ordered_with(
    path: StoragePath | str | os.PathLike[str], **details: str
) -> tuple[ExportHistory, ...]:
    """Return the exports of a ledger whose order has these details, in the order in which they were recorded.

    Of other exports, only the entries of kind ``ordered`` are read.

    :param path: the directory of the ledger.
    :param details: what the order must say.
    """
    directory = Directory(path)
    names = [name for name in directory.names() if name.endswith(".json")]
    ordered = _entries_of(directory, [name for name in names if f".{EntryKind.ORDERED}." in name])
    ids = {it.export_id for it in ordered if details.items() <= it.details.items()}
    prefixes = tuple(f"{quote(export_id, safe='')}." for export_id in ids)
    entries = _entries_of(directory, [name for name in names if name.startswith(prefixes)]) if ids else []
    return tuple(sorted(_histories(entries), key=lambda it: it.entries[0].at))


def _entries_of(directory: Directory, names: list[str]) -> list[LedgerEntry]:
    return [it for it in _read_all(directory, names).values() if isinstance(it, LedgerEntry)]


def _read_all(directory: Directory, names: list[str]) -> dict[str, LedgerEntry | str]:
    """Return the entries by name; a sentence for each that cannot be read."""
    if not names:
        return {}
    with ThreadPoolExecutor(READERS) as readers:
        return dict(zip(names, readers.map(lambda name: _read(directory, name), names), strict=True))


def _read(directory: Directory, name: str) -> LedgerEntry | str:
    address = f"{directory}/{name}"
    try:
        return LedgerEntry.from_json(directory.read(name) or b"", address)
    except TwexportError as error:
        return str(error)
    except OSError as error:
        return f"{address} cannot be read: {error}"


def _histories(entries: Iterable[LedgerEntry]) -> Iterator[ExportHistory]:
    by_export: defaultdict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: (entry.at, entry.name)):
        by_export[entry.export_id].append(entry)
    return (ExportHistory(export_id, tuple(found)) for export_id, found in by_export.items())


def _place(history: ExportHistory) -> tuple[str, str]:
    return (history.order.get("window") or {}).get("start", ""), history.export_id


def _to_json(task: TaskRef) -> dict[str, Any]:
    return {
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        "task_id": task.task_id,
        "map_index": task.map_index,
    }
