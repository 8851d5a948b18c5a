"""The bytes of a volume stream become lines: gzip is decompressed as it arrives, and CRLF or LF ends a line.

Vendor page "consuming streaming data": CRLF follows a message, which may contain a lone line feed; an empty line is a
heartbeat. What X says itself may end in LF only (captured in 2018), or be spread over several lines. So lines that are
one JSON document together become one line. The gzip member of a stream may end anywhere: what can be decompressed of
it counts.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

from isal import isal_zlib

from airflow_provider_twexport.core.json_documents import load
from airflow_provider_twexport.exceptions import ReadInterruptedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MAX_DECOMPRESSED_BYTES = 1024 * 1024
# a post has about 10 kB
MAX_LINE_BYTES = 16 * 1024 * 1024
# what is spread over more lines is taken line by line
MAX_SPREAD_LINES = 1_000
# so many documents of their own are not parts of one that is spread
MAX_WHOLE_LINES = 3
_GZIP = b"\x1f\x8b"
# how a line may begin within a document
_WITHIN = re.compile(rb'\s*(?:[][{}",:0-9-]|true|false|null)')
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')


def lines(
    blocks: Iterable[bytes], is_document: Callable[[bytes], bool] | None = None
) -> Iterator[list[bytes]]:
    """Yield the lines that each block completes, heartbeats as empty lines, and what remains at the end.

    A line feed within a document, which JSON can have only between its tokens, becomes a space. A document that is
    cut off at the end is dropped.

    :param blocks: the body as it arrives, compressed or not, cut anywhere.
    :param is_document: returns whether a line is one JSON document.
    :raises ReadInterruptedError: if it breaks off, is compressed and damaged, or has a line of 16 MiB.
    """
    framer = _Framer(is_document or is_json)
    try:
        for text in _decompressed(blocks):
            if found := framer.add(text):
                yield found
    except ReadInterruptedError:
        if found := framer.end():
            yield found
        raise
    if found := framer.end():
        yield found


def is_json(line: bytes) -> bool:
    """Return whether a line is one JSON document in UTF-8."""
    try:
        load(line)
    except ValueError:
        return False
    return True


class _Framer:
    """Puts lines together.

    :param is_document: returns whether a line is one JSON document.
    """

    def __init__(self, is_document: Callable[[bytes], bool]) -> None:
        self._is_document = is_document
        self._pieces: list[bytes] = []  # of a line that has not ended yet
        self._size = 0
        self._spread: list[bytes] = []  # the lines so far of a document that has not ended yet
        self._depth = 0
        self._whole = 0

    def add(self, text: bytes) -> list[bytes]:
        """Return the lines that a piece of text completes."""
        *ended, rest = text.split(b"\n")
        found: list[bytes] = []
        if ended and self._pieces:
            ended[0] = b"".join([*self._pieces, ended[0]])
        if ended:
            self._pieces, self._size = [], 0
        if rest:
            self._pieces.append(rest)
            self._size += len(rest)
            if self._size > MAX_LINE_BYTES:
                raise ReadInterruptedError(f"X sends a line of more than {MAX_LINE_BYTES:,} bytes.")
        for line in ended:
            self._take(line.removesuffix(b"\r"), found)
        return found

    def end(self) -> list[bytes]:
        """Return the last lines, which nothing ended."""
        found: list[bytes] = []
        last = b"".join(self._pieces).removesuffix(b"\r")
        if last.strip():
            self._take(last, found)
        self._pieces, is_cut = [], bool(self._spread) or last.lstrip().startswith(b"{")
        self._release(found)
        # a document that the end of the connection cut off comes again
        while is_cut and found and not self._is_document(found[-1]):
            found.pop()
        return found

    def _take(self, line: bytes, found: list[bytes]) -> None:
        if self._spread and not _WITHIN.match(line):
            # last words behind a broken document
            self._release(found)
        if not line or line.isspace():
            self._release(found)
            found.append(b"")
        elif not self._spread and self._is_document(line):
            found.append(line)
        elif self._spread or line.lstrip()[:1] in (b"{", b"["):
            self._continue(line, found)
        else:
            found.append(line)

    def _continue(self, line: bytes, found: list[bytes]) -> None:
        """Add a line to a document that is spread over several."""
        self._spread.append(line)
        bare = _STRINGS.sub(b"", line)
        self._depth += sum(bare.count(one) for one in (b"{", b"[")) - sum(
            bare.count(one) for one in (b"}", b"]")
        )
        self._whole += line.startswith(b'{"') and self._is_document(line)
        is_spread = self._whole < MAX_WHOLE_LINES and len(self._spread) < MAX_SPREAD_LINES
        if b'"' in bare or self._depth < 0 or not is_spread:
            self._release(found)
        elif not self._depth:
            whole = b" ".join(self._spread)
            if self._is_document(whole):
                self._spread = []
                found.append(whole)
            self._release(found)

    def _release(self, found: list[bytes]) -> None:
        """Give up a document that does not become whole: its first line is none, and the others may be."""
        while self._spread:
            first, *others = self._spread
            self._spread, self._depth = [], 0
            found.append(first)
            for line in others:
                if self._spread or not self._is_document(line):
                    self._spread.append(line)
                else:
                    found.append(line)
        self._depth = self._whole = 0


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
