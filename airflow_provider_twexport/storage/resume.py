"""What earlier tries left in the directory: who owns it, and how far they got."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.exceptions import DirectoryInUseError
from airflow_provider_twexport.storage import manifest, part_verification, tries
from airflow_provider_twexport.storage.manifest import CHECKPOINT, MANIFEST, Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_twexport.storage.directory import Directory

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EarlierTries:
    """How far earlier tries got.

    :param committed: the manifest of a landing that is complete, with all its parts.
    :param unfinished: manifests and checkpoints that a landing can be resumed from, the furthest first.
    :param lost: which parts of a complete landing are missing or have another size, in one sentence without its full
        stop; ``None``: none, or no landing was complete.
    :param is_empty: whether there was nothing at all.
    """

    committed: Manifest | None = None
    unfinished: tuple[Manifest, ...] = ()
    lost: str | None = None
    is_empty: bool = False


def load(directory: Directory, source: Mapping[str, Any]) -> EarlierTries:
    """Return how far earlier tries got; the results of another order are removed.

    A commit that a try died in is finished.

    :param directory: of the landing.
    :param source: of the landing: :func:`owner` says whose results it holds, ``export_id`` which order of them.
    :raises DirectoryInUseError: the directory belongs to another owner.
    """
    committing = tries.about_to_commit(directory)
    landed, checkpoint = (manifest.load(directory, name) for name in (MANIFEST, CHECKPOINT))
    found = [it for it in (landed, *committing.values(), checkpoint) if it]
    for earlier in found:
        _check_owner(directory, earlier.source, source)
    if any(_is_another_order(earlier.source, source) for earlier in found):
        log.warning("%s: the results of an earlier order are replaced", directory)
        remove_all(directory)
        return EarlierTries()
    sizes = directory.sizes() if any(it.complete for it in found) else {}
    whole = [it for it in found if it.complete and part_verification.lost(it.parts, sizes) is None]
    if whole:
        if whole[0] is not landed:
            directory.write(MANIFEST, whole[0].to_json().encode())
        cleanup(directory)
        return EarlierTries(whole[0])
    unfinished = sorted((it for it in found if not it.complete), key=lambda it: len(it.parts), reverse=True)
    lost = part_verification.lost(landed.parts, sizes) if landed and landed.complete else None
    return EarlierTries(None, tuple(unfinished), lost, is_empty=not found)


def check_owner(directory: Directory, source: Mapping[str, Any]) -> None:
    """Check that a directory holds no landing of another owner; nothing is changed.

    :param directory: of the landing.
    :param source: of the landing; :func:`owner` says whose results it holds.
    :raises DirectoryInUseError: the directory belongs to another owner.
    """
    for name in (MANIFEST, CHECKPOINT):
        if found := manifest.load(directory, name):
            _check_owner(directory, found.source, source)


def remove_all(directory: Directory) -> None:
    """Remove everything that a landing writes; the manifest first, so that no reader sees it without its parts."""
    directory.remove(MANIFEST)
    directory.remove(CHECKPOINT)
    for name in directory.names():
        if tries.OURS.fullmatch(name):
            directory.remove(name)


def cleanup(directory: Directory) -> None:
    """Remove what no manifest lists; a failure is only logged, because the landing is valid without this.

    This may break another try that is still alive. Since the manifest is there, that try has nothing to add.
    """
    # Only some of the filesystems' errors are an OSError.
    try:
        tries.clean_up(directory)
    except Exception:
        log.warning("%s: files of earlier tries could not be removed", directory, exc_info=True)
    try:
        directory.abort_uploads(tries.OURS.fullmatch)
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
