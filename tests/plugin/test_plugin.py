"""What Airflow loads, in each of its processes."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from airflow_provider_twexport.plugin.twexport_plugin import TwexportPlugin, bundle_url

HEAVY = ("fastapi", "starlette", "sqlalchemy", "requests", "msgspec", "fsspec")
IMPORT = """
import json, sys
from airflow_provider_twexport.compat import AirflowPlugin
before = set(sys.modules)
import airflow_provider_twexport.plugin.twexport_plugin
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_airflow_finds_the_plugin() -> None:
    """By its entry point: Airflow does not read the provider's description of it by default."""
    found = [it.load() for it in entry_points(group="airflow.plugins") if it.name == TwexportPlugin.name]
    assert found == [TwexportPlugin]


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("", "/twexport/static/exports.js"),
        ("http://localhost:8080", "/twexport/static/exports.js"),
        ("https://data.example.com/some/prefix/", "/some/prefix/twexport/static/exports.js"),
    ],
)
def test_the_program_of_the_page_is_below_any_prefix(base_url: str, path: str) -> None:
    """Its address is absolute: Airflow 3.1 and 3.2 cannot import another."""
    assert bundle_url(base_url) == path


def test_each_place_of_the_page_has_its_own_route() -> None:
    """In the navigation, and in the tabs of DAGs, runs and tasks."""
    assert len({app["url_route"] for app in TwexportPlugin.react_apps}) == 4


@pytest.mark.slow
def test_a_task_that_loads_plugins_loads_no_server() -> None:
    """The routes are imported with the first request."""
    output = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    new = json.loads(output.stdout.splitlines()[-1])
    assert [name for name in new if name.split(".")[0] in HEAVY] == []
    assert "airflow_provider_twexport.plugin.api" not in new


def test_the_page_never_writes_html() -> None:
    """React escapes text, and nothing bypasses React."""
    source = Path(__file__).parents[2] / "airflow_provider_twexport" / "plugin" / "page" / "src"
    for file in source.iterdir():
        text = file.read_text()
        assert [
            it for it in ("InnerHTML", "innerHTML", "outerHTML", "eval(", "document.write") if it in text
        ] == []
