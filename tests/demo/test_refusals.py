"""What prevents the demo from starting is one sentence, without a traceback."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import demo.__main__ as demo_main
from demo.ports import free_port

GIB = 1024**3


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the demo's home out of the real project."""
    monkeypatch.setattr(demo_main, "PROJECT", tmp_path)
    return tmp_path


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Return a port that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_ui_port_is_named_with_the_way_out(
    taken_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A busy port for the UI ends the demo with its number and how to choose another."""
    assert run("--port", taken_port, "--simulator-port", free_port()) == 1
    assert_refused(capsys, f"Port {taken_port} for Airflow's UI is already in use.", "make demo PORT=")


def test_a_taken_simulator_port_is_named_too(taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """So does a busy port for the simulator."""
    assert run("--port", free_port(), "--simulator-port", taken_port) == 1
    assert_refused(capsys, f"Port {taken_port} for the Talkwalker simulator", "make demo SIMULATOR_PORT=")


def test_a_full_disk_is_noticed_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Too little disk ends the demo with what there is and what is needed."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=GIB // 2))
    assert run("--port", free_port(), "--simulator-port", free_port()) == 1
    assert_refused(capsys, "needs 1 GiB of free disk", "only 512 MiB")


def run(*arguments: object) -> int:
    """Run the demo's command line."""
    return demo_main.main([str(argument) for argument in arguments])


def assert_refused(capsys: pytest.CaptureFixture[str], *parts: str) -> None:
    """Check that the last words hold all parts in one line, and that nothing was started."""
    output = capsys.readouterr()
    assert output.out == ""
    assert all(part in output.err.strip() for part in parts)
    assert "\n" not in output.err.strip()
