"""The one shape that all services share: a bounded read yields batches of records, each with a cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order they were delivered, and the place from which a read goes on after them.

    :param records: one JSON document each, without line breaks, otherwise byte for byte as received.
    :param cursor: the opaque place after the last record; ``None`` where a read cannot go on from here.
    :param foreign: how many results were left out because they belong to another export.
    :param replays: how many were left out because the service delivered them again.
    """

    records: Sequence[bytes]
    cursor: str | None
    foreign: int = 0
    replays: int = 0
