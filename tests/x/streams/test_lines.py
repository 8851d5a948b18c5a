"""Framing: whatever the network does to the bytes, the same messages come out."""

from __future__ import annotations

import zlib
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_twexport.exceptions import ReadInterruptedError
from airflow_provider_twexport.x.streams.lines import lines

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES = st.lists(
    st.binary(max_size=40).map(lambda one: one.replace(b"\r\n", b"\r").rstrip(b"\r")), max_size=30
)


def packed(pieces: list[bytes], *, trailer: bool) -> bytes:
    """Return gzip, flushed after each piece, with or without its end."""
    gzip = zlib.compressobj(1, zlib.DEFLATED, 31)
    body = b"".join(gzip.compress(piece) + gzip.flush(zlib.Z_SYNC_FLUSH) for piece in pieces)
    return body + gzip.flush() if trailer else body


def chopped(body: bytes, edges: list[int]) -> Iterator[bytes]:
    """Cut a body at some places."""
    places = sorted({0, len(body), *(edge % (len(body) + 1) for edge in edges)})
    return (body[start:stop] for start, stop in pairwise(places))


def messages(body: Iterator[bytes]) -> list[bytes]:
    """Return all lines."""
    return list(chain.from_iterable(lines(body)))


@given(MESSAGES, st.lists(st.integers(0, 10_000), max_size=40), st.booleans(), st.integers(1, 3))
def test_any_cut_gives_the_same_messages(
    sent: list[bytes], edges: list[int], trailer: bool, members: int
) -> None:
    """Cuts within CRLF or a header, heartbeats, lone line feeds, many members and a missing end change nothing."""
    pieces = [one + b"\r\n" for one in sent]
    whole = packed(pieces, trailer=True) * (members - 1) + packed(pieces, trailer=trailer)
    assert messages(chopped(whole, edges)) == [one.replace(b"\n", b" ") for one in sent] * members


@given(MESSAGES, st.lists(st.integers(0, 10_000), max_size=40))
def test_a_stream_that_a_proxy_decompressed_is_read_too(sent: list[bytes], edges: list[int]) -> None:
    """A body without gzip header is read as it is."""
    body = b"\r\n" + b"".join(one + b"\r\n" for one in sent)
    assert messages(chopped(body, edges)) == [b"", *(one.replace(b"\n", b" ") for one in sent)]


def test_32_megabytes_in_one_member_come_in_pieces() -> None:
    """At most a megabyte is decompressed at a time."""
    posts = [b'{"id":%d,"text":"%s"}' % (number, b"a" * 2_000) for number in range(16_000)]
    gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = gzip.compress(b"\r\n".join(posts) + b"\r\n") + gzip.flush()
    assert sum(map(len, posts)) > 32_000_000
    got = list(lines([body]))
    assert max(sum(map(len, some)) for some in got) < 2 * 1024 * 1024
    assert list(chain.from_iterable(got)) == posts


def test_a_cut_last_line_is_not_a_message() -> None:
    """A line counts only when its CRLF has arrived."""
    assert messages(iter([packed([b'{"id":1}\r\n{"id"'], trailer=False)])) == [b'{"id":1}']


def test_a_damaged_stream_is_an_error() -> None:
    """Damage is not mistaken for the end of the stream."""
    with pytest.raises(ReadInterruptedError, match="damaged"):
        messages(iter([packed([b"{}\r\n"], trailer=False) + b"\xff" * 100]))
