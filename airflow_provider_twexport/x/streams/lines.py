"""The bytes of a volume stream become messages: gzip undone as it comes, lines ended by CRLF.

Vendor page "consuming streaming data": a message is followed by CRLF and may hold a lone line feed; an empty line is
a heartbeat. The gzip member of a stream may be cut off anywhere: what was readable by then counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isal import isal_zlib

from airflow_provider_twexport.exceptions import UnexpectedResponseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CRLF = b"\r\n"
MOST_AT_ONCE = 1024 * 1024
_GZIP = b"\x1f\x8b"


def lines(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the whole lines that each block completes, heartbeats as empty ones; a last line without CRLF is dropped.

    A line feed within a message, which JSON has between its tokens at most, becomes a space.

    :param blocks: the body as it comes, compressed or not, cut anywhere.
    :raises UnexpectedResponseError: if it is compressed and damaged.
    """
    begun: list[bytes] = []
    for text in _unpacked(blocks):
        *whole, rest = (begun.pop() + text if begun and begun[-1].endswith(b"\r") else text).split(CRLF)
        if whole:
            begun.append(whole[0])
            whole[0] = b"".join(begun)
            begun = []
            yield [line.replace(b"\n", b" ") if b"\n" in line else line for line in whole]
        if rest:
            begun.append(rest)


def _unpacked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the text of the blocks, at most a megabyte at a time."""
    first, blocks = _begin(iter(blocks))
    if not first.startswith(_GZIP):  # a proxy may have undone it
        yield first
        yield from blocks
        return
    member = isal_zlib.decompressobj(wbits=31)
    for packed in _and(first, blocks):
        while packed:
            text, packed, member = _next(member, packed)
            yield text


def _next(member: Any, packed: bytes) -> tuple[bytes, bytes, Any]:
    """Return some text, what is still packed, and the gzip member that this belongs to."""
    try:
        text = member.decompress(packed, MOST_AT_ONCE)
    except isal_zlib.error as error:  # type: ignore[misc]
        raise UnexpectedResponseError(f"The stream is damaged ({error}).") from None
    if member.eof:
        return text, member.unused_data, isal_zlib.decompressobj(wbits=31)
    return text, member.unconsumed_tail, member


def _begin(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return enough of the begin to tell what it is, and the rest."""
    first = b""
    for block in blocks:
        first += block
        if len(first) >= len(_GZIP):
            break
    return first, blocks


def _and(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks
