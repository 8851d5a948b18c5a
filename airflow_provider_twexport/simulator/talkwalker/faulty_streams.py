"""The body of a read, and its faults: each function changes the lines as one kind of fault requires."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_twexport.simulator.talkwalker.documents import LINE_START
from airflow_provider_twexport.simulator.talkwalker.streams import KEEPALIVE
from airflow_provider_twexport.simulator.wire import FAULT, break_connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Scope

    from airflow_provider_twexport.simulator.faults import Fault

    Lines = AsyncIterator[bytes]

PIECES_PER_SECOND = 20
CONTROL_START = b'{"chunk_type":"CT_CONTROL"'
FOREIGN_TASK = "ffffffff-ffff-4fff-8fff-ffffffffffff"


class ConnectionCut(Exception):  # noqa: N818 - a test queued this fault, nothing is wrong
    """The connection breaks at this point of the read."""


def is_result(line: bytes) -> bool:
    """Whether a line is a result."""
    return line.startswith(LINE_START)


def is_control(line: bytes) -> bool:
    """Whether a line is a control."""
    return line.startswith(CONTROL_START)


async def with_result_count(lines: Lines) -> AsyncIterator[tuple[int, bytes]]:
    """Pair each line with the number of results before it."""
    results = 0
    async for line in lines:
        yield results, line
        results += is_result(line)


async def cut(lines: Lines, fault: Fault) -> Lines:
    """Break the connection after so many results (`after_results`), inside the next line if `mid_line`."""
    after = fault.get("after_results", 0)
    async for results, line in with_result_count(lines):
        if results >= after and is_result(line):
            if fault.get("mid_line"):
                yield line[: len(line) // 2]
            raise ConnectionCut
        yield line
    raise ConnectionCut


async def ct_error(lines: Lines, fault: Fault) -> Lines:
    """End the body with a CT_ERROR and no control; `after_results`, `code`, `message`."""
    after, code = fault.get("after_results", 0), str(fault.get("code", 25))
    error = {"status_code": code, "status_message": fault.get("message", "The stream got disconnected.")}
    chunk = msgspec.json.encode({"chunk_type": "CT_ERROR", "chunk_error": error}) + b"\n"
    async for results, line in with_result_count(lines):
        if results >= after and is_result(line):
            break
        yield line
    yield chunk


async def wait_ends_early(lines: Lines, fault: Fault) -> Lines:
    """End the body properly, but too early and without a control; `after_results`."""
    after = fault.get("after_results", 0)
    yield await anext(lines)
    async for results, line in with_result_count(lines):
        if results >= after:
            return
        yield line


async def no_final_control(lines: Lines, fault: Fault) -> Lines:
    """Omit the last control; the first stays."""
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
    """Send each `every`-th result twice, or each complete block if `block`."""
    every, block = fault.get("every", 10), fault.get("block", False)
    sent: list[bytes] = []
    async for results, line in with_result_count(lines):
        yield line
        if is_result(line):
            sent.append(line)
            if not block and results % every == every - 1:
                yield line
        elif is_control(line):
            for sent_line in sent if block else ():
                yield sent_line
            sent.clear()


async def foreign(lines: Lines, fault: Fault) -> Lines:
    """Add results of another export, one after each `every`-th result; `task_id`."""
    every, task_id = fault.get("every", 10), fault.get("task_id", FOREIGN_TASK)
    async for results, line in with_result_count(lines):
        yield line
        if is_result(line) and results % every == every - 1:
            yield re.sub(rb'"task_id":"[^"]*"', f'"task_id":"{task_id}"'.encode(), line)


async def unknown_chunk(lines: Lines, fault: Fault) -> Lines:
    """Add a chunk of an undocumented type; `after_results`, `chunk_type`."""
    chunk = msgspec.json.encode(
        {"chunk_type": fault.get("chunk_type", "CT_NEWS"), "chunk_news": {"text": "hello"}}
    )
    async for line in _with_line(lines, fault, chunk + b"\n"):
        yield line


async def garbage_line(lines: Lines, fault: Fault) -> Lines:
    """Add a line that is not JSON; `after_results`, `line`."""
    async for line in _with_line(lines, fault, fault.get("line", "<<<not json>>>").encode() + b"\n"):
        yield line


async def wrong_echo(lines: Lines, fault: Fault) -> Lines:
    """Let the first control have another offset than the requested one; `resume_offset`."""
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
    """Make one line longer with padding beside `chunk_result`; `after_results`, `bytes`."""
    after, size = fault.get("after_results", 0), int(fault.get("bytes", 1_000_000))
    padding = b'{"padding":"' + b"x" * size + b'",'
    async for results, line in with_result_count(lines):
        yield padding + line[1:] if results == after and is_result(line) else line


async def stuck_keepalive(lines: Lines, fault: Fault) -> Lines:
    """Send only blank lines after the first control, one every `seconds`."""
    yield await anext(lines)
    while True:
        await asyncio.sleep(fault.get("seconds", 0.2))
        yield KEEPALIVE


async def _with_line(lines: Lines, fault: Fault, added: bytes) -> Lines:
    after, is_added = fault.get("after_results", 0), False
    async for results, line in with_result_count(lines):
        if results >= after and is_result(line) and not is_added:
            yield added
            is_added = True
        yield line
    if not is_added:
        yield added


FAULTY_STREAMS: dict[str, Callable[[Any, Any], Any]] = {
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


async def body(batches: AsyncIterator[list[bytes]], scope: Scope, *, pretty: bool) -> AsyncIterator[bytes]:
    """Yield the body of a read, with its fault if there is one, and indented if that was requested."""
    fault: Fault | None = scope.get(FAULT)
    make_faulty = FAULTY_STREAMS.get(fault.kind) if fault else None
    pieces = make_faulty(_lines(batches), fault) if make_faulty else _joined(batches)
    if pretty:
        pieces = _indented(pieces)
    try:
        async for piece in pieces:
            yield piece
    except ConnectionCut:
        await break_connection(scope)


async def slowly(body: Lines, bytes_per_second: int) -> Lines:
    """Yield a body piece by piece, at a speed."""
    size = max(1, bytes_per_second // PIECES_PER_SECOND)
    async for piece in body:
        for start in range(0, len(piece), size):
            part = piece[start : start + size]
            await asyncio.sleep(len(part) / bytes_per_second)
            yield part


async def _joined(batches: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    async for lines in batches:
        yield b"".join(lines)


async def _lines(batches: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    async for lines in batches:
        for line in lines:
            yield line


async def _indented(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        for line in piece.split(b"\n"):
            yield _indented_line(line) + b"\n" if line else b""
        if piece == b"\n":
            yield piece


def _indented_line(line: bytes) -> bytes:
    try:
        return json.dumps(json.loads(line), indent=4, ensure_ascii=False).encode()
    except ValueError:
        return line
