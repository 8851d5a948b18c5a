"""Reading back the results of landings: which they are, by digest, and how many of each hour; in constant memory."""

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
    """Give all results of a landing to somebody, a few at a time, and return its manifest.

    :param path: the directory.
    :param on_records: is given the results.
    :raises ManifestNotFoundError: there is no manifest.
    :raises CorruptLandingError: not all that was exported is there, or a part is not as it was written.
    """
    found, directory = manifest.read(path), Directory(path)
    if not found.complete:
        raise CorruptLandingError(
            f"{directory} does not hold all that was exported: land the rest of it first."
        )
    form = formats.by_name(found.file_format)
    for part in found.parts:
        if problem := part_verification.problem(directory, part, form, on_records):
            raise CorruptLandingError(f"{directory}: {problem}. Restore it, or land again.")
    return found


class AlreadyLanded:
    """Knows the results of some landings by 64-bit digests of what identifies them.

    :param paths: directories of landings.
    :param identity: what of a result is the same in whatever export.
    :raises ManifestNotFoundError: one holds no landing.
    :raises CorruptLandingError: one is not whole.
    """

    def __init__(
        self,
        paths: Iterable[StoragePath | str | os.PathLike[str]],
        identity: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._identity = identity
        self._held = SeenRecords()
        for path in paths:
            read(path, self._hold)

    def without(self, records: Iterable[bytes]) -> list[bytes]:
        """Return the records that none of the landings holds, in order."""
        return [record for record in records if self._identity(record) not in self._held]

    def _hold(self, records: Iterable[bytes]) -> None:
        self._held.add(map(self._identity, records))


class LandedHours:
    """How many results there are of each hour, in UTC.

    :param moment_of: tells of a result when it was published, in epoch milliseconds, and whether that is sure.
    """

    def __init__(self, moment_of: Callable[[bytes], tuple[int | None, bool]]) -> None:
        self._moment_of = moment_of
        self._hours: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}

    def add(self, records: Iterable[bytes]) -> None:
        """Count some results; one without any date counts for no hour."""
        for record in records:
            moment, is_sure = self._moment_of(record)
            if moment is not None:
                self._hours[is_sure][moment // HOUR_MS] += 1

    def within(self, window: Window) -> tuple[int, int]:
        """Return how many results were surely published in a window, and how many more may have been.

        :param window: hours that it holds in part count with all that they hold.
        """
        first, last = (round(edge.timestamp() * 1000) for edge in (window.start, window.stop))
        hours = range(first // HOUR_MS, -(-last // HOUR_MS))
        sure, perhaps = (sum(self._hours[is_sure][hour] for hour in hours) for is_sure in (True, False))
        return sure, perhaps


def landed_hours(
    path: StoragePath | str | os.PathLike[str], moment_of: Callable[[bytes], tuple[int | None, bool]]
) -> LandedHours:
    """Return how many results a landing holds of each hour.

    :param path: the directory.
    :param moment_of: tells of a result when it was published, in epoch milliseconds, and whether that is sure.
    :raises ManifestNotFoundError: there is no landing.
    :raises CorruptLandingError: it is not whole.
    """
    hours = LandedHours(moment_of)
    read(path, hours.add)
    return hours
