"""What all services share: a bounded read yields batches of records, each with a cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order of delivery, and the cursor from which a read resumes after them.

    :param records: one JSON document each, without line breaks, otherwise byte for byte as received.
    :param cursor: the opaque position after the last record; ``None`` if a read cannot resume here.
    :param foreign: how many results were dropped because they belong to another export.
    :param replays: how many were left out because the service delivered them again.
    :param unreadable: what came and is no such document, byte for byte.
    """

    records: Sequence[bytes]
    cursor: str | None
    foreign: int = 0
    replays: int = 0
    unreadable: Sequence[bytes] = ()
