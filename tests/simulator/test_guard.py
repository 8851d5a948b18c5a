"""The control plane is for this machine and its own pages."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.simulator_process import running_simulator
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.simulator_process import Simulator


def status(url: str, method: str = "GET", **headers: str) -> int:
    """Return the status of a request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, headers=named)  # noqa: S310 - http, on loopback
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("path", ["/_control/ledger", "/_control/", "/"])
def test_a_name_that_was_bound_to_this_machine_is_refused(simulator: Simulator, path: str) -> None:
    """A page of another site cannot reach it under a name of its own."""
    assert status(simulator.url + path) == 200
    assert status(simulator.url + path, Host="evil.example.com") == 403
    assert status(simulator.url + path, Host=f"evil.example.com:{simulator.url.rpartition(':')[2]}") == 403


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example.com"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}]
)
def test_a_page_of_another_site_is_refused(simulator: Simulator, headers: dict[str, str]) -> None:
    """A form or script elsewhere cannot change anything; the simulator's own page can."""
    assert status(f"{simulator.url}/_control/reset", "POST", **headers) == 403
    assert status(f"{simulator.url}/_control/reset", "POST", Origin=simulator.url) == 200


def test_the_services_themselves_take_any_host(simulator: Simulator) -> None:
    """Clients behind a name or a proxy are what it is for."""
    url = f"{simulator.url}/api/v1/search/info?access_token={simulator.token}"
    assert status(url, Host="api.talkwalker.com") == 200


def own_address() -> str:
    """Return an address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            address: str = probe.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    return address


@pytest.mark.slow
@pytest.mark.parametrize(("options", "expected"), [((), 403), (("--remote-control",), 200)])
def test_other_machines_control_it_only_when_asked(options: tuple[str, ...], expected: int) -> None:
    """Listening everywhere opens the services, not the control plane."""
    address = own_address()
    with running_simulator("--host", "0.0.0.0", *options) as simulator:  # noqa: S104
        port = simulator.url.rpartition(":")[2]
        assert status(f"http://{address}:{port}/_control/ledger") == expected
        assert status(f"http://{address}:{port}/api/v1/search/info?access_token={simulator.token}") == 200
