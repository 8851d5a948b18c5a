"""What a service has sent as results and nobody can read: kept byte for byte in one file beside the parts."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_twexport.storage.directory import Directory

log = logging.getLogger(__name__)

# a stream of garbage must not fill the memory
MAX_KEPT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a manifest says of it.

    :param count: how many results could not be read.
    :param file: where they are, each as it came and followed by a line feed.
    :param bytes: the size of that file, at most 16 MiB; what came after that is only counted.
    """

    count: int
    file: str
    bytes: int


@dataclass(slots=True)
class UnreadableFile:
    """The file of one landing; it is written as a whole, because an object cannot be added to.

    :param directory: of the landing.
    :param count: how many results could not be read.
    """

    directory: Directory
    count: int = 0
    _content: bytearray = field(default_factory=bytearray)
    _saved: Unreadable | None = None

    @classmethod
    def resume(cls, directory: Directory, saved: Unreadable | None) -> UnreadableFile:
        """Return the file as the last checkpoint has described it.

        :param saved: by the checkpoint.
        """
        if saved is None:
            return cls(directory)
        content = directory.read(saved.file) or b""
        return cls(directory, saved.count, bytearray(content[: saved.bytes]), saved)

    def add(self, results: Sequence[bytes]) -> None:
        """Keep what cannot be read."""
        self.count += len(results)
        for one in results:
            if len(self._content) + len(one) < MAX_KEPT_BYTES:
                self._content += one + b"\n"

    def save(self, name: str) -> Unreadable | None:
        """Store what was added since the last time, and return what the manifest says; ``None``: nothing was.

        :param name: of a file that no other try writes.
        """
        if self.count and (self._saved is None or self.count != self._saved.count):
            self.directory.write(name, bytes(self._content))
            self._saved = Unreadable(self.count, name, len(self._content))
            log.warning("%s: %d results cannot be read; they are in %s", self.directory, self.count, name)
        return self._saved
