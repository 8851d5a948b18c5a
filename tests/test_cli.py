"""The command line, as a person or a script uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_twexport.clients.batch import Batch
from airflow_provider_twexport.storage.landing import Landing

SOURCE = {
    "system": "talkwalker",
    "collector_id": "twx-box",
    "export_id": "1",
    "window": {"start": "2024-01-01T00:00:00Z", "stop": "2024-02-01T00:00:00Z"},
}


def twexport(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    command = [Path(sys.executable).with_name("twexport"), *arguments]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A landing of three results."""
    with Landing.open(tmp_path, source=SOURCE) as landing:
        landing.write(Batch([b'{"n":1}', b'{"n":2}', b'{"n":3}'], "end"))
        landing.commit(exported=3, status="finished")
    return tmp_path


def test_manifest_tells_a_person_what_is_there(directory: Path) -> None:
    """Where from, how many, complete or not, and each part."""
    said = twexport("manifest", directory)
    assert said.returncode == 0
    for words in ("twx-box", "[2024-01-01T00:00:00Z, 2024-02-01T00:00:00Z)", "3 of 3", "part-00000.jsonl.gz"):
        assert words in said.stdout


def test_manifest_tells_a_script_the_same(directory: Path) -> None:
    """As the JSON that lies there."""
    said = json.loads(twexport("manifest", directory, "--json").stdout)
    assert said == json.loads((directory / "_manifest.json").read_text())


def test_verify_says_what_is_wrong(directory: Path) -> None:
    """All well is 0; a part that changed is named, and is 1."""
    assert twexport("verify", directory).returncode == 0
    (directory / "part-00000.jsonl.gz").write_bytes(b"something else")
    said = twexport("verify", directory, "--json")
    assert said.returncode == 1
    (problem,) = json.loads(said.stdout)["problems"]
    assert "part-00000.jsonl.gz" in problem


def test_what_cannot_be_told_is_a_sentence(tmp_path: Path) -> None:
    """No landing here is neither all well nor a traceback."""
    said = twexport("verify", tmp_path)
    assert said.returncode == 2
    assert said.stderr.startswith("twexport: ")
    assert "Traceback" not in said.stderr
