"""The Talkwalker connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import Connection

from airflow_provider_twexport.exceptions import ConnectionConfigError
from airflow_provider_twexport.hooks.talkwalker import TalkwalkerHook, default_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator_process import Simulator


def test_the_test_button_says_what_works(
    simulator: Simulator, talkwalker_connection: Callable[..., None]
) -> None:
    """Account, rights, credits and projects, for free."""
    works, words = TalkwalkerHook().test_connection()
    assert works
    for word in ("Demo account", "read and write", "1,000,000", "Demo project", simulator.project_id):
        assert word in words
    assert simulator.ledger()["credits"]["charged_total"] == 0


def test_a_read_only_token_is_reported(talkwalker_connection: Callable[..., None]) -> None:
    """The token works, but not for exports."""
    talkwalker_connection(password="demo-token-read-only")
    works, words = TalkwalkerHook().test_connection()
    assert works
    assert "read only: it cannot create exports" in words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "not-a-real-token"}, "access token is missing, wrong or inactive"),
        ({"password": ""}, "no access token"),
        ({"host": "http://talkwalker.example.com"}, "clear text"),
        ({"host": "http://127.0.0.1:9"}, "did not respond"),
        ({"host": "http://127.0.0.1:notaport"}, "not a URL"),
        ({"extra": '{"projectid": "abc"}'}, "unknown keys: projectid. It may have project_id."),
    ],
)
def test_what_is_wrong_is_reported_and_not_raised(
    changes: dict[str, Any], words: str, talkwalker_connection: Callable[..., None]
) -> None:
    """The browser receives a sentence, without a secret."""
    talkwalker_connection(**changes)
    works, message = TalkwalkerHook().test_connection()
    assert not works
    assert words in message
    assert "not-a-real-token" not in message


def test_a_missing_connection_is_reported_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing connection does not end in a traceback."""
    works, message = TalkwalkerHook("there_is_no_such_connection").test_connection()
    assert not works
    assert message


@pytest.mark.parametrize(
    ("parts", "address"),
    [
        ({"host": None}, "https://api.talkwalker.com"),
        ({"host": "talkwalker.example.com"}, "https://talkwalker.example.com"),
        ({"host": "https://talkwalker.example.com/"}, "https://talkwalker.example.com"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8089}, "http://127.0.0.1:8089"),
        ({"host": "https://proxy.example.com/talkwalker"}, "https://proxy.example.com/talkwalker"),
    ],
)
def test_the_host_may_be_written_in_several_ways(
    parts: dict[str, Any], address: str, talkwalker_connection: Callable[..., None]
) -> None:
    """A name, a whole address, or nothing at all for the service itself."""
    talkwalker_connection(**parts)
    assert TalkwalkerHook().get_conn().base_url == address


@pytest.mark.parametrize("extra", ["{project_id: abc}", '["project_id"]', "abc"])
def test_an_extra_that_cannot_be_read_is_refused(extra: str) -> None:
    """It would order from all of Talkwalker instead of the project."""
    with pytest.raises(ConnectionConfigError, match="extra of connection mine is not a JSON object"):
        default_project(Connection(conn_id="mine", conn_type="talkwalker", extra=extra))


def test_blanks_around_the_token_are_ignored(
    simulator: Simulator, talkwalker_connection: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """A copied token often ends with a line end."""
    talkwalker_connection(password=f" {simulator.token}\n")
    works, _ = TalkwalkerHook().test_connection()
    assert works
    assert "blanks around the password are ignored" in caplog.text
    assert simulator.token not in caplog.text
