"""Whatever X sends, an error is one of ours, and nothing that is no message or no post becomes one."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_twexport.exceptions import Evidence, ReadInterruptedError, TwexportError
from airflow_provider_twexport.x import usage
from airflow_provider_twexport.x.error_codes import ERRORS, explain
from airflow_provider_twexport.x.search.pages import Page, SearchCursor, SearchRequest, post_id
from airflow_provider_twexport.x.streams.lines import lines
from airflow_provider_twexport.x.streams.messages import created_ms, is_document, message_key, received
from tests.service_clients import JANUARY

SEARCHES = (SearchRequest("coffee", JANUARY), SearchRequest("coffee", JANUARY, "day"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
KEYS = st.sampled_from(
    (
        *("id", "id_str", "created_at", "timestamp_ms", "delete", "favorite", "info", "error", "errors"),
        *(
            "message",
            "disconnect",
            "code",
            "limit",
            "warning",
            "title",
            "minutes_failed",
            "unprocessed_range",
        ),
        *("activity_count", "results", "next", "totalCount", "timePeriod", "count", "requestParameters"),
        *("publishers", "products", "endpoints", "label", "used", "type"),
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=5).map(lambda one: json.dumps(one).encode())
TEXTS = st.sampled_from(
    (b"\r\n", b"\n", b"null", b"<html>", b'"', b"{", b"}", b"\\ud83d", b"\xed\xa0\xbd", b"\x1f\x8b", b"")
)
BODIES = st.lists(DOCUMENTS | TEXTS | st.binary(max_size=12), max_size=12)


@given(BODIES)
def test_any_stream_is_read_to_its_end(body: list[bytes]) -> None:
    """Each record is a message with a key; what else came is counted."""
    found = []
    with suppress(ReadInterruptedError):
        found = [received(some) for some in lines(body, is_document)]
    for record in chain.from_iterable(one.records for one in found):
        assert isinstance(json.loads(record), dict)
        assert message_key(record)
        assert created_ms(record) is None or isinstance(created_ms(record), int)
    for one in found:
        assert sum(one.others.values()) >= len(one.notices) + len(one.unreadable)


@pytest.mark.parametrize("request_", SEARCHES, ids=["posts", "counts"])
@given(BODIES, st.booleans())
def test_any_page_is_read_or_refused(request_: SearchRequest, body: list[bytes], wrapped: bool) -> None:
    """Each record is a post with an id, or a count; the rest is kept aside, and the search has a next step."""
    content = b'{"results":[' + b",".join(body) + b'],"next":"t"}' if wrapped else b"".join(body)
    try:
        page = Page.parse(content, request_)
    except ValueError:
        return
    cursor = SearchCursor.of(request_, None)
    after = cursor.after(page, request_)
    assert cursor.start <= after.start <= after.stop <= cursor.stop
    assert all(isinstance(json.loads(record), dict) for record in page.records)
    if not request_.bucket:
        assert all(map(post_id, page.records))
    assert len(page.new(cursor, request_)) <= len(page.records)


@given(st.sampled_from(sorted(ERRORS)), VALUES)
def test_any_error_is_one_of_ours(status: int, body: object) -> None:
    """With X's words, whatever layout they have."""
    error = explain(status, body, Evidence("GET", "/", status))
    assert isinstance(error, TwexportError)
    assert str(error)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_usage_is_read(report: dict[str, object]) -> None:
    """What is missing or of another type counts as none."""
    assert all(count >= 0 for count in usage.totals(report).values())
    assert all(len(row) == 5 for row in usage.rows(report))
    assert all(count >= 0 for count in usage.latest_month(report)[1].values())
