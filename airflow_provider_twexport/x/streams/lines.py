"""The bytes of a volume stream become lines: gzip is decompressed as it arrives, and CRLF ends a line.

Vendor page "consuming streaming data": CRLF follows a message, which may contain a lone line feed; an empty line is a
heartbeat. The gzip member of a stream may end anywhere: what can be decompressed of it counts.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from isal import isal_zlib

from airflow_provider_twexport.exceptions import ReadInterruptedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CRLF = b"\r\n"
MAX_DECOMPRESSED_BYTES = 1024 * 1024
_GZIP = b"\x1f\x8b"


def lines(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines that each block completes, heartbeats as empty lines; a last line without CRLF is dropped.

    A line feed within a message, which JSON can have only between its tokens, becomes a space.

    :param blocks: the body as it arrives, compressed or not, cut anywhere.
    :raises ReadInterruptedError: if it is compressed and damaged.
    """
    pieces: list[bytes] = []  # of a line that has not ended yet
    for text in _decompressed(blocks):
        *whole, rest = (pieces.pop() + text if pieces and pieces[-1].endswith(b"\r") else text).split(CRLF)
        if whole:
            pieces.append(whole[0])
            whole[0] = b"".join(pieces)
            pieces = []
            yield [line.replace(b"\n", b" ") if b"\n" in line else line for line in whole]
        if rest:
            pieces.append(rest)


def _decompressed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the text of the blocks, at most a megabyte at a time."""
    remaining = iter(blocks)
    first = _first_bytes(remaining)
    if not first.startswith(_GZIP):  # a proxy may have decompressed it
        yield first
        yield from remaining
        return
    member = isal_zlib.decompressobj(wbits=31)
    for compressed in chain([first], remaining):
        while compressed:
            text, compressed, member = _decompress(member, compressed)
            yield text


def _decompress(member: Any, compressed: bytes) -> tuple[bytes, bytes, Any]:
    """Return some text, the bytes still to decompress, and the gzip member that they belong to."""
    try:
        text = member.decompress(compressed, MAX_DECOMPRESSED_BYTES)
    except isal_zlib.error as error:  # type: ignore[misc]
        raise ReadInterruptedError(f"The compressed stream is damaged ({error}).") from None
    if member.eof:
        return text, member.unused_data, isal_zlib.decompressobj(wbits=31)
    return text, member.unconsumed_tail, member


def _first_bytes(blocks: Iterator[bytes]) -> bytes:
    """Return enough of the first blocks to see whether they are compressed."""
    first = b""
    for block in blocks:
        first += block
        if len(first) >= len(_GZIP):
            break
    return first
