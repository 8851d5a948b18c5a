"""What Airflow sees of the package before any task runs."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

import airflow_provider_twexport
from airflow_provider_twexport.get_provider_info import get_provider_info

ROOT = Path(__file__).parents[1]
ROLES = (
    "operators",
    "sensors",
    "triggers",
    "transfers",
    "task_groups",
    "hooks",
    "landing_operator",
    "links",
    "get_provider_info",
)
HEAVY = (
    "requests",
    "urllib3",
    "msgspec",
    "fsspec",
    "upath",
    "boto3",
    "s3fs",
    "pyarrow",
    "xxhash",
    "starlette",
)

IMPORT = """
import json, sys, time
from airflow.sdk import DAG, BaseOperator, TaskGroup, task
from airflow.sdk import BaseHook, BaseOperatorLink, BaseSensorOperator
from airflow_provider_twexport.compat import conf
before, began = set(sys.modules), time.process_time()
import airflow_provider_twexport.task_groups.talkwalker
import airflow_provider_twexport.operators.adobe, airflow_provider_twexport.sensors.adobe
import airflow_provider_twexport.transfers.adobe_to_object_storage
import airflow_provider_twexport.operators.x_enterprise, airflow_provider_twexport.transfers.x_search_to_object_storage
import airflow_provider_twexport.transfers.x_stream_to_object_storage
spent = time.process_time() - began
print(json.dumps({"new": sorted(set(sys.modules) - before), "ms": spent * 1000}))
"""

IMPORT_ALL = """
import pkgutil, airflow_provider_twexport as package
for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
    if not module.name.endswith("__main__"):
        __import__(module.name)
"""


def test_the_version_is_written_once() -> None:
    """Package, distribution and provider agree."""
    assert airflow_provider_twexport.__version__ == version("airflow-provider-twexport")
    assert get_provider_info()["versions"] == [airflow_provider_twexport.__version__]


def test_airflow_finds_the_provider() -> None:
    """The entry point leads to the provider's description."""
    (entry_point,) = [
        found
        for found in entry_points(group="apache_airflow_provider")
        if found.dist.name.startswith("airflow-provider-tw")
    ]
    assert entry_point.load()() == get_provider_info()


def test_the_description_follows_airflows_schema() -> None:
    """Airflow would refuse it otherwise."""
    schema = json.loads((Path(airflow.__path__[0]) / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def _mentioned(info: Any) -> list[str]:
    if isinstance(info, dict):
        return [name for value in info.values() for name in _mentioned(value)]
    if isinstance(info, list):
        return [name for value in info for name in _mentioned(value)]
    return [info] if isinstance(info, str) and info.startswith("airflow_provider_twexport.") else []


@pytest.mark.parametrize("name", _mentioned(get_provider_info()))
def test_everything_the_description_names_exists(name: str) -> None:
    """Modules can be imported, and classes are in them."""
    module, _, last = name.rpartition(".")
    if last[0].isupper():
        assert hasattr(importlib.import_module(module), last)
    else:
        importlib.import_module(name)


SHARED = (".base", ".base_talkwalker", ".shared_poll")


def test_every_role_module_is_described() -> None:
    """A module that the description leaves out would be missing from Airflow's documentation."""
    described = set(_mentioned(get_provider_info()))
    for role in ("hooks", "operators", "sensors", "triggers", "transfers"):
        package = importlib.import_module(f"airflow_provider_twexport.{role}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            shared = module.name.endswith(SHARED)
            assert shared or module.name in described


@pytest.mark.slow
def test_parsing_a_dag_loads_nothing_heavy() -> None:
    """The dag processor imports us for every file: what work needs is loaded when work is done."""
    output = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    told = json.loads(output.stdout.splitlines()[-1])
    assert [name for name in told["new"] if name.split(".")[0] in HEAVY] == []
    assert [name for name in told["new"] if name.startswith("airflow.")] == []
    assert len(told["new"]) < 50


@pytest.mark.matrix
@pytest.mark.slow
def test_every_module_is_imported() -> None:
    """No module asks Airflow, or what Airflow brings, for a name that is not there."""
    output = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False)
    assert output.returncode == 0, output.stderr


@pytest.mark.matrix
@pytest.mark.slow
def test_example_dags_parse_without_network_and_connection() -> None:
    """They name everything, ask for nothing, and can be stored by Airflow."""
    code = """
import socket
def refuse(*args, **kwargs): raise AssertionError("a DAG used the network")
socket.socket.connect = refuse
try:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:  # Airflow 3.1
    from airflow.models.dagbag import DagBag
    from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization
bag = DagBag("dags")
assert not bag.import_errors, bag.import_errors
for dag in bag.dags.values():
    assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_dict.keys() == dag.task_dict.keys()
print(*sorted(bag.dags))
"""
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert output.returncode == 0, output.stderr
    assert output.stdout.split()[-8:] == [
        "adobe_dataset_export",
        "adobe_segment_export",
        "talkwalker_backfill",
        "talkwalker_export",
        "talkwalker_janitor",
        "x_search_backfill",
        "x_search_daily",
        "x_stream_hourly",
    ]
