"""No response holds a call up for ever, or fills the memory."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport.core import http
from airflow_provider_twexport.core.credentials import QueryToken
from airflow_provider_twexport.core.http import Session
from airflow_provider_twexport.core.retry import Retry
from airflow_provider_twexport.exceptions import (
    ReadIdleError,
    ThrottledError,
    TransientError,
    UnexpectedResponseError,
)
from tests.core.raw_server import response, serving

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

ONCE = Retry(attempts=1, throttled_for=0)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


def session_of(url: str, retry: Retry = ONCE) -> Session:
    """Return a session that explains nothing."""
    return Session(url, QueryToken("access_token", "not-a-token"), lambda *_: None, retry)


def drip(first: bytes) -> Callable[[str, socket.socket], None]:
    """Return a way to answer: something at once, then a byte every 20 ms."""

    def respond(request: str, connection: socket.socket) -> None:
        connection.sendall(first)
        while True:
            time.sleep(0.02)
            connection.sendall(b"x")

    return respond


@pytest.mark.parametrize("first", [b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nX-Long: ", HEAD, HEAD + b'{"a":"'])
def test_a_response_that_drips_ends_at_the_deadline(first: bytes) -> None:
    """A byte now and then renews nothing, neither in the head nor in the body."""
    with serving(drip(first)) as url, pytest.raises(TransientError, match=r"not there within 0\.5 s"):
        session_of(url).call("GET", "/x", timeout=0.5)


def test_a_body_without_length_that_is_cut_at_the_deadline_is_no_success() -> None:
    """What was shut down does not pass for the end of the body."""
    first = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}"
    with serving(drip(first)) as url, pytest.raises(TransientError, match="within"):
        session_of(url).call("GET", "/x", timeout=0.3)


@pytest.mark.slow
def test_a_stream_lives_as_long_as_bytes_come_and_ends_with_silence() -> None:
    """Its head has a deadline; its body may take hours, but each next byte may not."""

    def respond(request: str, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(20):
            time.sleep(0.05)
            connection.sendall(b"x")
        time.sleep(10)

    received: list[bytes] = []

    def read(session: Session) -> None:
        with session.stream("/x", params={}, timeout=0.5, silence=1.0) as opened:
            received.extend(opened.blocks)

    with serving(respond) as url, pytest.raises(ReadIdleError):
        read(session_of(url))
    assert b"".join(received) == b"x" * 20


def test_a_huge_response_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it says it is, no more than the bound is kept."""
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 100_000)

    def respond(request: str, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            connection.sendall(b" " * 65_536)

    with serving(respond) as url, pytest.raises(UnexpectedResponseError, match="longer than 100,000 bytes"):
        session_of(url).call("GET", "/x", timeout=10)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("Sat, 28 Nov 2026 01:00:30 GMT", 30.0),
        ("Sat, 28 Nov 2026 00:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_counts_as_seconds_and_as_a_date(value: str, seconds: float | None) -> None:
    """A date counts from the service's own clock, not from the worker's."""
    body = response(
        b"{}", "429 Too Many Requests", f"Retry-After: {value}", "Date: Sat, 28 Nov 2026 01:00:00 GMT"
    )
    answer = serving(lambda request, connection: connection.sendall(body))
    with answer as url, pytest.raises(ThrottledError) as raised:
        session_of(url).call("GET", "/x")
    assert raised.value.retry_after == seconds


def test_a_long_retry_after_is_bounded() -> None:
    """A service that asks for a day does not get it."""
    retry = replace(ONCE, attempts=2, throttled_for=0.2)
    body = response(b"{}", "429 Too Many Requests", "Retry-After: 86400")
    refused: list[ThrottledError] = []

    def call() -> None:
        try:
            session_of(url, retry).call("GET", "/x")
        except ThrottledError as error:
            refused.append(error)

    with serving(lambda request, connection: connection.sendall(body)) as url:
        calling = threading.Thread(
            target=call, daemon=True
        )  # a wait of a day fails the test, and does not hang it
        calling.start()
        calling.join(timeout=30)
    assert len(refused) == 1
