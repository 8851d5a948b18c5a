"""The file formats: one declaration each."""

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
from airflow_provider_twexport.storage.encoding import READ_BLOCK
from airflow_provider_twexport.storage.json_lines import CompressedLines, PlainLines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_provider_twexport.storage.encoding import Encoder, EncodingOptions


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file format: how to write it and how to read it.

    :param name: as users write it; also the suffix of each part.
    :param encoder: makes the encoder of one part; raises :class:`UnsupportedFormatError` if it cannot.
    :param decode: yields a part's records in the order they were written, in constant memory; raises
        :class:`CorruptPartError`.
    :param levels: the valid compression levels.
    :param default_level: the level to use if nobody chose one.
    :param has_columns: whether a part declares its columns, so that one without rows says something.
    """

    name: str
    encoder: Callable[[EncodingOptions], Encoder]
    decode: Callable[[BinaryIO], Iterator[Sequence[bytes]]]
    levels: range = range(0)
    default_level: int = 0
    has_columns: bool = False

    def level(self, chosen: int | None) -> int:
        """Return the compression level to use.

        :param chosen: ``None`` for the default.
        :raises InvalidCompressionLevelError: the format does not have it.
        """
        if chosen is None:
            return self.default_level
        if chosen not in self.levels:
            raise InvalidCompressionLevelError(self._invalid_level(chosen))
        return chosen

    def _invalid_level(self, chosen: int) -> str:
        if not self.levels:
            return f"compression_level {chosen!r}: {self.name} is not compressed: omit the level."
        return (
            f"compression_level {chosen!r} is not one of {self.name}: "
            f"choose {self.levels[0]} to {self.levels[-1]}."
        )


def _plain(options: EncodingOptions) -> Encoder:
    return PlainLines()


def _gzip(options: EncodingOptions) -> Encoder:
    from isal import isal_zlib

    # The gzip header has no time and no name, so equal records give equal bytes.
    return CompressedLines(partial(isal_zlib.compress, level=options.level, wbits=31))


def _zstd(options: EncodingOptions) -> Encoder:
    zstd = _zstd_library()
    parameters = zstd.CompressionParameter
    settings: dict[int, int] = {parameters.compression_level: options.level, parameters.checksum_flag: 1}
    return CompressedLines(partial(zstd.compress, options=settings))


def _zstd_library() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _decode_lines(file: _Readable) -> Iterator[Sequence[bytes]]:
    partial_line = b""
    while block := file.read(READ_BLOCK):
        *lines, partial_line = (partial_line + block).split(b"\n")
        yield lines
    if partial_line:
        msg = "ends within a line"
        raise CorruptPartError(msg)


def _decode_gzip(file: BinaryIO) -> Iterator[Sequence[bytes]]:
    from isal import igzip, igzip_lib

    try:
        with igzip.IGzipFile(fileobj=file) as lines:  # type: ignore[no-untyped-call]
            yield from _decode_lines(lines)
    except (EOFError, gzip.BadGzipFile, igzip_lib.IsalError) as error:  # type: ignore[misc]
        msg = f"is not complete gzip ({error})"
        raise CorruptPartError(msg) from error


def _decode_zstd(file: BinaryIO) -> Iterator[Sequence[bytes]]:
    zstd = _zstd_library()
    try:
        with zstd.ZstdFile(file) as lines:
            yield from _decode_lines(lines)
    except (EOFError, zstd.ZstdError) as error:
        msg = f"is not complete zstd ({error})"
        raise CorruptPartError(msg) from error


def _parquet(options: EncodingOptions) -> Encoder:
    if options.schema is None:
        msg = "file_format 'parquet' needs typed columns, and these results have none: choose a JSON Lines format."
        raise UnsupportedFormatError(msg)
    from airflow_provider_twexport.storage.parquet import ParquetEncoder

    try:
        return ParquetEncoder(options.schema, level=options.level, row_group_bytes=options.row_group_bytes)
    except ImportError as error:
        msg = "file_format 'parquet' needs pyarrow: install airflow-provider-twexport[parquet]."
        raise UnsupportedFormatError(msg) from error


def _decode_parquet(file: BinaryIO) -> Iterator[Sequence[bytes]]:
    from airflow_provider_twexport.storage.parquet import decode

    # Parquet's index is at the end of the file, but a part is read once from start to end, to compute its digest.
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy, READ_BLOCK)
        yield from decode(copy)


def _refuse(options: EncodingOptions) -> Encoder:
    msg = "file_format 'files' is for files that are copied unchanged: choose another one for results."
    raise UnsupportedFormatError(msg)


def _decode_nothing(file: BinaryIO) -> Iterator[Sequence[bytes]]:
    # a copied file counts as one result, whatever it contains
    yield [b""]


FORMATS = {
    file_format.name: file_format
    for file_format in (
        FileFormat("jsonl", _plain, _decode_lines),
        FileFormat("jsonl.gz", _gzip, _decode_gzip, levels=range(4), default_level=2),
        FileFormat("jsonl.zst", _zstd, _decode_zstd, levels=range(1, 23), default_level=3),
        FileFormat(
            "parquet", _parquet, _decode_parquet, levels=range(1, 23), default_level=1, has_columns=True
        ),
    )
}

AS_IS = FileFormat("files", _refuse, _decode_nothing)


def of_landing(name: str) -> FileFormat:
    """Return the format that a manifest names.

    :raises UnsupportedFormatError: no format has that name.
    """
    return AS_IS if name == AS_IS.name else by_name(name)


def by_name(name: str) -> FileFormat:
    """Return the format that a user names.

    :raises UnsupportedFormatError: no format has that name.
    """
    if name not in FORMATS:
        msg = f"file_format {name!r} is not supported: choose one of {', '.join(FORMATS)}."
        raise UnsupportedFormatError(msg)
    return FORMATS[name]
