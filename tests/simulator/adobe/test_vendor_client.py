"""The vendor's own client, `aepp`, works with the simulator.

`make test` installs it by itself, without the libraries for other services that it requires, which have to be compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aepp
import pytest

from tests.simulator.adobe.test_service import CREDENTIALS, ORDER, ORG_ID

if TYPE_CHECKING:
    from tests.simulator_process import Simulator


@pytest.fixture
def segmentation(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its client for export jobs; only the addresses of the two hosts are changed."""
    from aepp.segmentation import Segmentation

    aepp.configure(
        org_id=ORG_ID,
        client_id=CREDENTIALS["client_id"],
        secret=CREDENTIALS["client_secret"],
        scopes=CREDENTIALS["scope"],
    )
    monkeypatch.setitem(aepp.config.endpoints, "global", simulator.url)
    monkeypatch.setitem(aepp.config.config_object, "oauthTokenEndpointV2", f"{simulator.url}/ims/token/v3")
    return Segmentation()


def test_it_creates_lists_gets_and_deletes_jobs(simulator: Simulator, segmentation: Any) -> None:
    """Jobs are created, listed over several pages, returned and cancelled."""
    simulator.settings(adobe_job_seconds=None)
    ids = [segmentation.createExport(ORDER)["id"] for _ in range(5)]
    assert [job["id"] for job in segmentation.getExportJobs(limit=2)] == ids[::-1]
    assert segmentation.getExport(str(ids[0]))["status"] in ("NEW", "PROCESSING")
    segmentation.deleteExport(str(ids[0]))
    assert segmentation.getExport(str(ids[0]))["status"] == "CANCELLED"


def test_it_finds_and_reads_files(simulator: Simulator, segmentation: Any) -> None:
    """The files of a batch are listed, and one is downloaded."""
    from aepp.dataaccess import DataAccess

    simulator.settings(adobe_queue_seconds=0, adobe_job_seconds=0)
    job = segmentation.getExport(str(segmentation.createExport(ORDER)["id"]))
    data_access = DataAccess()
    listed = data_access.getBatchFiles(job["destination"]["batchId"])
    expected = simulator.control(f"adobe/jobs/{job['id']}/files")
    assert [file["dataSetFileId"] for file in listed] == [file["id"] for file in expected]
    found = data_access.getFiles(expected[0]["id"], path=expected[0]["name"])
    assert len(found.getvalue()) == expected[0]["bytes"]
