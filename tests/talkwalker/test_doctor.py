"""What the doctor finds on an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.doctor import Finding, examine
from tests.waiting import QUICK

if TYPE_CHECKING:
    from airflow_provider_twexport.talkwalker.models import ExportOrder
    from tests.simulator_process import Simulator


def findings(client: TalkwalkerClient, collector_id: str | None = None) -> dict[str, Finding]:
    """Return what is found, by subject."""
    return {finding.subject: finding for finding in examine(client, collector_id, seconds=1.0)}


def test_an_account_as_assumed_agrees(client: TalkwalkerClient, order: ExportOrder) -> None:
    """Nothing differs, and nothing is bought or changed by looking."""
    client.put_collector("box")
    client.create_export(order, "box")
    before = client.get_credits().remaining, client.list_exports(), client.list_collectors()
    found = findings(client, "box")
    assert [finding for finding in found.values() if finding.agrees is False] == []
    assert "results, " in found["a short read"].found
    assert found["reading on"].found.startswith("starts at")
    assert (client.get_credits().remaining, client.list_exports(), client.list_collectors()) == before


def test_a_token_without_rights_is_a_finding(simulator: Simulator) -> None:
    """Each check stands for itself: what is refused does not hide the rest."""
    found = findings(TalkwalkerClient(simulator.read_only_token, simulator.url, QUICK))
    assert found["rights"] == Finding(
        "rights", "read only", "read and write, which exports need", agrees=False
    )
    assert "projects: " in found["connection"].found


def test_a_service_that_differs_is_a_finding(
    client: TalkwalkerClient, simulator: Simulator, order: ExportOrder
) -> None:
    """A body that ends without its last control differs from what is assumed."""
    client.put_collector("box")
    client.create_export(order, "box")
    cut = {"match": {"query": "resume_offset=earliest"}, "fault": "cut", "after_results": 150}
    simulator.faults(cut)
    assert findings(client, "box")["last control"].agrees is False
