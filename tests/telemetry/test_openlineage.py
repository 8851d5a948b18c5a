"""What OpenLineage is told of a landing, by its own plugin in a real Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from airflow_provider_twexport.adobe import landing as adobe
from airflow_provider_twexport.core.dataset import Dataset
from airflow_provider_twexport.storage.manifest import Manifest, empty_manifest
from airflow_provider_twexport.talkwalker import landing as talkwalker
from airflow_provider_twexport.telemetry.openlineage import lineage_of
from airflow_provider_twexport.x.search import landing as x_search
from airflow_provider_twexport.x.streams import landing as x_streams

ROOT = Path(__file__).parents[2]


def events(path: Path) -> list[dict[str, Any]]:
    """Return the events that a file holds, one in each line."""
    return [json.loads(line) for line in path.read_text().splitlines() if line]


@pytest.mark.slow
@pytest.mark.usefixtures("airflow_database", "talkwalker_connection")
def test_the_event_of_a_landing_names_both_ends(tmp_path: Path, simulator: Any) -> None:
    """The project that was exported, and the directory with its columns, how many results, bytes and files."""
    told, lake = tmp_path / "events.jsonl", tmp_path / "lake"
    transport = json.dumps({"type": "file", "log_file_path": str(told), "append": True})
    env = os.environ | {"AIRFLOW__OPENLINEAGE__TRANSPORT": transport, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [sys.executable, "-m", "tests.telemetry.landing_with_lineage", f"file://{lake}"],
        check=True,
        cwd=ROOT,
        env=env,
        capture_output=True,
    )
    (ended,) = [
        event
        for event in events(told)
        if event["eventType"] == "COMPLETE" and event["job"]["name"] == "lineage.export.to_object_storage"
    ]
    (source,), (landed,) = ended["inputs"], ended["outputs"]
    assert source["namespace"] == "talkwalker://api.talkwalker.com"
    assert source["name"] == f"project/{simulator.project_id}"
    assert (landed["namespace"], landed["name"]) == ("file", str(lake))
    statistics = landed["outputFacets"]["outputStatistics"]
    size = sum(part.stat().st_size for part in lake.glob("part-*"))
    assert (statistics["rowCount"], statistics["size"], statistics["fileCount"]) == (100, size, 1)
    columns = {column["name"]: column["type"] for column in landed["facets"]["schema"]["fields"]}
    assert columns["url"] == columns["raw"] == "string"
    assert simulator.token not in told.read_text()


@pytest.mark.parametrize(
    ("landing", "source", "namespace", "name"),
    [
        (talkwalker, {"stream_id": "s", "collector_id": "c"}, "talkwalker://api.talkwalker.com", "stream/s"),
        (talkwalker, {"query": "q", "collector_id": "c"}, "talkwalker://api.talkwalker.com", "collector/c"),
        (x_search, {"product": "30day"}, "x://gnip-api.x.com", "search/30day"),
        (x_streams, {"stream": "likes"}, "x://gnip-stream.x.com", "stream/likes"),
        (adobe, {"sandbox": "prod", "dataset_id": "d"}, "adobe://platform.adobe.io", "prod/d"),
    ],
)
def test_each_source_has_a_name_that_stays(
    landing: Any, source: dict[str, Any], namespace: str, name: str
) -> None:
    """Whichever connection leads there."""
    found = landing.dataset(source)
    assert (found.namespace, found.name) == (namespace, name)


def test_a_bucket_is_named_as_openlineage_wants(airflow_bucket: dict[str, str]) -> None:
    """And other formats than Parquet have no columns to tell."""
    path = ObjectStoragePath(
        airflow_bucket["object_storage_path"], conn_id=airflow_bucket["object_storage_conn_id"]
    )
    lineage = lineage_of(path, _manifest("jsonl.gz"), Dataset("made-up://host", "box"))
    (landed,) = lineage.outputs
    assert f"{landed.namespace}/{landed.name}" == airflow_bucket["object_storage_path"]
    assert landed.namespace.startswith("s3://lake-")
    assert landed.facets == {}


def _manifest(file_format: str) -> Manifest:
    return empty_manifest({"owner": "box"}, file_format)
