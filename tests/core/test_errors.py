"""The vendor's table of errors, each mapped to what the caller should do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_twexport import exceptions
from airflow_provider_twexport.exceptions import Evidence, TwexportError
from airflow_provider_twexport.talkwalker.client import TalkwalkerClient
from airflow_provider_twexport.talkwalker.error_codes import ERRORS, explain_chunk
from tests.waiting import QUICK

if TYPE_CHECKING:
    from tests.simulator_process import Simulator

EXPECTED = {
    1: exceptions.TransientError,
    2: exceptions.TransientError,
    3: exceptions.InvalidRequestError,
    4: exceptions.QuerySyntaxError,
    5: exceptions.InvalidRequestError,
    7: exceptions.ConnectionConfigError,
    8: exceptions.ThrottledError,
    9: exceptions.InsufficientCreditsError,
    10: exceptions.ConnectionConfigError,
    11: exceptions.ConnectionConfigError,
    12: exceptions.ConnectionConfigError,
    13: exceptions.PermissionDeniedError,
    15: exceptions.NotFoundError,
    16: exceptions.InvalidRequestError,
    17: exceptions.InvalidRequestError,
    18: exceptions.InvalidRequestError,
    19: exceptions.QuotaExceededError,
    20: exceptions.QuotaExceededError,
    21: exceptions.InvalidRequestError,
    22: exceptions.QuotaExceededError,
    23: exceptions.InvalidRequestError,
    24: exceptions.StreamInUseError,
    25: exceptions.ReadInterruptedError,
    26: exceptions.ConnectionConfigError,
    27: exceptions.ConnectionConfigError,
    28: exceptions.NotFoundError,
    29: exceptions.PermissionDeniedError,
    30: exceptions.ThrottledError,
}


def test_no_code_of_the_vendor_is_left_out() -> None:
    """The table knows each code that the vendor documents, and no other."""
    assert ERRORS.keys() == {str(code) for code in EXPECTED}


@pytest.mark.parametrize(("code", "expected"), EXPECTED.items())
def test_each_code_has_its_class(code: int, expected: type[TwexportError], simulator: Simulator) -> None:
    """An answer with this code raises this class, with the evidence and without a query string."""
    simulator.faults({"fault": "error", "code": code, "times": 9, "details": {"param": ["target"]}})
    client = TalkwalkerClient(simulator.token, simulator.url, QUICK)
    with pytest.raises(expected) as raised:
        client._session.call("GET", "/api/v1/search/info", params={"q": "private"}, repeatable=False)
    assert type(raised.value) is expected
    evidence = raised.value.evidence
    assert evidence is not None
    assert evidence.code == str(code)
    assert evidence.path == "/api/v1/search/info"
    assert evidence.request_id is not None
    assert "param=target" in str(raised.value)
    assert "private" not in str(raised.value)


def test_undocumented_code_is_named(simulator: Simulator) -> None:
    """A code that nobody documented is an error of its own, by name."""
    simulator.faults({"fault": "error", "code": 77, "http": 400})
    with pytest.raises(exceptions.UnexpectedResponseError, match="undocumented error code 77"):
        TalkwalkerClient(simulator.token, simulator.url, QUICK).get_credits()


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        ({"chunk_error": {"status_code": "25", "status_message": "gone"}}, exceptions.ReadInterruptedError),
        ({"chunk_error": {"status_code": 9}}, exceptions.InsufficientCreditsError),
        ({"error": {"data": {"status_code": "24"}}}, exceptions.StreamInUseError),
        ({"status_code": "8"}, exceptions.ThrottledError),
        ({"reason": "no idea"}, exceptions.ReadInterruptedError),
        ({}, exceptions.ReadInterruptedError),
    ],
)
def test_error_chunks_of_any_layout_are_understood(
    chunk: dict[str, object], expected: type[TwexportError]
) -> None:
    """The layout of CT_ERROR is not documented: a code is found wherever it stands."""
    error = explain_chunk({"chunk_type": "CT_ERROR", **chunk}, Evidence("GET", "/results", 200))
    assert type(error) is expected
