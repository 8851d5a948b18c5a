"""The X enterprise connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_twexport.hooks.x_enterprise import XEnterpriseHook

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator_process import Simulator

EXTRA = {"account": "demo", "label": "prod"}


def test_the_test_button_tells_what_was_used(simulator: Simulator, x_connection: Callable[..., None]) -> None:
    """Account and requests of the month, with one free call."""
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
def test_what_is_wrong_is_told_and_not_raised(
    changes: dict[str, Any], words: str, x_connection: Callable[..., None]
) -> None:
    """The answer goes to a browser: a sentence, and no secret."""
    x_connection(**changes)
    works, told = XEnterpriseHook().test_connection()
    assert not works
    assert words in told
    assert "not-a-real-password" not in told


def test_who_asks_too_often_is_told_to_wait(x_connection: Callable[..., None]) -> None:
    """The usage is told twice a minute; that says nothing against the connection."""
    told = [XEnterpriseHook().test_connection() for _ in range(3)]
    assert [works for works, _ in told] == [True, True, False]
    assert "Test again in a minute" in told[-1][1]
    assert "HTTP 429" in told[-1][1]


def test_the_service_itself_is_the_default(x_connection: Callable[..., None]) -> None:
    """No host means X."""
    x_connection(host=None)
    assert XEnterpriseHook().get_conn().base_url == "https://gnip-api.x.com"
