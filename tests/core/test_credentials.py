"""The token appears nowhere: in no log, no error, no repr."""

from __future__ import annotations

import base64
import http.client
import logging
import traceback
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from airflow_provider_twexport.adobe.client import AdobeClient
from airflow_provider_twexport.adobe.oauth import ServerCredential
from airflow_provider_twexport.exceptions import TwexportError
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.models import ExportOrder
from airflow_provider_twexport.x.search.pages import SearchRequest
from tests.adobe_account import ORG_ID, SECRET, client_of
from tests.service_clients import JANUARY, x_client_of
from tests.waiting import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulator_process import Simulator

AWKWARD_TOKEN = "not/a real+token=with spaces&signs?%"


@pytest.fixture
def ordered_fault(simulator: Simulator, request: pytest.FixtureRequest) -> None:
    """Order a fault before anybody watches: the order itself may hold a token."""
    simulator.settings(echo_token=True)
    simulator.faults(request.param)


@pytest.fixture
def seen(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """Everything that any library logs or prints at DEBUG."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    texts: list[str] = []
    with caplog.at_level(logging.DEBUG):
        yield texts
    captured = capfd.readouterr()
    logged = map(logging.Formatter("%(name)s %(message)s").format, caplog.get_records("call"))
    texts += [*logged, captured.out, captured.err]
    everything = "\n".join(texts)
    assert "urllib3" in everything, "nothing was logged, so nothing was tested"
    secrets = (AWKWARD_TOKEN, "demo-token-read-write", "demo-password", SECRET, "demo-adobe-token")
    headers = [base64.b64encode(f"demo@example.com:{secret}".encode()).decode() for secret in secrets]
    for token in (*secrets, *headers):
        for form in (token, quote(token), quote(token, safe=""), quote_plus(token)):
            assert form not in everything


def _complaint(error: BaseException) -> str:
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(inner)
    # tools that report errors look into what they carry
    requests = [repr(vars(one.request)) for one in chain if getattr(one, "request", None) is not None]
    return "\n".join([*traceback.format_exception(error), *map(repr, chain), *map(str, chain), *requests])


@pytest.mark.parametrize(
    "ordered_fault",
    [
        {"fault": "drop", "times": 99},
        {"fault": "html", "status": 502, "times": 99},
        {"fault": "garbage"},
        {
            "fault": "redirect",
            "location": "https://elsewhere.example.com/?access_token=demo-token-read-write",
        },
        {"fault": "error", "code": 5, "details": {"url": ["/x?access_token=demo-token-read-write"]}},
    ],
    indirect=True,
)
def test_errors_do_not_contain_the_token(simulator: Simulator, ordered_fault: None, seen: list[str]) -> None:
    """Errors, their chains and all logs are free of the token, also if the service echoes it."""
    with pytest.raises(TwexportError) as raised:
        TalkwalkerClient(simulator.token, simulator.url, QUICK).list_projects()
    seen.append(_complaint(raised.value))


def test_a_refused_token_is_not_shown(simulator: Simulator, seen: list[str]) -> None:
    """A token with special characters reaches the service unchanged, and appears in no text."""
    client = TalkwalkerClient(AWKWARD_TOKEN, simulator.url, QUICK)
    with pytest.raises(TwexportError, match="token") as raised:
        client.list_projects()
    seen += [_complaint(raised.value), repr(client), repr(vars(client)), repr(client._session._credential)]


def test_an_unreachable_host_does_not_show_the_token(seen: list[str]) -> None:
    """The errors of a failed connection do not contain the token."""
    client = TalkwalkerClient(AWKWARD_TOKEN, "http://127.0.0.1:9", QUICK)
    with pytest.raises(TwexportError) as raised:
        client.list_projects()
    seen.append(_complaint(raised.value))


def test_a_whole_export_does_not_show_the_token(simulator: Simulator, seen: list[str]) -> None:
    """An export with faults logs much, but never the token."""
    simulator.faults({"match": {"path": "results"}, "fault": "cut", "after_results": 150, "mid_line": True})
    client = TalkwalkerClient(simulator.token, simulator.url, QUICK)
    client.put_collector("box")
    task = client.create_export(ExportOrder(JANUARY, project_id=simulator.project_id, limit=400), "box")
    seen.append(repr(task))
    batches = client.drain("box", export_id=task.id)
    assert sum(len(batch.records) for batch in batches) == 400


@pytest.mark.parametrize("password", ["demo-password", AWKWARD_TOKEN])
def test_a_password_is_not_shown(password: str, simulator: Simulator, seen: list[str]) -> None:
    """HTTP Basic reaches the service unchanged, and appears in no text, however the search ends."""
    client = x_client_of(simulator, password=password)
    if password == "demo-password":
        seen += [repr(batch.cursor) for batch in client.pages(SearchRequest("coffee", JANUARY))]
    else:
        with pytest.raises(TwexportError, match="login") as raised:
            client.get_usage()
        seen.append(_complaint(raised.value))
    seen += [repr(client), repr(vars(client)), repr(vars(client._session)), repr(client._session._credential)]


@pytest.mark.parametrize(
    "ordered_fault",
    [
        {"fault": "drop", "times": 99},
        {"fault": "html", "status": 502, "times": 99},
        {"fault": "garbage", "body": f"client_secret={SECRET}"},
        {"fault": "garbage", "match": {"path": "token"}},
        {"fault": "error", "http": 400, "message": f"client_secret={SECRET}", "match": {"path": "jobs"}},
    ],
    indirect=True,
)
def test_adobes_errors_contain_neither_secret_nor_token(
    simulator: Simulator, ordered_fault: None, seen: list[str]
) -> None:
    """Errors of the identity service and of the platform contain neither."""
    client = client_of(simulator)
    with pytest.raises(TwexportError) as raised:
        client.list_export_jobs()
    seen += [_complaint(raised.value), repr(client), repr(vars(client)), repr(client._token)]


def test_a_refused_secret_of_adobe_is_not_shown(simulator: Simulator, seen: list[str]) -> None:
    """A secret with special characters reaches the service unchanged, and appears in no text."""
    credential = ServerCredential("demo-client-id", AWKWARD_TOKEN, ORG_ID, ("openid",))
    with pytest.raises(TwexportError, match="client id and secret") as raised:
        AdobeClient(credential, "prod", simulator.url, simulator.url, QUICK).list_export_jobs()
    seen += [_complaint(raised.value), repr(credential)]


def test_a_token_of_adobe_is_not_shown_when_it_is_replaced(simulator: Simulator, seen: list[str]) -> None:
    """A renewal shows neither the old token nor the new one."""
    client = client_of(simulator)
    client.list_export_jobs()
    simulator.control("adobe/revoke", {})
    seen.append(repr(client.list_export_jobs()))
