"""The X enterprise connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.exceptions import InvalidRequestError
from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator_process import Simulator

EXTRA = {"account": "demo", "label": "prod"}


def test_the_test_button_says_what_was_used(simulator: Simulator, x_connection: Callable[..., None]) -> None:
    """The test names the account and its requests of the month, with one free call."""
    works, words = XEnterpriseHook().test_connection()
    assert works, words
    assert "account demo" in words
    assert "Requests this month: 0 of the full archive, 0 of 30 days." in words
    assert simulator.ledger()["x"]["billed"] == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "not-a-real-password"}, "refuses the login"),
        ({"password": ""}, "no password"),
        ({"login": ""}, "no login"),
        ({"extra": {"label": "prod"}}, "no account"),
        ({"extra": {"account": "demo"}}, "no label"),
        ({"extra": {"account": "Demo", "label": "prod"}}, "case-sensitive"),
        ({"extra": {**EXTRA, "product": "7day"}}, "'7day' is unknown"),
        ({"extra": {**EXTRA, "requests_per_minute": "many"}}, "not a whole number"),
        ({"extra": {**EXTRA, "requests_per_minute": 0}}, "less than 1"),
        ({"host": "http://gnip-api.example.com"}, "clear text"),
        ({"host": "http://127.0.0.1:9"}, "did not respond"),
    ],
)
def test_what_is_wrong_is_reported_and_not_raised(
    changes: dict[str, Any], words: str, x_connection: Callable[..., None]
) -> None:
    """The browser receives a sentence, without a secret."""
    x_connection(**changes)
    works, message = XEnterpriseHook().test_connection()
    assert not works
    assert words in message
    assert "not-a-real-password" not in message


def test_a_test_that_comes_too_soon_says_when_to_retry(x_connection: Callable[..., None]) -> None:
    """X reports the usage twice a minute, so a third test says when to retry."""
    results = [XEnterpriseHook().test_connection() for _ in range(3)]
    assert [works for works, _ in results] == [True, True, False]
    assert "Test again in a minute" in results[-1][1]
    assert "HTTP 429" in results[-1][1]


def test_the_service_itself_is_the_default(x_connection: Callable[..., None]) -> None:
    """A connection without host uses the URL of X."""
    x_connection(host=None)
    assert XEnterpriseHook().get_conn().base_url == "https://gnip-api.x.com"


@pytest.mark.parametrize("silence", [30, "20", "no", float("nan"), float("inf")])
def test_a_silence_that_x_does_not_allow_is_refused(silence: Any, x_connection: Callable[..., None]) -> None:
    """X asks for a read timeout of more than 30 seconds."""
    with pytest.raises(InvalidRequestError, match="more than 30 seconds"):
        XEnterpriseHook().get_stream("decahose", silence=silence)


def test_silence_is_45_seconds_unless_given(x_connection: Callable[..., None]) -> None:
    """The documented default, and any longer time."""
    hook = XEnterpriseHook()
    seconds = [hook.get_stream("decahose", silence=one).timing.stream_silence for one in (None, "", "90", 31)]
    assert seconds == [45.0, 45.0, 90.0, 31.0]
