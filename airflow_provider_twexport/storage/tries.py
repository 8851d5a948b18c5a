"""One try of a landing: the names of its parts, and its commit, though another try may be alive and commit too.

No two tries write to the same part. A try that finds the directory empty writes ``part-00000``; any other one adds its
own id to the names.

Each try has a file of its own, ``_try-<id>.json``. Before it replaces ``_manifest.json``, it writes its manifest there,
and then looks whether another try has committed. Whoever removes files has committed before, and looks for the
manifests of other tries first. So at least one of two tries sees the other: the one that commits finds the other's
manifest and adopts it, or the one that removes finds parts that are about to be committed and leaves them. This needs
a store that shows what was written to the next one who reads or lists, as local disks, S3, Google Cloud Storage and
Azure Blob do.

A try that dies within its commit leaves its manifest in its own file, and the next one finishes that commit.
"""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_twexport.exceptions import CorruptManifestError, IncompleteLandingError, TwexportError
from airflow_provider_twexport.storage import manifest, part_verification
from airflow_provider_twexport.storage.manifest import CHECKPOINT, MANIFEST, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_twexport.storage.directory import Directory

log = logging.getLogger(__name__)

_TRY = re.compile(r"_try-[0-9a-f]{8}\.json")
_STARTED = b"{}"
_PART = r"part-\d{5,}(-[0-9a-f]{8})?(\.\w+)+"
_UNREADABLE = r"_unreadable(-[0-9a-f]{8})?\.txt"
_BATCH = r"_batch-\d{5,}-\d{5,}\.gz"
OURS = re.compile(
    rf"{_PART}|{_BATCH}|{_UNREADABLE}|{_TRY.pattern}|\.({_PART}|{_BATCH}|{_UNREADABLE}|_[\w-]+\.json)\.[0-9a-f]+\.tmp"
)


@dataclass(slots=True)
class Try:
    """One try of a landing.

    :param directory: of the landing.
    :param is_first: whether no earlier try has left anything there.
    :param lost: which parts of the complete landing that this try replaces are lost; ``None``: it replaces none.
    """

    directory: Directory
    is_first: bool
    lost: str | None = None
    _id: str = field(default_factory=lambda: secrets.token_hex(4), init=False)
    _has_begun: bool = field(default=False, init=False)

    def begin(self) -> None:
        """Claim plain names for the parts if nobody else has left anything; to be called before anything is written."""
        if self._has_begun:
            return
        self.directory.write(self._file, _STARTED)
        self._has_begun = True
        # of two first tries, at least one sees the file of the other
        others = (name for name in self.directory.names() if name != self._file)
        self.is_first = self.is_first and not any(map(_is_landings, others))

    def part_name(self, number: int, suffix: str) -> str:
        """Return a name for a part that no other try uses.

        :param number: of the part.
        :param suffix: of its file format.
        """
        return self._own(f"part-{number:05}", suffix)

    @property
    def unreadable_name(self) -> str:
        """Return a name for the file of unreadable results that no other try uses."""
        return self._own("_unreadable", "txt")

    def commit(self, landed: Manifest) -> Manifest:
        """Make this the manifest of the landing, unless another try was faster; return the manifest that holds.

        :raises IncompleteLandingError: a part is missing, or has another size.
        """
        self.directory.write(self._file, landed.to_json().encode())
        self._has_begun = True
        other = manifest.load(self.directory, MANIFEST)
        sizes = self.directory.sizes()
        if other and _is_committed(other, landed, sizes):
            log.warning("%s: another try has landed everything; this one adds nothing", self.directory)
            return other
        if lost := part_verification.lost(landed.parts, sizes):
            raise IncompleteLandingError(
                f"{self.directory}: {lost}, though this landing has just written it. See who else writes to this "
                "directory; a retry lands again."
            )
        self.directory.write(MANIFEST, landed.to_json().encode())
        return landed

    def end(self) -> None:
        """Remove the file of this try."""
        if self._has_begun:
            self.directory.remove(self._file)
            self._has_begun = False

    def explain(self, error: BaseException | None) -> None:
        """Add to an error of ours that it left a damaged landing as it was."""
        if self.lost and isinstance(error, TwexportError):
            error.prepend(
                f"{self.directory} was complete, and now {self.lost}. Landing it again failed; its other parts are "
                "still there."
            )

    def _own(self, stem: str, suffix: str) -> str:
        self.begin()
        return f"{stem}{'' if self.is_first else f'-{self._id}'}.{suffix}"

    @property
    def _file(self) -> str:
        return f"_try-{self._id}.json"


def about_to_commit(directory: Directory) -> dict[str, Manifest]:
    """Return the manifests that tries are about to commit, or died committing, by the names of their files."""
    return _manifests(directory, directory.names())


def clean_up(directory: Directory) -> None:
    """Remove everything that a landing writes, except what the manifest, or one about to be committed, lists."""
    names = [name for name in directory.names() if OURS.fullmatch(name)]
    committing = _manifests(directory, names)
    landed = manifest.load(
        directory, MANIFEST
    )  # after the listing: a try that is not listed any more is in here
    listed = _files(landed) if landed else set()
    for name, other in committing.items():
        parts = _files(other)
        if not parts <= listed:
            listed |= parts | {name}
    directory.remove(CHECKPOINT)
    for name in names:
        if name not in listed:
            directory.remove(name)


def _files(landed: Manifest) -> set[str]:
    return {part.name for part in landed.parts} | ({landed.unreadable.file} if landed.unreadable else set())


def _is_landings(name: str) -> bool:
    return name in (MANIFEST, CHECKPOINT) or OURS.fullmatch(name) is not None


def _is_committed(other: Manifest, landed: Manifest, sizes: dict[str, int]) -> bool:
    is_same_order = all(other.source.get(key) == landed.source.get(key) for key in ("owner", "export_id"))
    return other.complete and is_same_order and part_verification.lost(other.parts, sizes) is None


def _manifests(directory: Directory, names: Iterable[str]) -> dict[str, Manifest]:
    found = {}
    for name in filter(_TRY.fullmatch, names):
        text = directory.read(name)
        if text in (None, _STARTED):
            continue
        try:
            found[name] = Manifest.from_json(text, name)
        except CorruptManifestError as error:  # never protects anything, as it cannot be committed
            log.warning("%s: %s", directory, error)
    return found
