"""How records become the bytes of a part: one declaration per file format."""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from airflow_provider_twexport.exceptions import (
    CorruptPartError,
    InvalidCompressionLevelError,
    UnsupportedFormatError,
)
from airflow_provider_twexport.storage.json_lines import CompressedLines, PlainLines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_provider_twexport.core.schema import Schema

READ_BLOCK = 1024 * 1024
ROW_GROUP_BYTES = 8 * 1024 * 1024


class Encoder(Protocol):
    """Turns the records of one part into its bytes, a bit at a time."""

    @property
    def under_way(self) -> int:
        """About how many bytes are still to come of the records so far."""

    @property
    def coercion_failures(self) -> Mapping[str, int]:
        """How many records have a value that does not fit its column, by column; final after ``finish``."""

    def encode(self, records: Sequence[bytes]) -> bytes:
        """Take records and return the bytes that are ready; the rest comes later."""

    def finish(self) -> bytes:
        """Return the last bytes."""

    def close(self) -> None:
        """Let go of everything, finished or not; a second time does no harm."""


@dataclass(frozen=True, slots=True)
class EncodingOptions:
    """How the records of a part are written.

    :param level: of compression.
    :param schema: the typed columns; only Parquet has them.
    :param row_group_bytes: a row group of Parquet ends after about so many bytes of records.
    """

    level: int
    schema: Schema | None
    row_group_bytes: int


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file format and its two directions.

    :param name: as users write it; also the suffix of each part.
    :param encoder: makes the encoder of one part; raises :class:`UnsupportedFormatError` where something is missing
        for that.
    :param decode: gives a part's records back, in the order they were written, in constant memory; raises
        :class:`CorruptPartError`.
    :param levels: the compression levels there are.
    :param default_level: the one to take where nobody chose.
    """

    name: str
    encoder: Callable[[EncodingOptions], Encoder]
    decode: Callable[[BinaryIO], Iterator[Sequence[bytes]]]
    levels: range = range(0)
    default_level: int = 0

    def level(self, chosen: int | None) -> int:
        """Return the compression level to use.

        :param chosen: ``None`` for the default.
        :raises InvalidCompressionLevelError: there is no such level.
        """
        if chosen is None:
            return self.default_level
        if chosen not in self.levels:
            raise InvalidCompressionLevelError(self._no_such_level(chosen))
        return chosen

    def _no_such_level(self, chosen: int) -> str:
        if not self.levels:
            return f"compression_level {chosen!r}: {self.name} is not compressed, so leave the level out."
        return (
            f"compression_level {chosen!r} is not one of {self.name}: "
            f"choose {self.levels[0]} to {self.levels[-1]}."
        )


def _plain(written: EncodingOptions) -> Encoder:
    return PlainLines()


def _gzip(written: EncodingOptions) -> Encoder:
    from isal import isal_zlib

    # As the header of gzip it writes one without time and name, so equal records give equal bytes.
    return CompressedLines(partial(isal_zlib.compress, level=written.level, wbits=31))


def _zstd(written: EncodingOptions) -> Encoder:
    zstd = _zstd_library()
    parameters = zstd.CompressionParameter
    options: dict[int, int] = {parameters.compression_level: written.level, parameters.checksum_flag: 1}
    return CompressedLines(partial(zstd.compress, options=options))


def _zstd_library() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _decode_lines(file: _Readable) -> Iterator[Sequence[bytes]]:
    begun = b""
    while block := file.read(READ_BLOCK):
        *lines, begun = (begun + block).split(b"\n")
        yield lines
    if begun:
        msg = "ends within a line"
        raise CorruptPartError(msg)


def _decode_gzip(file: BinaryIO) -> Iterator[Sequence[bytes]]:
    from isal import igzip, igzip_lib

    try:
        with igzip.IGzipFile(fileobj=file) as lines:  # type: ignore[no-untyped-call]
            yield from _decode_lines(lines)
    except (EOFError, gzip.BadGzipFile, igzip_lib.IsalError) as error:  # type: ignore[misc]
        msg = f"is not whole gzip ({error})"
        raise CorruptPartError(msg) from error


def _decode_zstd(file: BinaryIO) -> Iterator[Sequence[bytes]]:
    zstd = _zstd_library()
    try:
        with zstd.ZstdFile(file) as lines:
            yield from _decode_lines(lines)
    except (EOFError, zstd.ZstdError) as error:
        msg = f"is not whole zstd ({error})"
        raise CorruptPartError(msg) from error


def _parquet(written: EncodingOptions) -> Encoder:
    if written.schema is None:
        msg = "file_format 'parquet' needs typed columns, which these results have not: choose a kind of JSON Lines."
        raise UnsupportedFormatError(msg)
    from airflow_provider_twexport.storage.parquet import ParquetEncoder

    try:
        return ParquetEncoder(written.schema, level=written.level, row_group_bytes=written.row_group_bytes)
    except ImportError as error:
        msg = "file_format 'parquet' needs pyarrow: install airflow-provider-twexport[parquet]."
        raise UnsupportedFormatError(msg) from error


def _decode_parquet(file: BinaryIO) -> Iterator[Sequence[bytes]]:
    from airflow_provider_twexport.storage.parquet import decode

    # Its index lies at the end, but a part is read once from front to back, to be digested on the way.
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy, READ_BLOCK)
        yield from decode(copy)


def _refuse(written: EncodingOptions) -> Encoder:
    msg = "file_format 'files' is for files that are copied as they are: choose another for results."
    raise UnsupportedFormatError(msg)


def _decode_nothing(file: BinaryIO) -> Iterator[Sequence[bytes]]:
    # a file that was copied is one result, whatever is in it
    yield [b""]


FORMATS = {
    file_format.name: file_format
    for file_format in (
        FileFormat("jsonl", _plain, _decode_lines),
        FileFormat("jsonl.gz", _gzip, _decode_gzip, levels=range(4), default_level=2),
        FileFormat("jsonl.zst", _zstd, _decode_zstd, levels=range(1, 23), default_level=3),
        FileFormat("parquet", _parquet, _decode_parquet, levels=range(1, 23), default_level=1),
    )
}


AS_IS = FileFormat("files", _refuse, _decode_nothing)


def of_landing(name: str) -> FileFormat:
    """Return the declaration of the format that a manifest names.

    :raises UnsupportedFormatError: there is none of that name.
    """
    return AS_IS if name == AS_IS.name else by_name(name)


def by_name(name: str) -> FileFormat:
    """Return the declaration of a file format.

    :raises UnsupportedFormatError: there is none of that name.
    """
    if name not in FORMATS:
        msg = f"file_format {name!r} is not supported: choose one of {', '.join(FORMATS)}."
        raise UnsupportedFormatError(msg)
    return FORMATS[name]
