"""What earlier tries left in the directory: whose it is, how far it came, and how to be rid of it."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.exceptions import DirectoryInUseError
from airflow_provider_twexport.storage.manifest import CHECKPOINT, MANIFEST, Manifest, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_twexport.storage.directory import Directory

log = logging.getLogger(__name__)

_PART = r"part-\d{5,}(\.\w+)+"
_BATCH = r"_batch-\d{5,}-\d{5,}\.gz"
_OURS = re.compile(rf"{_PART}|{_BATCH}|\.({_PART}|{_BATCH}|_\w+\.json)\.[0-9a-f]+\.tmp")


def find(directory: Directory, source: Mapping[str, Any]) -> Manifest | None:
    """Return the furthest that earlier tries of this export came; what another order of it left is removed.

    :param directory: where to look.
    :param source: the export, by its ``collector_id`` and ``export_id``; a search, by its ``search_id``;
        an Adobe job, by its ``job_id``.
    :raises DirectoryInUseError: another collector, search or job was landed there.
    """
    # Of equals the first wins: a manifest may have been committed past the checkpoint it ends.
    found = [manifest for name in (MANIFEST, CHECKPOINT) if (manifest := load(directory, name))]
    for manifest in found:
        _check_owner(directory, manifest.source, source)
    if any(_is_another_order(manifest.source, source) for manifest in found):
        log.warning("%s: an earlier export of the same collector is replaced", directory)
        clear(directory)
        return None
    return max(found, key=lambda manifest: (manifest.complete, len(manifest.parts)), default=None)


def clear(directory: Directory) -> None:
    """Remove everything that a landing writes; the manifest goes first, so no reader sees it with other parts."""
    directory.remove(MANIFEST)
    _remove_except(directory, set())


def tidy(directory: Directory, landed: Manifest) -> None:
    """Remove what a manifest makes superfluous; it holds without that, so a failure is only reported.

    This may break another try that is still alive. Since the manifest is there, that one has nothing to add.
    """
    # Only some of the filesystems' errors are an OSError.
    try:
        _remove_except(directory, {part.name for part in landed.parts})
    except Exception:
        log.warning("%s: leftovers of earlier tries could not be removed", directory, exc_info=True)
    try:
        directory.abort_uploads(_OURS.fullmatch)
    except Exception as error:
        log.info("%s: uploads of dead tries are left to the bucket's lifecycle rules (%s)", directory, error)


def whose(source: Mapping[str, Any]) -> str | None:
    """Return what tells whose results a directory holds: a kind and an id, such as ``collector 'twx-one'``."""
    named = ((kind, source.get(f"{kind}_id")) for kind in ("collector", "search", "capture", "job"))
    return next((f"{kind} {name!r}" for kind, name in named if name), None)


def _check_owner(directory: Directory, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    theirs, ours = whose(found), whose(wanted)
    if theirs != ours:
        msg = f"{directory} holds the results of {theirs}: choose another directory for {ours}."
        raise DirectoryInUseError(msg)


def _is_another_order(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    theirs, ours = found.get("export_id"), wanted.get("export_id")
    return None not in (theirs, ours) and theirs != ours


def _remove_except(directory: Directory, listed: set[str]) -> None:
    directory.remove(CHECKPOINT)
    for name in directory.names():
        if _OURS.fullmatch(name) and name not in listed:
            directory.remove(name)
