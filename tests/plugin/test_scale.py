"""A large account: 5,000 exports, and as many landings with 50,000 parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pendulum
import pytest

from airflow_provider_twexport.storage.manifest import MANIFEST, empty_manifest
from airflow_provider_twexport.storage.part import Part
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.visiting import Server
    from tests.simulator_process import Simulator

EXPORTS, PARTS = 5_000, 10
FIRST_DAY = pendulum.datetime(2010, 1, 1)
VIEWS = ("exports", "collectors", "landings", "coverage", "spending")


@pytest.fixture
def large(simulator: Simulator, lake: Path) -> None:
    """Exports at the service, and their landings."""
    window = {"start": 1704067200000, "stop": 1706745600000, "limit": 1}
    ids = simulator.control("exports", window | {"target": "elsewhere", "count": EXPORTS})["ids"]
    parts = tuple(
        Part(f"part-{number:05}.jsonl.gz", 100, 10_000, "0" * 64, None, None) for number in range(PARTS)
    )
    for number, export_id in enumerate(ids):
        day = FIRST_DAY.add(days=number)
        source = {
            "system": "talkwalker",
            "export_id": export_id,
            "project_id": "p",
            "query": "coffee",
            "window": {"start": day.to_iso8601_string(), "stop": day.add(days=1).to_iso8601_string()},
        }
        directory = lake / day.format("YYYY/MM/DD")
        directory.mkdir(parents=True)
        landed = replace(
            empty_manifest(source, "jsonl.gz"), complete=True, results=1000, exported=1000, parts=parts
        )
        (directory / MANIFEST).write_text(landed.to_json())


def test_a_large_account_is_a_small_view(server: Server, large: None) -> None:
    """The page and the first response of each view are under 300 kB together, and everything is counted."""
    viewer = server.visitor("VIEWER")
    wait_until(lambda: viewer.json("exports", limit=50)["total"] == EXPORTS)
    wait_until(lambda: viewer.json("landings")["total"] == EXPORTS)
    (series,) = viewer.json("coverage")["series"]
    assert series["states"] == "l" * EXPORTS
    landing = viewer.json("landings")["rows"][0]
    assert viewer.json(f"landings/{landing['id']}")["total"] == PARTS
    page = len(viewer.get("static/exports.js").content)
    for view in VIEWS:
        assert page + len(viewer.get(view).content) < 300_000, view
