"""What every file format implements: an encoder turns the records of one part into its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_twexport.core.schema import Schema

READ_BLOCK = 1024 * 1024


class Encoder(Protocol):
    """Turns the records of one part into its bytes, a few at a time."""

    @property
    def pending_bytes(self) -> int:
        """About how many bytes are still to come for the records so far."""

    @property
    def coercion_failures(self) -> Mapping[str, int]:
        """How many records have a value that does not fit its column, by column; final after ``finish``."""

    def encode(self, records: Sequence[bytes]) -> bytes:
        """Take records and return the bytes that are ready; the others come later."""

    def finish(self) -> bytes:
        """Return the last bytes."""

    def close(self) -> None:
        """Release everything, finished or not; a second call does nothing."""


@dataclass(frozen=True, slots=True)
class EncodingOptions:
    """How the records of a part are encoded.

    :param level: of compression.
    :param schema: the typed columns; only Parquet uses them.
    :param row_group_bytes: a row group of Parquet ends after about this many bytes of records.
    """

    level: int
    schema: Schema | None
    row_group_bytes: int
