"""``twexport adobe jobs``, as a person or a script uses it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.adobe_account import DATASET, ORDER, SEGMENT
from tests.test_cli import twexport

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_twexport.adobe.client import AdobeClient
    from tests.simulator_process import Simulator

pytestmark = pytest.mark.usefixtures("adobe_connection")


def test_jobs_are_listed(simulator: Simulator, adobe_client: AdobeClient) -> None:
    """One line each, newest first; JSON has a cursor for the next page."""
    ids = [adobe_client.create_export_job(ORDER).id for _ in range(3)][::-1]
    listed = twexport("adobe", "jobs")
    assert listed.returncode == 0, listed.stderr
    head, *lines = listed.stdout.splitlines()
    assert head.split() == ["job", "status", "created", "profiles", "dataset", "segments"]
    assert [line.split()[0] for line in lines] == ids
    assert all(words in lines[0] for words in ("SUCCEEDED", "1,000", DATASET, SEGMENT["segmentId"]))
    (newest,) = json.loads(twexport("adobe", "jobs", "--json", "--limit", "1").stdout)
    rest = twexport("adobe", "jobs", "--json", "--cursor", newest["cursor"], "--status", "SUCCEEDED")
    assert [str(job["id"]) for job in json.loads(rest.stdout)] == ids[1:]


def test_mistakes_are_error_messages(simulator: Simulator, adobe_connection: Callable[..., None]) -> None:
    """With status 2."""
    assert "No export jobs in sandbox prod" in twexport("adobe", "jobs").stdout
    for arguments, words in (
        (("--status", "PROCESSING"), "one of NEW, SUCCEEDED, FAILED"),
        (("--limit", "0"), "not a number of jobs"),
        (("--conn-id", "nobody"), "no Airflow connection 'nobody'"),
    ):
        result = twexport("adobe", "jobs", *arguments)
        assert result.returncode == 2
        assert words in result.stderr
