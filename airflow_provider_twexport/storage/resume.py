"""What earlier tries left in the directory: who owns it, how far they got, and how to remove it."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.exceptions import DirectoryInUseError
from airflow_provider_twexport.storage import manifest
from airflow_provider_twexport.storage.manifest import CHECKPOINT, MANIFEST, Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_twexport.storage.directory import Directory

log = logging.getLogger(__name__)

_PART = r"part-\d{5,}(\.\w+)+"
_BATCH = r"_batch-\d{5,}-\d{5,}\.gz"
_OURS = re.compile(rf"{_PART}|{_BATCH}|\.({_PART}|{_BATCH}|_\w+\.json)\.[0-9a-f]+\.tmp")


def load(directory: Directory, source: Mapping[str, Any]) -> Manifest | None:
    """Return the furthest manifest or checkpoint of earlier tries; the results of another order are removed.

    :param directory: of the landing.
    :param source: of the landing: :func:`owner` says whose results it holds, ``export_id`` which order of them.
    :raises DirectoryInUseError: the directory belongs to another owner.
    """
    # Of equals the first wins: a manifest may have been committed after the checkpoint it completes.
    found = [it for name in (MANIFEST, CHECKPOINT) if (it := manifest.load(directory, name))]
    for earlier in found:
        _check_owner(directory, earlier.source, source)
    if any(_is_another_order(earlier.source, source) for earlier in found):
        log.warning("%s: the results of an earlier order are replaced", directory)
        remove_all(directory)
        return None
    return max(found, key=lambda earlier: (earlier.complete, len(earlier.parts)), default=None)


def remove_all(directory: Directory) -> None:
    """Remove everything that a landing writes; the manifest first, so that no reader sees it without its parts."""
    directory.remove(MANIFEST)
    _remove_except(directory, set())


def cleanup(directory: Directory, landed: Manifest) -> None:
    """Remove what a manifest does not list; a failure is only logged, because the landing is valid without this.

    This may break another try that is still alive. Since the manifest is there, that try has nothing to add.
    """
    # Only some of the filesystems' errors are an OSError.
    try:
        _remove_except(directory, {part.name for part in landed.parts})
    except Exception:
        log.warning("%s: files of earlier tries could not be removed", directory, exc_info=True)
    try:
        directory.abort_uploads(_OURS.fullmatch)
    except Exception as error:
        log.info("%s: unfinished uploads are left to the bucket's lifecycle rules (%s)", directory, error)


def owner(source: Mapping[str, Any]) -> str | None:
    """Return the id of what the results of a directory belong to, such as a collector or a search."""
    return source.get("owner")


def _check_owner(directory: Directory, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    theirs, ours = owner(found), owner(wanted)
    if theirs != ours:
        raise DirectoryInUseError(
            f"{directory} holds the results of {theirs!r}. Choose another directory for {ours!r}."
        )


def _is_another_order(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    theirs, ours = found.get("export_id"), wanted.get("export_id")
    return None not in (theirs, ours) and theirs != ours


def _remove_except(directory: Directory, listed: set[str]) -> None:
    directory.remove(CHECKPOINT)
    for name in directory.names():
        if _OURS.fullmatch(name) and name not in listed:
            directory.remove(name)
