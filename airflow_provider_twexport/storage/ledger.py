"""The ledger: what was ordered, by which run, what it cost, and where it landed.

It is a directory beside the landings with one small file for each fact. A file is named by what it says, so a task that
says it again changes nothing, and any number of writers never meet. It is there to be read: whether something is bought
is decided by the service's own list of exports alone.

Schema, version 1 (readers ignore keys they do not know, and report versions that they do not)::

    schema_version  1
    kind            ordered, ended, landed, aborted, deleted
    export_id       the export that it is about
    by              the task that says so: dag_id, run_id, task_id, map_index (-1: not mapped)
    at              when it was said first: ISO 8601, UTC
    details         ordered: collector_id, window, project_id, stream_id, query, topics, limit, adopted (true: it was
                    there already, and this run paid nothing)
                    ended: status, exported, credits (null: the service did not say)
                    landed: manifest (its address), results, truncated, complete
                    aborted, deleted (with all that its collector held): collector_id
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

from airflow_provider_twexport.exceptions import (
    CorruptManifestError,
    TwexportError,
    UnsupportedManifestVersionError,
)
from airflow_provider_twexport.storage.directory import Directory
from airflow_provider_twexport.storage.discovery import READERS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from airflow_provider_twexport.storage.directory import StoragePath

SCHEMA_VERSION = 1
_BROKE_OFF = ("aborted", "failed", "deleted")


class EntryKind(StrEnum):
    """What a fact tells; the module's docstring says with which details."""

    ORDERED = "ordered"
    ENDED = "ended"
    LANDED = "landed"
    ABORTED = "aborted"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class TaskRef:
    """The task of a DAG run that tells a fact."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    def __str__(self) -> str:
        return f"{self.dag_id} {self.run_id}" + (f" [{self.map_index}]" if self.map_index >= 0 else "")

    @property
    def run(self) -> tuple[str, str]:
        """Return what its DAG run is known by."""
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
        """Return the name of its file: the same for whoever says the same again."""
        by = (self.by.dag_id, self.by.run_id, self.by.task_id, self.by.map_index)
        text = json.dumps([self.kind, self.export_id, by, self.details], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return f"{quote(self.export_id, safe='')}.{self.kind}.{digest}.json"

    @classmethod
    def from_json(cls, text: bytes, name: str) -> LedgerEntry:
        """Return the fact that a JSON document holds.

        :param text: the document.
        :param name: what errors call it.
        :raises UnsupportedManifestVersionError: its schema is newer than this package.
        :raises CorruptManifestError: it is malformed, perhaps half written.
        """
        import msgspec

        try:
            version = msgspec.json.decode(text, type=_Versioned).schema_version
            if version <= SCHEMA_VERSION:
                return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise CorruptManifestError(
                f"{name} cannot be read: {error}. Remove it if it is half written."
            ) from error
        raise UnsupportedManifestVersionError(
            f"{name} has schema version {version}, this package knows {SCHEMA_VERSION}: "
            "upgrade airflow-provider-twexport to read it."
        )

    def to_json(self) -> bytes:
        """Return the fact as a JSON document."""
        import msgspec

        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


@dataclass(frozen=True, slots=True)
class _Versioned:
    schema_version: int


class EntryState(StrEnum):
    """What has become of an export, as far as the ledger was told."""

    ORDERED = "ordered"
    BROKEN_OFF = "broken off"
    ENDED = "ended"
    PARTIAL = "partial"
    TRUNCATED = "truncated"
    LANDED = "landed"

    @property
    def meaning(self) -> str:
        """Say it in a sentence."""
        return _MEANINGS[self]


_MEANINGS = {
    EntryState.ORDERED: "nobody has told of its end",
    EntryState.BROKEN_OFF: "aborted or failed, and nothing of it has landed",
    EntryState.ENDED: "exported, and not told to have landed",
    EntryState.PARTIAL: "some of what was exported has landed",
    EntryState.TRUNCATED: "landed, but more matched than its limit let through",
    EntryState.LANDED: "landed",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """All that the ledger tells of one export.

    :param export_id: the export.
    :param facts: what was told of it, oldest first.
    """

    export_id: str
    facts: tuple[LedgerEntry, ...]

    @property
    def order(self) -> dict[str, Any]:
        """Return what was ordered: collector_id, window, project_id, stream_id, query, topics, limit."""
        told = next((fact.details for fact in self._of(EntryKind.ORDERED)), {})
        return {key: value for key, value in told.items() if key != "adopted"}

    @property
    def bought(self) -> LedgerEntry | None:
        """Return who paid and when; ``None`` if the ledger was not told, only of runs that adopted it."""
        return next((fact for fact in self._of(EntryKind.ORDERED) if not fact.details.get("adopted")), None)

    @property
    def adopted_by(self) -> tuple[TaskRef, ...]:
        """Return the runs that use it and did not pay; a retry of the one that paid is none of them."""
        bought = self.bought
        tellers = dict.fromkeys(
            fact.by for fact in self._of(EntryKind.ORDERED) if fact.details.get("adopted")
        )
        return tuple(it for it in tellers if bought is None or it.run != bought.by.run)

    @property
    def status(self) -> str | None:
        """Return how it ended; ``None`` if nobody has told."""
        if ended := self._of(EntryKind.ENDED):
            return str(ended[-1].details.get("status"))
        return "aborted" if self._of(EntryKind.ABORTED) else None

    @property
    def credits(self) -> int | None:
        """Return what it cost; ``None`` if nobody has told."""
        told = [fact.details.get("credits") for fact in self._of(EntryKind.ENDED)]
        return next((credits for credits in reversed(told) if credits is not None), None)

    @property
    def landings(self) -> dict[str, dict[str, Any]]:
        """Return what was told last of each place that it landed in, by the address of the manifest."""
        return {str(fact.details.get("manifest")): fact.details for fact in self._of(EntryKind.LANDED)}

    @property
    def state(self) -> EntryState:
        """Return what has become of it."""
        landings = self.landings.values()
        whole = [it for it in landings if it.get("complete")]
        rules = (
            (EntryState.TRUNCATED, any(it.get("truncated") for it in whole)),
            (EntryState.LANDED, bool(whole)),
            (EntryState.PARTIAL, bool(landings)),
            (EntryState.BROKEN_OFF, self.status in _BROKE_OFF),
            (EntryState.ENDED, self.status is not None),
            (EntryState.ORDERED, True),
        )
        return next(state for state, holds in rules if holds)

    def to_json(self) -> dict[str, Any]:
        """Return what :func:`json.dumps` takes."""
        bought = self.bought
        return {
            "export_id": self.export_id,
            **self.order,
            "ordered_at": bought and bought.at,
            "bought_by": bought and _named(bought.by),
            "adopted_by": [_named(teller) for teller in self.adopted_by],
            "state": str(self.state),
            "status": self.status,
            "credits": self.credits,
            "landings": list(self.landings.values()),
            "deleted_at": next((fact.at for fact in self._of(EntryKind.DELETED)), None),
        }

    def _of(self, kind: EntryKind) -> list[LedgerEntry]:
        return [fact for fact in self.facts if fact.kind is kind]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was found.

    :param entries: in the order of their windows.
    :param problems: a sentence for each fact that cannot be read.
    """

    entries: tuple[Entry, ...]
    problems: tuple[str, ...] = ()

    @property
    def credits(self) -> int:
        """Add up what is known to have been paid."""
        return sum(entry.credits or 0 for entry in self.entries)


