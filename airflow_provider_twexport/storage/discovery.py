"""Finding all landings below some directories, on any fsspec filesystem."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.exceptions import CorruptManifestError, TwexportError
from airflow_provider_twexport.storage.directory import as_storage_path
from airflow_provider_twexport.storage.manifest import MANIFEST, Manifest

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from airflow_provider_twexport.storage.directory import StoragePath

# a store answers one question in tens of milliseconds, and ten thousand manifests are ten thousand questions
READERS = 16
LEDGER = "_ledger"

# what was read, by address, with what the store then told of the file
Known = dict[str, tuple[str, Manifest]]


@dataclass(frozen=True, slots=True)
class Landings:
    """What was found.

    :param manifests: by address of the manifest, sorted by it.
    :param problems: a sentence for each manifest that cannot be read.
    :param ledgers: the directories named ``_ledger``, where the example DAGs keep theirs.
    """

    manifests: dict[str, Manifest]
    problems: tuple[str, ...] = ()
    ledgers: tuple[StoragePath, ...] = ()

    def all_read(self) -> Landings:
        """Return the same, where whoever decides on money has to know of every landing.

        :raises CorruptManifestError: there are manifests that cannot be read.
        """
        if self.problems:
            raise CorruptManifestError(" ".join(self.problems))
        return self

    def by_collector(self) -> dict[str, Manifest]:
        """Return the furthest landing of each collector: a complete one, else the one with most results."""
        return {name: self.manifests[address] for name, address in self._furthest().items()}

    def directories(self) -> dict[str, str]:
        """Return the address of the directory of each collector's furthest landing."""
        return {name: address.rpartition("/")[0] for name, address in self._furthest().items()}

    def _furthest(self) -> dict[str, str]:
        ordered = sorted(self.manifests.items(), key=lambda found: (found[1].complete, found[1].results))
        return {str(found.source.get("collector_id")): address for address, found in ordered}


def find_landings(
    paths: Iterable[StoragePath | str | os.PathLike[str]], known: Known | None = None
) -> Landings:
    """Read every ``_manifest.json`` below the directories; a directory that is not there holds none.

    :param paths: directories, as path objects or as anything that ``upath.UPath`` understands.
    :param known: what an earlier look at them has read; only what is new since, or has changed, is read again.
    """
    known = {} if known is None else known
    manifests: dict[str, Manifest] = {}
    problems: list[str] = []
    ledgers: list[StoragePath] = []
    with ThreadPoolExecutor(READERS) as readers:
        for place in map(as_storage_path, paths):
            files = _files_below(place)
            ledgers += _ledgers_among(place.fs, files)
            marks = {path: str(facts) for path, facts in files.items() if path.rpartition("/")[2] == MANIFEST}
            for name, found in readers.map(partial(_read, place.fs, known), marks, marks.values()):
                if isinstance(found, Manifest):
                    manifests[name] = found
                else:
                    problems.append(found)
    for gone in known.keys() - manifests.keys():
        del known[gone]
    return Landings(dict(sorted(manifests.items())), tuple(problems), tuple(ledgers))


def _files_below(place: StoragePath) -> dict[str, Any]:
    """Return what the store tells of each file; it tells something else when the file is written anew."""
    # a listing made before may be out of date
    place.fs.invalidate_cache()
    with suppress(FileNotFoundError):
        return dict(place.fs.find(place.path, detail=True))
    return {}


def _ledgers_among(fs: Any, files: Iterable[str]) -> list[StoragePath]:
    inner = f"/{LEDGER}/"
    roots = dict.fromkeys(path.partition(inner)[0] for path in files if inner in path)
    return [_Place(fs, f"{root}/{LEDGER}") for root in roots]


def _read(fs: Any, known: Known, path: str, mark: str) -> tuple[str, Manifest | str]:
    name = str(fs.unstrip_protocol(path))
    if name in known and known[name][0] == mark:
        return name, known[name][1]
    try:
        found = Manifest.from_json(bytes(fs.cat_file(path)), name)
    except TwexportError as error:
        return name, str(error)
    except OSError as error:
        return name, f"{name} cannot be read: {error}"
    known[name] = mark, found
    return name, found


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory as a filesystem spells it."""

    fs: Any
    path: str
