"""The body of a read: lines joined to large pieces, spoiled or pretty-printed when that was ordered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_twexport.simulator.talkwalker.faulty_streams import SPOILED, HungUp
from airflow_provider_twexport.simulator.wire import FAULT, hang_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Scope


async def send_lines(
    batches: AsyncIterator[list[bytes]], scope: Scope, *, pretty: bool
) -> AsyncIterator[bytes]:
    """Turn the batches of a read into what goes over the wire."""
    fault: Any = scope.get(FAULT)
    spoil = SPOILED.get(fault.kind) if fault else None
    pieces = spoil(_single(batches), fault) if spoil else _joined(batches)
    if pretty:
        pieces = _pretty(pieces)
    try:
        async for piece in pieces:
            yield piece
    except HungUp:
        await hang_up(scope)


async def _joined(batches: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    async for lines in batches:
        yield b"".join(lines)


async def _single(batches: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    async for lines in batches:
        for line in lines:
            yield line


async def _pretty(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        for line in piece.split(b"\n"):
            yield _indented(line) + b"\n" if line else b""
        if piece == b"\n":
            yield piece


def _indented(line: bytes) -> bytes:
    try:
        return json.dumps(json.loads(line), indent=4, ensure_ascii=False).encode()
    except ValueError:
        return line
