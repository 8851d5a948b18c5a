"""Finding what has landed below a directory, however its directories are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.directory import as_storage_path

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from airflow_provider_twexport.storage.directory import StoragePath
    from airflow_provider_twexport.storage.manifest import Manifest


def manifests_below(path: StoragePath | str | os.PathLike[str]) -> Iterator[tuple[str, Manifest]]:
    """Yield each manifest below a directory, with its address; nothing where the directory does not exist.

    All names below it are listed once, which object stores do by the thousand.

    :param path: the directory.
    :raises UpgradeProviderError: a later version of this package wrote one.
    :raises RepairManifestError: one is malformed.
    """
    place = as_storage_path(path)
    place.fs.invalidate_cache()
    try:
        names = place.fs.find(place.path)
    except FileNotFoundError:
        return
    for name in sorted(names):
        if name.rpartition("/")[2] == manifest.MANIFEST:
            address = str(place.fs.unstrip_protocol(name))
            yield address, manifest.Manifest.from_json(place.fs.cat_file(name), address)
