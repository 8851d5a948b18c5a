"""Framing of a results body: blocks of bytes become pieces of whole chunks, whatever the sizes of the blocks."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_twexport.exceptions import ReadInterruptedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_CHUNK_BYTES = 16 * 1024 * 1024


def whole_chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Cut a body into pieces of whole chunks, whatever the sizes of its blocks.

    Lines end at ``\n`` and nowhere else: U+2028 and its like are data. A pretty-printed body, told by its first
    line, is cut behind each ``}`` in the first column. Keep-alive lines come as empty pieces.

    :raises ReadInterruptedError: if a chunk is longer than 16 MiB.
    """
    blocks = iter(blocks)
    begun = b""
    for block in blocks:
        begun = (begun + block).lstrip()
        first, newline, _ = begun.partition(b"\n")
        if newline:
            cut = _cut_lines if _is_whole(first) else _cut_pretty
            yield from cut(chain((begun,), blocks))
            return
        _check_length(len(begun))
        yield b""
    yield begun


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def _cut_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    begun: list[bytes] = []
    for block in blocks:
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((*begun, memoryview(block)[:end]))
            begun = []
        begun.append(block[end:])
        _check_length(sum(map(len, begun)))
    yield b"".join(begun)


def _cut_pretty(blocks: Iterable[bytes]) -> Iterator[bytes]:
    begun = bytearray()
    for block in blocks:
        begun += block
        end = begun.rfind(b"\n}") + 2
        if end > 1:
            yield bytes(begun[:end])
            del begun[:end]
        else:
            yield b""
        _check_length(len(begun))
    yield bytes(begun)


def _check_length(length: int) -> None:
    if length > MAX_CHUNK_BYTES:
        raise ReadInterruptedError(f"A chunk is longer than {MAX_CHUNK_BYTES:,} bytes; refused.")
