"""The organization that the simulator has at Adobe, and how tests reach it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.adobe.client import AdobeClient
from airflow_provider_twexport.adobe.oauth import ServerCredential
from airflow_provider_twexport.adobe.orders import ExportJobOrder
from tests.waiting import QUICK

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_twexport.core.timing import Timing
    from tests.simulator_process import Simulator

ORG_ID = "1BD6382559DF0C130A49422D@AdobeOrg"
SECRET = "demo-client-secret"
CREDENTIAL = ServerCredential("demo-client-id", SECRET, ORG_ID, ("openid", "AdobeID"))
INSTANT = {"adobe_queue_seconds": 0, "adobe_job_seconds": 0}
DATASET = "5b7c86968f7b6501e21ba9df"
SEGMENT = {"segmentId": "52c26d0d-45f2-47a2-ab30-ed06abc981ff", "segmentNs": "ups", "status": ["realized"]}
ORDER = ExportJobOrder(
    {
        "fields": "identities.id,personalEmail.address",
        "destination": {"datasetId": DATASET},
        "schema": {"name": "_xdm.context.profile"},
        "filter": {"segments": [SEGMENT]},
    }
)


def client_of(simulator: Simulator, sandbox: str = "prod", timing: Timing = QUICK) -> AdobeClient:
    """Return a client that does not wait long between tries."""
    return AdobeClient(CREDENTIAL, sandbox, simulator.url, simulator.url, timing)


@pytest.fixture
def adobe_client(simulator: Simulator) -> AdobeClient:
    """A client of an organization whose jobs end at once."""
    simulator.settings(**INSTANT)
    return client_of(simulator)


@pytest.fixture
def adobe_connection(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Point the connection ``adobe_experience_platform_default`` at the simulator; called again, change it."""

    def connect(**changes: Any) -> None:
        extra = {"org_id": ORG_ID, "sandbox": "prod", "scopes": "openid,AdobeID", "ims_host": simulator.url}
        connection = {
            "conn_type": "adobe_experience_platform",
            "host": simulator.url,
            "login": CREDENTIAL.client_id,
            "password": SECRET,
            "extra": extra | changes.pop("extra", {}),
        }
        monkeypatch.setenv("AIRFLOW_CONN_ADOBE_EXPERIENCE_PLATFORM_DEFAULT", json.dumps(connection | changes))

    connect()
    return connect
