"""What requests would do by itself, and must not."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport.core.retry import Retry
from airflow_provider_twexport.exceptions import ThrottledError
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from tests.core.raw_server import response, serving
from tests.core.test_bounds import session_of
from tests.waiting import QUICK

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tests.simulator_process import Simulator


def recording(heads: list[str]) -> Callable[[str, socket.socket], None]:
    """Return a way to answer that keeps the heads of the requests."""

    def respond(request: str, connection: socket.socket) -> None:
        heads.append(request)
        connection.sendall(response(b"{}"))

    return respond


def test_a_login_of_netrc_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that somebody keeps for this host belongs to somebody else."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret-of-somebody\n")
    monkeypatch.setenv("NETRC", str(netrc))
    heads: list[str] = []
    with serving(recording(heads)) as url:
        session = session_of(url)
        session._requests.trust_env = True  # as for a host that is not loopback
        session.call("GET", "/x")
    assert len(heads) == 1
    assert "authorization" not in heads[0].lower()


def test_no_proxy_comes_between_loopback_and_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token of a simulator, or of a tunnel, must not pass through a company's proxy."""
    direct: list[str] = []
    proxied: list[str] = []
    with serving(recording(direct)) as url, serving(recording(proxied)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        session_of(url).call("GET", "/x")
    assert (len(direct), proxied) == (1, [])


def test_waits_for_a_throttled_call_grow(caplog: pytest.LogCaptureFixture) -> None:
    """Each wait is between half of its ceiling and its ceiling, and the ceilings double."""
    retry = Retry(throttled_wait=0.02, throttled_for=0.5)
    body = response(b"{}", "429 Too Many Requests")
    answer = serving(lambda request, connection: connection.sendall(body))
    with caplog.at_level(logging.WARNING), answer as url, pytest.raises(ThrottledError):
        session_of(url, retry).call("GET", "/x")
    waits = [record.args[1] for record in caplog.records if isinstance(record.args, tuple)]
    assert len(waits) >= 3
    for nth, wait in enumerate(waits):
        assert 0.01 * 2**nth <= wait <= 0.02 * 2**nth


def test_a_kill_does_not_wait_for_whoever_counts(simulator: Simulator) -> None:
    """The killed task may hold the lock of its metrics; the abort counts nothing, so it cannot wait for it."""
    lock = threading.Lock()

    def count(event: object) -> None:
        with lock:
            return

    timing = replace(QUICK, retry=replace(QUICK.retry, on_event=count))
    client = TalkwalkerClient(simulator.token, simulator.url, timing)
    aborting = threading.Thread(target=client.abort_when_killed, args=("0",), daemon=True)
    with lock:
        aborting.start()
        deadline = time.monotonic() + 30
        while aborting.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not aborting.is_alive()
    assert [entry["method"] for entry in simulator.control("ledger")["requests"]] == ["DELETE"]
