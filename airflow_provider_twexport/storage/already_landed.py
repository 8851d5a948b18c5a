"""Reads the results of landings back, in constant memory: their digests, and how many there are of each hour."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from airflow_provider_twexport.exceptions import CorruptLandingError
from airflow_provider_twexport.storage import formats, manifest, part_verification
from airflow_provider_twexport.storage.dedup import SeenRecords
from airflow_provider_twexport.storage.directory import Directory

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_twexport.core.window import Window
    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.manifest import Manifest

HOUR_MS = 3_600_000


def read(
    path: StoragePath | str | os.PathLike[str], on_records: Callable[[Sequence[bytes]], object]
) -> Manifest:
    """Pass all results of a landing to a function, a few at a time, and return its manifest.

    :param path: the directory.
    :param on_records: called with the results.
    :raises ManifestNotFoundError: the directory holds no manifest.
    :raises CorruptLandingError: results are missing, or a part is damaged.
    """
    found, directory = manifest.read(path), Directory(path)
    if not found.complete:
        raise CorruptLandingError(
            f"{directory} does not hold all results that were exported. Land the missing results first."
        )
    form = formats.by_name(found.file_format)
    for part in found.parts:
        if problem := part_verification.problem(directory, part, form, on_records):
            raise CorruptLandingError(f"{directory}: {problem}. Restore it, or land again.")
    return found


class AlreadyLanded:
    """The results of some landings, as 64-bit digests of what identifies them.

    :param paths: directories of landings.
    :param identity: returns the bytes of a result that are the same in every export.
    """

    def __init__(
        self,
        paths: Iterable[StoragePath | str | os.PathLike[str]],
        identity: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._paths = tuple(paths)
        self._identity = identity
        self._seen = SeenRecords()

    def load(self) -> None:
        """Read the landings back.

        :raises ManifestNotFoundError: a directory holds no landing.
        :raises CorruptLandingError: a landing is incomplete or damaged.
        """
        for path in self._paths:
            read(path, self._add)

    def without(self, records: Iterable[bytes]) -> list[bytes]:
        """Return the records that none of the landings has, in order."""
        return [record for record in records if self._identity(record) not in self._seen]

    def _add(self, records: Iterable[bytes]) -> None:
        self._seen.add(map(self._identity, records))


class LandedHours:
    """How many results landed of each hour, in UTC.

    :param moment_of: returns when a result was published, in epoch milliseconds, and whether that is certain.
    """

    def __init__(self, moment_of: Callable[[bytes], tuple[int | None, bool]]) -> None:
        self._moment_of = moment_of
        self._hours: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}

    def add(self, records: Iterable[bytes]) -> None:
        """Count results; a result without a date counts for no hour."""
        for record in records:
            moment, is_certain = self._moment_of(record)
            if moment is not None:
                self._hours[is_certain][moment // HOUR_MS] += 1

    def within(self, window: Window) -> tuple[int, int]:
        """Return how many results were certainly published in a window, and how many more possibly were.

        :param window: an hour that lies partly in it counts fully.
        """
        first, last = (round(edge.timestamp() * 1000) for edge in (window.start, window.stop))
        hours = range(first // HOUR_MS, -(-last // HOUR_MS))
        certain, possible = (
            sum(self._hours[is_certain][hour] for hour in hours) for is_certain in (True, False)
        )
        return certain, possible


def landed_hours(
    path: StoragePath | str | os.PathLike[str], moment_of: Callable[[bytes], tuple[int | None, bool]]
) -> LandedHours:
    """Return how many results a landing has of each hour.

    :param path: the directory.
    :param moment_of: returns when a result was published, in epoch milliseconds, and whether that is certain.
    :raises ManifestNotFoundError: the directory holds no landing.
    :raises CorruptLandingError: the landing is incomplete or damaged.
    """
    hours = LandedHours(moment_of)
    read(path, hours.add)
    return hours
