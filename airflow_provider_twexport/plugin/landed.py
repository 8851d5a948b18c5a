"""What lies in object storage: the landings, and the ledgers beside them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_twexport.planning.coverage import coverage, piece_of
from airflow_provider_twexport.plugin import settings
from airflow_provider_twexport.storage import landings, ledger

if TYPE_CHECKING:
    from airflow_provider_twexport.planning.coverage import TrackCoverage
    from airflow_provider_twexport.storage.ledger import Entry
    from airflow_provider_twexport.storage.manifest import Manifest

EVERY_SECONDS = 10.0
_LEDGER = "_ledger"


@dataclass(frozen=True, eq=False)
class Landing:
    """One manifest and where it is."""

    address: str
    manifest: Manifest

    @property
    def id(self) -> str:
        """Return a name of it that fits into an address."""
        return hashlib.sha256(self.address.encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Landed:
    """What was found below the places of the settings.

    :param places: which those are; none where nobody set any.
    :param landings: the newest first.
    :param entries: what ledgers tell, by export.
    :param problems: a sentence for each thing that cannot be read.
    """

    places: tuple[str, ...] = ()
    landings: tuple[Landing, ...] = ()
    entries: dict[str, Entry] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @cached_property
    def by_id(self) -> dict[str, Landing]:
        """Return the landings by their name."""
        return {landing.id: landing for landing in self.landings}

    @cached_property
    def by_export(self) -> dict[str, list[Landing]]:
        """Return the landings of each export; a manifest that names none stands under its collector."""
        found: defaultdict[str, list[Landing]] = defaultdict(list)
        for landing in self.landings:
            source = landing.manifest.source
            found[str(source.get("export_id") or source.get("collector_id"))].append(landing)
        return dict(found)

    @cached_property
    def coverage(self) -> list[TrackCoverage]:
        """Return what has landed of each day."""
        return coverage(piece for it in self.landings if (piece := piece_of(it.manifest)))

    @cached_property
    def bought_twice(self) -> frozenset[str]:
        """Return the exports that hold days that another export holds as well."""
        days = (day for track in self.coverage for day in track.days if day.bought_twice)
        return frozenset(export_id for day in days for export_id in day.export_ids)


def look() -> Landed:
    """Read all manifests and ledgers below the places of the settings."""
    places = settings.landings()
    paths = [ObjectStoragePath(place) for place in places]
    found = landings.find(paths)
    ledgers = [ledger.read(path) for place in paths for path in _ledgers_below(place)]
    newest_first = sorted(found.manifests.items(), key=lambda it: it[1].created_at, reverse=True)
    return Landed(
        places=tuple(map(str, paths)),
        landings=tuple(Landing(address, manifest) for address, manifest in newest_first),
        entries={entry.export_id: entry for told in ledgers for entry in told.entries},
        problems=(*found.problems, *(problem for told in ledgers for problem in told.problems)),
    )


def _ledgers_below(place: Any) -> list[_Place]:
    """Return the directories named ``_ledger``, where the example DAGs keep theirs."""
    inner = f"/{_LEDGER}/"
    with suppress(FileNotFoundError):
        roots = (path.split(inner)[0] for path in place.fs.find(place.path) if inner in path)
        return [_Place(place.fs, f"{root}/{_LEDGER}") for root in dict.fromkeys(roots)]
    return []


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory as a filesystem spells it."""

    fs: Any
    path: str
