"""Finds all landings below some directories, on any fsspec filesystem."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.exceptions import CorruptManifestError, TwexportError
from airflow_provider_twexport.storage.directory import as_storage_path
from airflow_provider_twexport.storage.manifest import MANIFEST, Manifest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    from airflow_provider_twexport.storage.directory import StoragePath

# one request to a store takes tens of milliseconds, and ten thousand manifests are ten thousand requests
READERS = 16
LEDGER = "_ledger"

# manifests by address, each with the file's details at the time it was read
Known = dict[str, tuple[str, Manifest]]


@dataclass(frozen=True)
class Landings:
    """The landings below some directories.

    :param manifests: by address of the manifest, sorted by it.
    :param broken: a sentence for each manifest that cannot be read, by its address.
    :param ledgers: the directories named ``_ledger``, where the example DAGs keep their ledgers.
    """

    manifests: dict[str, Manifest]
    broken: dict[str, str] = field(default_factory=dict)
    ledgers: tuple[StoragePath, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each manifest that cannot be read."""
        return tuple(self.broken.values())

    def check_read(self, may_matter: Callable[[str], bool]) -> None:
        """Check that every manifest was read that may matter for a decision about money.

        :param may_matter: returns for the name of a directory whether its landing may matter.
        :raises CorruptManifestError: one of them cannot be read.
        """
        problems = [text for address, text in self.broken.items() if may_matter(address.split("/")[-2])]
        if problems:
            raise CorruptManifestError(" ".join(problems))

    @cached_property
    def by_owner(self) -> dict[str, Manifest]:
        """Return the furthest landing of each owner: a complete one, else the one with most results."""
        return {owner: self.manifests[address] for owner, address in self._furthest.items()}

    @cached_property
    def directories(self) -> dict[str, str]:
        """Return the address of the directory of each owner's furthest landing."""
        return {owner: address.rpartition("/")[0] for owner, address in self._furthest.items()}

    @cached_property
    def _furthest(self) -> dict[str, str]:
        ordered = sorted(self.manifests.items(), key=lambda found: (found[1].complete, found[1].results))
        return {str(found.source.get("owner")): address for address, found in ordered}


def find_landings(
    paths: Iterable[StoragePath | str | os.PathLike[str]], known: Known | None = None
) -> Landings:
    """Read every ``_manifest.json`` below the directories; a directory that does not exist has none.

    :param paths: directories, as path objects or as anything that ``upath.UPath`` understands.
    :param known: the manifests that an earlier call has read; only new and changed ones are read again.
    """
    known = {} if known is None else known
    manifests: dict[str, Manifest] = {}
    broken: dict[str, str] = {}
    ledgers: list[StoragePath] = []
    with ThreadPoolExecutor(READERS) as readers:
        for place in map(as_storage_path, paths):
            files = _files_below(place)
            ledgers += _ledgers_among(place.fs, files)
            details = {path: str(it) for path, it in files.items() if path.rpartition("/")[2] == MANIFEST}
            for name, found in readers.map(partial(_read, place.fs, known), details, details.values()):
                if isinstance(found, Manifest):
                    manifests[name] = found
                else:
                    broken[name] = found
    for gone in known.keys() - manifests.keys():
        del known[gone]
    return Landings(dict(sorted(manifests.items())), broken, tuple(ledgers))


def _files_below(place: StoragePath) -> dict[str, Any]:
    """Return the store's details of each file; they change when the file is written again."""
    # a cached listing may be out of date
    place.fs.invalidate_cache()
    with suppress(FileNotFoundError):
        return dict(place.fs.find(place.path, detail=True))
    return {}


def _ledgers_among(fs: Any, files: Iterable[str]) -> list[StoragePath]:
    inner = f"/{LEDGER}/"
    roots = dict.fromkeys(path.partition(inner)[0] for path in files if inner in path)
    return [_Place(fs, f"{root}/{LEDGER}") for root in roots]


def _read(fs: Any, known: Known, path: str, details: str) -> tuple[str, Manifest | str]:
    name = str(fs.unstrip_protocol(path))
    if name in known and known[name][0] == details:
        return name, known[name][1]
    try:
        found = Manifest.from_json(bytes(fs.cat_file(path)), name)
    except TwexportError as error:
        return name, str(error)
    except OSError as error:
        return name, f"{name} cannot be read: {error}"
    known[name] = details, found
    return name, found


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory in a filesystem's own spelling."""

    fs: Any
    path: str
