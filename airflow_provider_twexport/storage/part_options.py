"""How results are written to parts; the one declaration of these options for everything that lands results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.storage import formats
from airflow_provider_twexport.storage.encoding import EncodingOptions

if TYPE_CHECKING:
    from airflow_provider_twexport.core.schema import Schema
    from airflow_provider_twexport.storage.encoding import Encoder
    from airflow_provider_twexport.storage.formats import FileFormat
    from airflow_provider_twexport.storage.part_writer import PartWriter

MAX_PART_BYTES = 64 * 1024 * 1024
ROW_GROUP_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PartOptions:
    """The file format of the parts of a landing, and where a part ends.

    :param file_format: ``jsonl``, ``jsonl.gz``, ``jsonl.zst``, or ``parquet``, which has typed columns and the complete
        result in one more column.
    :param compression_level: 0 to 3 for ``jsonl.gz``, 1 to 22 for ``jsonl.zst`` and ``parquet``; ``None`` for the
        format's default.
    :param max_part_bytes: a part ends at the first cursor after about this many bytes, as written.
    :param max_part_results: and at the first cursor after this many results; ``None`` for no such bound.
    :param row_group_bytes: a row group of Parquet ends after about this many bytes of results, as received; a larger
        one needs more memory.
    :raises InvalidRequestError: a size is not a number above 0.
    :raises UnsupportedFormatError: the file format does not exist.
    :raises InvalidCompressionLevelError: the file format does not have this compression level.
    """

    file_format: str = "jsonl.gz"
    compression_level: int | None = None
    max_part_bytes: int = MAX_PART_BYTES
    max_part_results: int | None = None
    row_group_bytes: int = ROW_GROUP_BYTES

    def __post_init__(self) -> None:
        self.format.level(self.compression_level)
        for name in ("max_part_bytes", "max_part_results", "row_group_bytes"):
            size = getattr(self, name)
            if size is None and name == "max_part_results":
                continue
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise InvalidRequestError(
                    f"{name}={size!r} is not a number above 0, such as 64 * 1024 * 1024."
                )

    @property
    def format(self) -> FileFormat:
        """Return the declaration of the file format."""
        return formats.by_name(self.file_format)

    def encoder(self, schema: Schema | None) -> Encoder:
        """Return an encoder for one part.

        :param schema: the typed columns of the results; Parquet needs them.
        :raises UnsupportedFormatError: the results have no typed columns, or a package is missing.
        """
        level = self.format.level(self.compression_level)
        return self.format.encoder(EncodingOptions(level, schema, self.row_group_bytes))

    def is_full(self, part: PartWriter) -> bool:
        """Return whether a part should end at the next cursor."""
        if self.max_part_results is not None and part.results >= self.max_part_results:
            return True
        return part.expected_bytes >= self.max_part_bytes
