"""Framing: whatever the network does to the bytes, the same messages come out."""

from __future__ import annotations

import json
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

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=4).map(lambda one: json.dumps(one).encode())
# messages end in CRLF, or in LF as X's own do; an empty one is a heartbeat
ENDED = st.tuples(DOCUMENTS | st.just(b""), st.sampled_from([b"\r\n", b"\n"]))
SENT = st.lists(ENDED, max_size=20)
EDGES = st.lists(st.integers(0, 10_000), max_size=40)
ENDS = ("\r\n", "\n")


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


@given(SENT, EDGES, st.booleans(), st.integers(1, 3))
@pytest.mark.slow
def test_any_cut_gives_the_same_messages(
    sent: list[tuple[bytes, bytes]], edges: list[int], trailer: bool, members: int
) -> None:
    """Cuts within CRLF or a header, heartbeats, both line ends, many members and a missing end change nothing."""
    pieces = [b"".join(one) for one in sent]
    whole = packed(pieces, trailer=True) * (members - 1) + packed(pieces, trailer=trailer)
    assert messages(chopped(whole, edges)) == [one for one, _ in sent] * members


@given(SENT, EDGES)
def test_a_stream_that_a_proxy_decompressed_is_read_too(
    sent: list[tuple[bytes, bytes]], edges: list[int]
) -> None:
    """A body without gzip header is read as it is."""
    body = b"\r\n" + b"".join(chain.from_iterable(sent))
    assert messages(chopped(body, edges)) == [b"", *(one for one, _ in sent)]


@given(st.lists(st.tuples(DOCUMENTS, st.booleans()), max_size=12), EDGES, st.sampled_from(ENDS))
def test_a_document_over_several_lines_is_one_message(
    sent: list[tuple[bytes, bool]], edges: list[int], end: str
) -> None:
    """Line feeds between tokens become spaces, beside documents on one line."""
    body = b""
    for document, is_spread in sent:
        text = (
            json.dumps(json.loads(document), indent=1).replace("\n", end) if is_spread else document.decode()
        )
        body += (text + end).encode()
    assert list(map(json.loads, messages(chopped(body, edges)))) == [json.loads(one) for one, _ in sent]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize(
    "garbage",
    [b"<html>\n<p>Bad gateway</p>", b'{"id":1,"text":"cut', b'{"id":1,"n":[', b'{"t":"\xed\xa0\xbd"}', b"}{"],
)
def test_garbage_takes_no_message_along(garbage: bytes, end: bytes) -> None:
    """A page, a cut document, other encodings: what follows them comes whole."""
    found = messages(iter([garbage + end + b'{"id":2}' + end + b'{"id":3}' + end + b"\r\n"]))
    assert [one for one in found if one.startswith(b'{"id":') and one.endswith(b"}")] == [
        b'{"id":2}',
        b'{"id":3}',
    ]
    assert b" ".join(found).startswith(garbage.split(b"\n")[0])


def test_32_megabytes_in_one_member_come_in_pieces() -> None:
    """At most a megabyte is decompressed at a time."""
    posts = [b'{"id":%d,"text":"%s"}' % (number, b"a" * 2_000) for number in range(16_000)]
    gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = gzip.compress(b"\r\n".join(posts) + b"\r\n") + gzip.flush()
    assert sum(map(len, posts)) > 32_000_000
    got = list(lines([body]))
    assert max(sum(map(len, some)) for some in got) < 2 * 1024 * 1024
    assert list(chain.from_iterable(got)) == posts


def test_last_words_behind_a_broken_document_are_heard() -> None:
    """No document goes on with a word, so the broken one has ended there."""
    broken, words = b'{"id":3,"n":[', b"Recovery Request Completed"
    assert list(chain.from_iterable(lines([broken + b"\n" + words]))) == [broken, words]


def test_a_cut_last_line_is_not_a_message() -> None:
    """A document that the end of the connection cuts off is none."""
    assert messages(iter([packed([b'{"id":1}\r\n{"id"'], trailer=False)])) == [b'{"id":1}']


@pytest.mark.parametrize(
    "words", [b'{"error":{"message":"operational"}}', b"This stream has been disconnected"]
)
def test_the_last_word_needs_no_line_end(words: bytes) -> None:
    """What X says right before it closes is heard."""
    assert messages(iter([packed([b'{"id":1}\r\n' + words], trailer=False)])) == [b'{"id":1}', words]


def test_a_damaged_stream_is_an_error() -> None:
    """Damage is not mistaken for the end of the stream, and what came before it counts."""
    found = lines([packed([b'{"id":1}\r\n{"id":2}'], trailer=False), b"\xff" * 100])
    assert list(next(found)) == [b'{"id":1}']
    assert list(next(found)) == [b'{"id":2}']
    with pytest.raises(ReadInterruptedError, match="damaged"):
        next(found)


def test_a_line_without_end_is_an_error() -> None:
    """Memory is bounded whatever X sends."""
    with pytest.raises(ReadInterruptedError, match="16,777,216 bytes"):
        messages(b"x" * 1_000_000 for _ in range(20))
