"""How records become the bytes of a part: one declaration per file format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from airflow_provider_twexport.clients.errors import FixRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

READ_BLOCK = 1024 * 1024


class ChooseFileFormatError(FixRequestError):
    """No such file format: choose one of those named."""


class DamagedPartError(Exception):
    """The bytes of a part are not what its format says; the landing has to be made again."""


class Encoder(Protocol):
    """Turns the records of one part into its bytes, a bit at a time."""

    def encode(self, records: Sequence[bytes]) -> bytes:
        """Return the bytes that are ready; the rest comes later."""

    def finish(self) -> bytes:
        """Return the last bytes."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file format and its two directions.

    :param name: as users write it; also the suffix of each part.
    :param encoder: makes the encoder of one part.
    :param decode: gives a part's records back, in the order they were written, in constant memory; raises
        :class:`DamagedPartError`.
    """

    name: str
    encoder: Callable[[], Encoder]
    decode: Callable[[BinaryIO], Iterator[Sequence[bytes]]]


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _Stored:
    """A compressor that does not."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class _Lines:
    """JSON Lines: each record as it came and a line feed, sent through a compressor."""

    def __init__(self, compressor: _Compressor) -> None:
        self._compressor = compressor

    def encode(self, records: Sequence[bytes]) -> bytes:
        return self._compressor.compress(b"\n".join(records) + b"\n") if records else b""

    def finish(self) -> bytes:
        return self._compressor.flush()


def _gzip_encoder() -> Encoder:
    import zlib

    # Level 6 makes a fifth fewer bytes, but takes three times as long. zlib writes no time into its header, so
    # equal records give equal bytes.
    return _Lines(zlib.compressobj(level=2, wbits=31))


def _decode_lines(file: BinaryIO) -> Iterator[Sequence[bytes]]:
    begun = b""
    while block := file.read(READ_BLOCK):
        *lines, begun = (begun + block).split(b"\n")
        yield lines
    if begun:
        msg = "ends within a line"
        raise DamagedPartError(msg)


def _decode_gzip(file: BinaryIO) -> Iterator[Sequence[bytes]]:
    import gzip
    import zlib

    try:
        with gzip.GzipFile(fileobj=file) as lines:
            yield from _decode_lines(lines)  # type: ignore[arg-type]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        msg = f"is not whole gzip ({error})"
        raise DamagedPartError(msg) from error


FORMATS = {
    file_format.name: file_format
    for file_format in (
        FileFormat("jsonl", lambda: _Lines(_Stored()), _decode_lines),
        FileFormat("jsonl.gz", _gzip_encoder, _decode_gzip),
    )
}


def by_name(name: str) -> FileFormat:
    """Return the declaration of a file format.

    :raises ChooseFileFormatError: there is none of that name.
    """
    if name not in FORMATS:
        msg = f"file_format {name!r} is not supported: choose one of {', '.join(FORMATS)}."
        raise ChooseFileFormatError(msg)
    return FORMATS[name]
