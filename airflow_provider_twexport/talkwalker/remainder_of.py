"""Which truncated landings a window is the remainder of; the plan records it where the window will land.

A remainder is bought as whole days, so it brings again what the truncated landings hold: its landing excludes that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.exceptions import CorruptManifestError, UnsupportedManifestVersionError
from airflow_provider_twexport.storage.directory import Directory

if TYPE_CHECKING:
    from airflow_provider_twexport.storage.directory import StoragePath

REMAINDER_OF = "_remainder_of.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RemainderOf:
    """The truncated landings that hold some results of a window.

    :param collector_ids: their collectors, the widest window first; the window was planned for the last.
    :param paths: their directories, in the same order.
    :param windows: in how many windows the remainder of the last one was planned; ``None`` if unknown.
    """

    schema_version: int = SCHEMA_VERSION
    collector_ids: tuple[str, ...]
    paths: tuple[str, ...]
    windows: int | None = None

    def record(self, directory: StoragePath) -> None:
        """Write it to the directory that the window will land in."""
        import msgspec

        Directory(directory).write(REMAINDER_OF, msgspec.json.format(msgspec.json.encode(self), indent=2))

    def to_source(self) -> dict[str, Any]:
        """Return the entries of a manifest's ``source``."""
        return {"remainder_of": list(self.collector_ids), "remainder_windows": self.windows}


def read(directory: StoragePath) -> RemainderOf | None:
    """Return what the plan recorded in a directory; ``None`` if the window is no remainder.

    :param directory: of the landing.
    :raises CorruptManifestError: the file is damaged.
    :raises UnsupportedManifestVersionError: a later version of this package wrote it.
    """
    import msgspec

    place = Directory(directory)
    text = place.read(REMAINDER_OF)
    if text is None:
        return None
    name = f"{place}/{REMAINDER_OF}"
    try:
        found = msgspec.json.decode(text, type=RemainderOf)
    except msgspec.MsgspecError as error:
        raise CorruptManifestError(f"{name} cannot be read: {error}. Plan the remainder again.") from error
    if found.schema_version > SCHEMA_VERSION:
        raise UnsupportedManifestVersionError(
            f"{name} has schema version {found.schema_version}, and this package knows version {SCHEMA_VERSION}. "
            "Upgrade airflow-provider-twexport."
        )
    return found
