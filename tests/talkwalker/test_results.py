"""Framing of result chunks: bytes in any pieces, whole chunks out."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_twexport.exceptions import ReadInterruptedError, RetriableError, TransientError
from airflow_provider_twexport.talkwalker.chunks import MAX_CHUNK_BYTES
from airflow_provider_twexport.talkwalker.results import EARLIEST, ResultsRead
from tests import captured

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_provider_twexport.core.batch import Batch

OURS = "00000000-0000-4000-8000-000000000001"


def control(offset: str) -> bytes:
    """Return a control chunk."""
    return (
        b'{"chunk_type":"CT_CONTROL","chunk_control":{"connection_id":"#1#","resume_offset":"%b"}}\n'
        % offset.encode()
    )


def result(text: str, export_id: str | None = OURS) -> bytes:
    """Return a result chunk."""
    document: dict[str, Any] = {
        "content": text,
        "matched": {"task_id": export_id} if export_id else {"appearance": "NEW"},
    }
    chunk = {"chunk_type": "CT_RESULT", "chunk_result": {"data": {"data": document}}}
    return json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def read(blocks: Iterable[bytes], asked: str = EARLIEST, export_id: str | None = OURS) -> list[Batch]:
    """Return the batches of one connection."""
    connection = ResultsRead(asked, export_id, lambda chunk: TransientError(json.dumps(chunk)))
    return list(connection.batches(blocks, missing=lambda: math.inf, idle_seconds=60))


def contents(batches: list[Batch]) -> list[str]:
    """Return the texts of all results."""
    return [json.loads(record)["data"]["content"] for batch in batches for record in batch.records]


TEXTS = [
    "a",
    "line\u2028separator\u2029and\u0085next",
    'quote " brace } bracket ]',
    "{",
    "}\\n}",
    "日本語 🍵",
    "",
]


def pieces(body: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    """Cut a body into blocks of the given sizes."""
    while body:
        size = next(sizes)
        yield body[:size]
        body = body[size:]


@given(
    st.lists(st.text(alphabet=st.characters(exclude_categories=("Cs",)))),
    st.lists(st.integers(1, 40), min_size=1),
)
def test_any_text_arrives_in_any_pieces(texts: list[str], sizes: list[int]) -> None:
    """Whatever stands in the results, and wherever the network cuts, they arrive as they were sent."""
    body = control(EARLIEST) + b"".join(map(result, texts)) + control("end")
    endless = iter(lambda: sizes.append(sizes.pop(0)) or sizes[-1], None)
    assert contents(read(pieces(body, endless))) == texts


@given(st.integers(1, 300))
def test_pretty_printed_chunks_are_read_too(size: int) -> None:
    """Concatenated pretty-printed JSON, with blank lines between, gives the same results, one line each."""
    chunks = [json.loads(line) for line in [control(EARLIEST), *map(result, TEXTS), control("end")]]
    body = "\n\n".join(json.dumps(chunk, indent=4, ensure_ascii=False) for chunk in chunks).encode()
    batches = read(pieces(body, iter(lambda: size, None)))
    assert contents(batches) == TEXTS
    assert not [record for batch in batches for record in batch.records if b"\n" in record]
    assert batches[-1].cursor == "end"


def test_results_are_handed_on_byte_for_byte() -> None:
    """Neither ids past 2^53, nor number forms, nor escapes, nor spaces are touched."""
    data = (
        b'{"data": {"id":1842841513048371605,"x":1.0,"y":1e3,"s":"\\u00e9\xc3\xa9","matched":{"task_id":"%b"}}}'
        % OURS.encode()
    )
    chunk = b'{"chunk_type":"CT_RESULT","chunk_result":{"data":%b}}\n' % data
    (first, last) = read([control(EARLIEST) + chunk + control("end")])
    assert first.records == []
    assert last.records == [data]


@pytest.mark.parametrize("text", [rb"cut \ud83d", rb"\uDE00 cut", rb"\ud83d\ud83d\ude00", rb"\\ud83d"])
@pytest.mark.parametrize("between", [b"", b"\n"])
@pytest.mark.parametrize("export", [b"", b',"matched":{"task_id": "%b"}' % OURS.encode()])
def test_half_an_emoji_is_handed_on(text: bytes, between: bytes, export: bytes) -> None:
    """A text that was cut inside a surrogate pair is valid JSON, and arrives with its escapes as they were."""
    data = b'{"data":%b{"content":"%b"%b}}' % (between, text, export)
    chunk = b'{"chunk_type":"CT_RESULT","chunk_result":{"data":%b}%b}\n' % (data, between)
    batches = read([b"{\n" * bool(between) + control(EARLIEST)[len(between) :] + chunk + control("end")])
    assert [record for batch in batches for record in batch.records] == [data.replace(b"\n", b"")]


@pytest.mark.parametrize("export_id", [OURS, "another", None])
def test_what_is_no_utf8_is_refused(export_id: str | None) -> None:
    """A byte that no text can hold is named with the place from which to go on."""
    body = control(EARLIEST) + result("a") + control("one") + result("b") + result("caf\xe9") + control("end")
    broken = body.replace("caf\xe9".encode(), b"caf\xc3")
    with pytest.raises(ReadInterruptedError, match=r"offset one is no chunk.*utf-8"):
        read([broken], export_id=export_id)


def test_a_bottomless_chunk_is_refused() -> None:
    """Brackets without end are no chunk, and no crash."""
    with pytest.raises(ReadInterruptedError, match="is no chunk"):
        read([control(EARLIEST) + b"[" * 200_000 + b"\n"])


def test_batches_end_at_controls() -> None:
    """Each control ends a batch, and its offset is the batch's cursor."""
    body = control(EARLIEST) + result("a") + control("one") + result("b") + result("c") + control("two")
    batches = read([body])
    assert [(len(batch.records), batch.cursor) for batch in batches] == [
        (0, EARLIEST),
        (1, "one"),
        (2, "two"),
    ]


