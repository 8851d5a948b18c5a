"""Reads that go wrong on the way: each function changes the lines of a read as one fault says."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.talkwalker.documents import LINE_START
from airflow_provider_twexport.simulator.talkwalker.streams import KEEPALIVE
from airflow_provider_twexport.simulator.wire import FAULT, hang_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from airflow_provider_twexport.simulator.faults import Fault

    Lines = AsyncIterator[bytes]
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


CONTROL_START = b'{"chunk_type":"CT_CONTROL"'
FOREIGN_TASK = "ffffffff-ffff-4fff-8fff-ffffffffffff"


class HungUp(Exception):  # noqa: N818 - nothing went wrong here, the fault was ordered
    """The connection breaks at this point of the read."""


def is_result(line: bytes) -> bool:
    """Tell results from controls and blank lines."""
    return line.startswith(LINE_START)


def is_control(line: bytes) -> bool:
    """Tell controls from everything else."""
    return line.startswith(CONTROL_START)


async def numbered(lines: Lines) -> AsyncIterator[tuple[int, bytes]]:
    """Pair each line with the number of results before it."""
    results = 0
    async for line in lines:
        yield results, line
        results += is_result(line)


async def cut(lines: Lines, fault: Fault) -> Lines:
    """Break the connection after so many results, perhaps in the middle of the next line."""
    after = fault.get("after_results", 0)
    async for results, line in numbered(lines):
        if results >= after and is_result(line):
            if fault.get("mid_line"):
                yield line[: len(line) // 2]
            raise HungUp
        yield line
    raise HungUp


async def ct_error(lines: Lines, fault: Fault) -> Lines:
    """End the body with a CT_ERROR, and no control after it."""
    after, code = fault.get("after_results", 0), str(fault.get("code", 25))
    error = {"status_code": code, "status_message": fault.get("message", "The stream got disconnected.")}
    chunk = msgspec.json.encode({"chunk_type": "CT_ERROR", "chunk_error": error}) + b"\n"
    async for results, line in numbered(lines):
        if results >= after and is_result(line):
            break
        yield line
    yield chunk


async def wait_ends_early(lines: Lines, fault: Fault) -> Lines:
    """End the body in good order, but before everything was said and without a control."""
    after = fault.get("after_results", 0)
    yield await anext(lines)
    async for results, line in numbered(lines):
        if results >= after:
            return
        yield line


async def no_final_control(lines: Lines, fault: Fault) -> Lines:
    """Leave the last control out; the first stays."""
    held = b""
    async for line in lines:
        if held:
            yield held
        held = b""
        if is_control(line):
            held = line
        else:
            yield line


async def duplicate(lines: Lines, fault: Fault) -> Lines:
    """Send every n-th result twice, or (`block`) each finished block once more."""
    every, block = fault.get("every", 10), fault.get("block", False)
    sent: list[bytes] = []
    async for results, line in numbered(lines):
        yield line
        if is_result(line):
            sent.append(line)
            if not block and results % every == every - 1:
                yield line
        elif is_control(line):
            for again in sent if block else ():
                yield again
            sent.clear()


async def foreign(lines: Lines, fault: Fault) -> Lines:
    """Mix in results of another export."""
    every, task_id = fault.get("every", 10), fault.get("task_id", FOREIGN_TASK)
    async for results, line in numbered(lines):
        yield line
        if is_result(line) and results % every == every - 1:
            yield re.sub(rb'"task_id":"[^"]*"', f'"task_id":"{task_id}"'.encode(), line)


async def unknown_chunk(lines: Lines, fault: Fault) -> Lines:
    """Add a chunk of a type that no document knows."""
    chunk = msgspec.json.encode(
        {"chunk_type": fault.get("chunk_type", "CT_NEWS"), "chunk_news": {"text": "hello"}}
    )
    async for line in _with_line(lines, fault, chunk + b"\n"):
        yield line


async def garbage_line(lines: Lines, fault: Fault) -> Lines:
    """Add a line that is not JSON."""
    async for line in _with_line(lines, fault, fault.get("line", "<<<not json>>>").encode() + b"\n"):
        yield line


async def wrong_echo(lines: Lines, fault: Fault) -> Lines:
    """Let the first control tell another offset than the requested one."""
    offset = fault.get("resume_offset", "EgEB")
    first = True
    async for line in lines:
        yield (
            re.sub(rb'"resume_offset":"[^"]*"', f'"resume_offset":"{offset}"'.encode(), line)
            if first
            else line
        )
        first = False


async def long_line(lines: Lines, fault: Fault) -> Lines:
    """Blow one line up with a neighbour of `chunk_result`; the result itself stays as it is."""
    after, size = fault.get("after_results", 0), int(fault.get("bytes", 1_000_000))
    padding = b'{"padding":"' + b"x" * size + b'",'
    async for results, line in numbered(lines):
        yield padding + line[1:] if results == after and is_result(line) else line


async def stuck_keepalive(lines: Lines, fault: Fault) -> Lines:
    """Send nothing but blank lines after the first control."""
    yield await anext(lines)
    while True:
        await asyncio.sleep(fault.get("seconds", 0.2))
        yield KEEPALIVE


async def _with_line(lines: Lines, fault: Fault, added: bytes) -> Lines:
    after, done = fault.get("after_results", 0), False
    async for results, line in numbered(lines):
        if results >= after and is_result(line) and not done:
            yield added
            done = True
        yield line
    if not done:
        yield added


SPOILED: dict[str, Callable[[Any, Any], Any]] = {
    function.__name__: function
    for function in (
        cut,
        ct_error,
        wait_ends_early,
        no_final_control,
        duplicate,
        foreign,
        unknown_chunk,
        garbage_line,
        wrong_echo,
        long_line,
        stuck_keepalive,
    )
}
