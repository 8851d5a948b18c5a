"""The connections of the other two systems in a live Airflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.adobe_account import CREDENTIAL, ORG_ID

if TYPE_CHECKING:
    from demo.api import AirflowApi
    from tests.simulator_process import Simulator

ADOBE = {"org_id": ORG_ID, "scopes": ",".join(CREDENTIAL.scopes)}
X = {"account": "demo", "label": "prod"}


def connect_x_and_adobe(api: AirflowApi, simulator: Simulator) -> None:
    """Store the default connections of X and of Adobe."""
    api.create_connection(
        connection_id="x_enterprise_default",
        conn_type="x_enterprise",
        host=simulator.url,
        login=simulator.x_login,
        password=simulator.x_password,
        extra=json.dumps(X),
    )
    api.create_connection(
        connection_id="adobe_experience_platform_default",
        conn_type="adobe_experience_platform",
        host=simulator.url,
        login=CREDENTIAL.client_id,
        password=CREDENTIAL.client_secret,
        extra=json.dumps(ADOBE | {"ims_host": simulator.url}),
    )