def test_keep_alives_and_unknown_chunks_are_passed_over() -> None:
    """Blank lines and chunk types that nobody knows are no results and no errors."""
    body = (
        b"\n\n"
        + control(EARLIEST)
        + b"\n \r\n"
        + result("a")
        + b'{"chunk_type":"CT_NEWS","x":[1]}\n\n'
        + control("end")
    )
    assert contents(read([body])) == ["a"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "without its last control"),
        (control(EARLIEST) + result("a"), "without its last control"),
        (control(EARLIEST) + result("a") + control("end")[:-9], "is no chunk"),
        (control(EARLIEST) + result("a")[:30], "is no chunk"),
        (control(EARLIEST) + b"<html>", "is no chunk"),
        (control(EARLIEST) + b'{"chunk_type":"CT_RESULT","chunk_result":[]}\n', "is no chunk"),
        (result("a") + control("end"), "before the first control"),
    ],
)
def test_a_body_that_is_not_whole_is_no_success(body: bytes, words: str) -> None:
    """A read that broke off, or holds what is no chunk, or starts elsewhere, is to be resumed."""
    with pytest.raises(ReadInterruptedError, match=words):
        read([body])


def test_what_came_before_a_fault_is_kept() -> None:
    """Batches that were whole before garbage or an error chunk are handed on, so that the next read gets further."""
    for fault in (b"garbage\n", b'{"chunk_type":"CT_ERROR","chunk_error":{"status_code":"25"}}\n'):
        connection = ResultsRead(EARLIEST, OURS, lambda chunk: TransientError(json.dumps(chunk)))
        batches = connection.batches(
            [control(EARLIEST) + result("a") + control("one") + result("b") + fault],
            missing=lambda: math.inf,
            idle_seconds=60,
        )
        assert next(batches).cursor == EARLIEST
        assert next(batches).cursor == "one"
        with pytest.raises(RetriableError):
            next(batches)


def test_an_absurdly_long_chunk_is_refused() -> None:
    """Memory has an end, so a line without one is an error."""
    endless = (b"x" * 1024 * 1024 for _ in range(64))
    with pytest.raises(ReadInterruptedError, match=f"{MAX_CHUNK_BYTES:,}"):
        read(endless)


def test_results_of_other_exports_are_left_out_and_counted() -> None:
    """A shared collector gives each export its own; results that name no export stay."""
    body = (
        control(EARLIEST)
        + result("ours")
        + result("theirs", "other")
        + result("nobody's", None)
        + control("end")
    )
    batch = read([body])[-1]
    assert contents([batch]) == ["ours", "nobody's"]
    assert batch.foreign == 1
    assert len(read([body], export_id=None)[-1].records) == 3


@pytest.mark.parametrize("matched", [b'"text"', b"[]", b"null", b'{"task_id":7}', b'{"task_id":null}'])
def test_a_match_of_another_shape_is_kept(matched: bytes) -> None:
    """Where it cannot be told whose a result is, it is not thrown away."""
    chunk = b'{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"matched":%b}}}}\n' % matched
    assert len(read([control(EARLIEST) + chunk + control("end")])[-1].records) == 1


def test_memory_is_bounded_without_controls() -> None:
    """Where no control comes for long, results are handed on without a cursor."""
    body = control(EARLIEST) + b"".join(result(str(number)) for number in range(5_000)) + control("end")
    batches = read([body])
    assert [batch.cursor for batch in batches] == [EARLIEST, None, None, "end"]
    assert contents(batches) == [str(number) for number in range(5_000)]


@captured.is_needed
def test_the_real_capture_is_read_whole() -> None:
    """A captured read, pretty-printed, gives all its 334 results with every value."""
    text = captured.text()
    expected = captured.results(text)
    batches = read([text.encode()], export_id=None)
    assert [json.loads(record) for batch in batches for record in batch.records] == expected
    assert len(expected) == 334
    assert batches[-1].cursor == "EgT4kpRi"


def test_the_beginning_may_be_called_by_any_offset() -> None:
    """A service that answers ``earliest`` with an offset of its own starts at the beginning all the same."""
    assert contents(read([control("o0") + result("a") + control("o1")])) == ["a"]
