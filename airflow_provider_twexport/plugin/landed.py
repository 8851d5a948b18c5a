"""What has landed in object storage, and the ledgers beside it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING

from airflow_provider_twexport.coverage.coverage import coverage, landed_span
from airflow_provider_twexport.object_storage import storage_path
from airflow_provider_twexport.plugin import settings
from airflow_provider_twexport.storage import ledger
from airflow_provider_twexport.storage.discovery import find_landings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from airflow_provider_twexport.coverage.coverage import LandedSpan, SeriesCoverage
    from airflow_provider_twexport.storage.discovery import Known
    from airflow_provider_twexport.storage.ledger import ExportHistory
    from airflow_provider_twexport.storage.manifest import Manifest

SCAN_SECONDS = 10.0


@dataclass(frozen=True)
class Landing:
    """One manifest and its address.

    :param export_key: identifies its export among those of all connections; ``None`` if there is none.
    """

    address: str
    manifest: Manifest
    export_key: str | None = None

    @property
    def id(self) -> str:
        """Return a name of it that fits into an address."""
        return hashlib.sha256(self.address.encode()).hexdigest()[:16]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Return what tasks may refer to it by: its export's key, and its location."""
        location = location_of(self.address)
        return (self.export_key, location) if self.export_key else (location,)


@dataclass(frozen=True, eq=False)
class Landed:
    """What was found below the directories of the settings.

    :param directories: which those are; none if none are set.
    :param landings: the newest first.
    :param histories: of the ledgers, by export.
    :param problems: a sentence for each thing that cannot be read.
    """

    directories: tuple[str, ...] = ()
    landings: tuple[Landing, ...] = ()
    histories: dict[str, ExportHistory] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def has_same_content(self, other: Landed) -> bool:
        """Return whether nothing has changed."""
        return all(getattr(self, it.name) == getattr(other, it.name) for it in fields(self))

    @cached_property
    def by_id(self) -> dict[str, Landing]:
        """Return the landings by their name."""
        return {landing.id: landing for landing in self.landings}

    @cached_property
    def by_location(self) -> dict[str, Landing]:
        """Return the landings by the location of their manifest."""
        return {location_of(landing.address): landing for landing in self.landings}

    @cached_property
    def by_export(self) -> dict[str, list[Landing]]:
        """Return the landings of each export; one whose manifest names no export is found by its owner."""
        found: defaultdict[str, list[Landing]] = defaultdict(list)
        for landing in self.landings:
            found[landing.export_key or str(landing.manifest.source.get("owner"))].append(landing)
        return dict(found)

    @cached_property
    def spans(self) -> list[LandedSpan]:
        """Return the window of each landing."""
        return [span for it in self.landings if (span := landed_span(it.manifest))]

    @cached_property
    def coverage(self) -> list[SeriesCoverage]:
        """Return what has landed of each day."""
        return coverage(self.spans)

    @cached_property
    def bought_twice(self) -> frozenset[str]:
        """Return the exports that hold days that another export holds as well."""
        days = (day for series in self.coverage for day in series.days if day.bought_twice)
        return frozenset(export_id for day in days for export_id in day.export_ids)


class LandingScanner:
    """Scans the directories of the settings, and reads only what has changed since the last scan.

    :param export_key: returns the key of a landing's export, by its manifest's source; ``None`` if there is none.
    """

    def __init__(self, export_key: Callable[[Mapping[str, Any]], str | None]) -> None:
        self._export_key = export_key
        self._manifests: Known = {}
        self._ledgers: dict[str, ledger.LedgerReader] = {}
        self._landed = Landed()

    def scan(self) -> Landed:
        """Return what is there now; the same object as before if nothing has changed."""
        paths = [storage_path(directory) for directory in settings.landings()]
        found = find_landings(paths, self._manifests)
        self._ledgers = {
            str(path): self._ledgers.get(str(path)) or ledger.LedgerReader(path) for path in found.ledgers
        }
        ledgers = [reader.read() for reader in self._ledgers.values()]
        newest_first = sorted(found.manifests.items(), key=lambda it: it[1].created_at, reverse=True)
        landed = Landed(
            directories=tuple(map(str, paths)),
            landings=tuple(
                Landing(address, manifest, self._export_key(manifest.source))
                for address, manifest in newest_first
            ),
            histories={export.export_id: export for it in ledgers for export in it.exports},
            problems=(*found.problems, *(problem for it in ledgers for problem in it.problems)),
        )
        if not landed.has_same_content(self._landed):
            # computed here, in the background, and not while a visitor waits
            _ = landed.by_id, landed.by_location, landed.by_export, landed.bought_twice
            self._landed = landed
        return self._landed


def location_of(address: str) -> str:
    """Return an address without scheme and connection, so that two spellings of one address are equal.

    :param address: of a manifest, such as ``s3://lake_conn@lake/january/_manifest.json``.
    """
    server, slash, path = address.rpartition("://")[2].partition("/")
    return server.rpartition("@")[2] + slash + path