def enter(path: StoragePath | str | os.PathLike[str], fact: LedgerEntry) -> None:
    """Write a fact, unless it is there already.

    :param path: the directory of the ledger.
    :param fact: what to tell.
    """
    directory = Directory(path)
    if directory.read(fact.name) is None:
        directory.write(fact.name, fact.to_json())


def read(path: StoragePath | str | os.PathLike[str], known: dict[str, LedgerEntry] | None = None) -> Ledger:
    """Return what a ledger tells; a directory that is not there tells nothing.

    :param path: the directory of the ledger.
    :param known: facts that an earlier look has read, by address; a fact never changes, so only new ones are read.
    """
    directory, known = Directory(path), {} if known is None else known
    names = [name for name in directory.names() if name.endswith(".json")]
    with ThreadPoolExecutor(READERS) as readers:
        found = list(readers.map(lambda name: _read(directory, name, known), names))
    problems = tuple(it for it in found if isinstance(it, str))
    return Ledger(_entries(it for it in found if isinstance(it, LedgerEntry)), problems)


def _read(directory: Directory, name: str, known: dict[str, LedgerEntry]) -> LedgerEntry | str:
    address = f"{directory}/{name}"
    if address in known:
        return known[address]
    try:
        fact = known[address] = LedgerEntry.from_json(directory.read(name) or b"", address)
    except TwexportError as error:
        return str(error)
    except OSError as error:
        return f"{address} cannot be read: {error}"
    return fact


def _entries(facts: Iterable[LedgerEntry]) -> tuple[Entry, ...]:
    by_export: defaultdict[str, list[LedgerEntry]] = defaultdict(list)
    for fact in sorted(facts, key=lambda fact: (fact.at, fact.name)):
        by_export[fact.export_id].append(fact)
    entries = (Entry(export_id, tuple(told)) for export_id, told in by_export.items())
    return tuple(
        sorted(entries, key=lambda it: ((it.order.get("window") or {}).get("start", ""), it.export_id))
    )


def _named(teller: TaskRef) -> dict[str, Any]:
    return {
        "dag_id": teller.dag_id,
        "run_id": teller.run_id,
        "task_id": teller.task_id,
        "map_index": teller.map_index,
    }
