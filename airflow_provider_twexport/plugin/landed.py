"""What lies in object storage: the landings, and the ledgers beside them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_twexport.coverage.coverage import coverage, landed_span
from airflow_provider_twexport.plugin import settings
from airflow_provider_twexport.storage import discovery as landings
from airflow_provider_twexport.storage import ledger

if TYPE_CHECKING:
    from airflow_provider_twexport.coverage.coverage import LandedSpan, SeriesCoverage
    from airflow_provider_twexport.storage.ledger import ExportHistory, LedgerEntry
    from airflow_provider_twexport.storage.manifest import Manifest

EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class Landing:
    """One manifest and where it is."""

    address: str
    manifest: Manifest

    @property
    def id(self) -> str:
        """Return a name of it that fits into an address."""
        return hashlib.sha256(self.address.encode()).hexdigest()[:16]

    @cached_property
    def known_as(self) -> tuple[str, ...]:
        """Return what tasks may have told of it: its export, and its place."""
        source, place = self.manifest.source, place_in(self.address)
        if source.get("job_id"):
            return job_name(source["job_id"], source.get("dataset_id")), place
        return (str(source["export_id"]), place) if source.get("export_id") else (place,)


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
    entries: dict[str, ExportHistory] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def tells_the_same_as(self, other: Landed) -> bool:
        """Tell whether nothing has changed."""
        return all(getattr(self, it.name) == getattr(other, it.name) for it in fields(self))

    @cached_property
    def by_id(self) -> dict[str, Landing]:
        """Return the landings by their name."""
        return {landing.id: landing for landing in self.landings}

    @cached_property
    def by_place(self) -> dict[str, Landing]:
        """Return the landings by the place of their manifest."""
        return {place_in(landing.address): landing for landing in self.landings}

    @cached_property
    def by_export(self) -> dict[str, list[Landing]]:
        """Return the landings of each export; a manifest that names none stands under its collector."""
        found: defaultdict[str, list[Landing]] = defaultdict(list)
        for landing in self.landings:
            *export, _ = landing.known_as
            found[export[0] if export else str(landing.manifest.source.get("collector_id"))].append(landing)
        return dict(found)

    @cached_property
    def pieces(self) -> list[LandedSpan]:
        """Return what each landing holds of its track."""
        return [piece for it in self.landings if (piece := landed_span(it.manifest))]

    @cached_property
    def coverage(self) -> list[SeriesCoverage]:
        """Return what has landed of each day."""
        return coverage(self.pieces)

    @cached_property
    def bought_twice(self) -> frozenset[str]:
        """Return the exports that hold days that another export holds as well."""
        days = (day for track in self.coverage for day in track.days if day.bought_twice)
        return frozenset(export_id for day in days for export_id in day.export_ids)


class Lake:
    """Looks below the places of the settings, and reads only what has changed since the last look."""

    def __init__(self) -> None:
        self._manifests: landings.Known = {}
        self._facts: dict[str, LedgerEntry] = {}
        self._seen = Landed()

    def look(self) -> Landed:
        """Return what is there now; the same as before where nothing has changed."""
        paths = [ObjectStoragePath(place) for place in settings.landings()]
        found = landings.find_landings(paths, self._manifests)
        ledgers = [ledger.read(path, self._facts) for path in found.ledgers]
        newest_first = sorted(found.manifests.items(), key=lambda it: it[1].created_at, reverse=True)
        landed = Landed(
            places=tuple(map(str, paths)),
            landings=tuple(Landing(address, manifest) for address, manifest in newest_first),
            entries={entry.export_id: entry for told in ledgers for entry in told.exports},
            problems=(*found.problems, *(problem for told in ledgers for problem in told.problems)),
        )
        if not landed.tells_the_same_as(self._seen):
            # here nobody waits for it
            _ = landed.by_id, landed.by_place, landed.by_export, landed.bought_twice
            self._seen = landed
        return self._seen


def job_name(job_id: object, dataset_id: object) -> str:
    """Return what tells an Adobe job from all others: two sandboxes may count theirs alike, their datasets differ."""
    return f"{dataset_id}/{job_id}"


def place_in(address: str) -> str:
    """Return the place that an address names, however it is written: with or without scheme and connection.

    :param address: of a manifest, such as ``s3://lake_conn@lake/january/_manifest.json``.
    """
    server, slash, path = address.rpartition("://")[2].partition("/")
    return server.rpartition("@")[2] + slash + path
